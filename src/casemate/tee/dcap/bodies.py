"""What the hardware says: the bodies of quotes. Fields are raw bytes; numbers are little-endian.

The tables stand beside the types, in the same order (tee §4.2; Intel "TDX DCAP Quoting Library
API", appendix 3, and "ECDSA Quote Library API", appendix A.4).
"""

from typing import Final, Self

import msgspec

from casemate.errors import PeerError
from casemate.tee.dcap.fields import Part, Record

_SPEC: Final = "tee §4.2"

TD_REPORT: Final = Record(
    "TD report",
    _SPEC,
    Part("tcb_svn", 16, "versions of the TDX module ([0] minor, [1] major) and of SEAM firmware"),
    Part("mr_seam", 48, "SHA-384 of the TDX module"),
    Part("mrsigner_seam", 48, "who signed the TDX module; zeros are Intel"),
    Part("seam_attributes", 8, "attributes of the TDX module; zero"),
    Part("td_attributes", 8, "debug, migration, CPU features that weaken or help the TD"),
    Part("xfam", 8, "extended CPU features that the TD may use"),
    Part("mr_td", 48, "SHA-384 of the TD's first memory: its firmware"),
    Part("mr_config_id", 48, "set by whoever started the TD: digest of the initdata"),
    Part("mr_owner", 48, "owner, set by whoever started the TD"),
    Part("mr_owner_config", 48, "owner's configuration, set by whoever started the TD"),
    Part("rtmr_0", 48, "firmware's configuration"),
    Part("rtmr_1", 48, "boot loader and kernel"),
    Part("rtmr_2", 48, "command line, initrd, operating system"),
    Part("rtmr_3", 48, "what the guest measures while it runs"),
    Part("report_data", 64, "what the evidence is bound to"),
)
TD_REPORT_15: Final = Record(
    "TD report 1.5",
    _SPEC,
    *TD_REPORT.parts,
    Part("tee_tcb_svn2", 16, "versions of the TDX module and SEAM firmware that run now"),
    Part(
        "mr_servicetd", 48, "SHA-384 of service TDs bound to this one (migration); zeros are none"
    ),
)
SGX_REPORT: Final = Record(
    "SGX report",
    _SPEC,
    Part("cpu_svn", 16, "versions of microcode, as the CPU puts them"),
    Part("misc_select", 4, "extended features of the enclave"),
    Part("reserved1", 12, "reserved"),
    Part("isv_ext_prod_id", 16, "extended product id, by the enclave's signer"),
    Part("attributes.flags", 8, "bit 1: debug"),
    Part("attributes.xfrm", 8, "extended CPU features that the enclave may use"),
    Part("mr_enclave", 32, "SHA-256 of the enclave as it was built"),
    Part("reserved2", 32, "reserved"),
    Part("mr_signer", 32, "SHA-256 of the key that signed the enclave"),
    Part("reserved3", 32, "reserved"),
    Part("config_id", 64, "set by whoever started the enclave: digest of the initdata"),
    Part("isv_prod_id", 2, "product, by the enclave's signer"),
    Part("isv_svn", 2, "security version, by the enclave's signer"),
    Part("config_svn", 2, "security version of the configuration"),
    Part("reserved4", 42, "reserved"),
    Part("isv_family_id", 16, "product family, by the enclave's signer"),
    Part("report_data", 64, "what the evidence is bound to"),
)


class TdReport(msgspec.Struct, frozen=True):
    """A TD's body: 584 bytes (1.0), or 648 (1.5) with the two last fields."""

    tcb_svn: bytes
    mr_seam: bytes
    mrsigner_seam: bytes
    seam_attributes: bytes
    td_attributes: bytes
    xfam: bytes
    mr_td: bytes
    mr_config_id: bytes
    mr_owner: bytes
    mr_owner_config: bytes
    rtmr_0: bytes
    rtmr_1: bytes
    rtmr_2: bytes
    rtmr_3: bytes
    report_data: bytes
    tee_tcb_svn2: bytes | None = None
    mr_servicetd: bytes | None = None

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read 584 or 648 bytes.

        Raises:
            PeerError: another size.
        """
        record = TD_REPORT_15 if len(raw) == TD_REPORT_15.size else TD_REPORT
        _require_size(raw, record)
        return cls(*record.split(raw))

    @property
    def record(self) -> Record:
        """The table that reads this body."""
        return TD_REPORT if self.tee_tcb_svn2 is None else TD_REPORT_15

    @property
    def values(self) -> tuple[bytes, ...]:
        """The fields in the record's order."""
        return msgspec.structs.astuple(self)[: len(self.record.parts)]

    @property
    def rtmrs(self) -> tuple[bytes, ...]:
        """The four run-time registers, 48 bytes each."""
        return self.rtmr_0, self.rtmr_1, self.rtmr_2, self.rtmr_3

    def encode(self) -> bytes:
        """Write the body; the inverse of ``parse``."""
        return b"".join(self.values)


class SgxReport(msgspec.Struct, frozen=True):
    """An enclave's body, 384 bytes: of the quoted enclave, or of Intel's quoting enclave."""

    cpu_svn: bytes
    misc_select: bytes
    reserved1: bytes
    isv_ext_prod_id: bytes
    attributes_flags: bytes
    attributes_xfrm: bytes
    mr_enclave: bytes
    reserved2: bytes
    mr_signer: bytes
    reserved3: bytes
    config_id: bytes
    isv_prod_id: bytes
    isv_svn: bytes
    config_svn: bytes
    reserved4: bytes
    isv_family_id: bytes
    report_data: bytes

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read 384 bytes.

        Raises:
            PeerError: another size.
        """
        _require_size(raw, SGX_REPORT)
        return cls(*SGX_REPORT.split(raw))

    @property
    def record(self) -> Record:
        """The table that reads this body."""
        return SGX_REPORT

    @property
    def values(self) -> tuple[bytes, ...]:
        """The fields in the record's order."""
        return msgspec.structs.astuple(self)

    @property
    def svn(self) -> int:
        """The enclave's security version (isv_svn)."""
        return int.from_bytes(self.isv_svn, "little")

    def encode(self) -> bytes:
        """Write the body; the inverse of ``parse``."""
        return b"".join(self.values)


def _require_size(raw: bytes, record: Record) -> None:
    if len(raw) != record.size:
        raise PeerError(
            record.title, got=f"{len(raw)} bytes", want=f"{record.size} bytes", spec=record.spec
        )
