"""TDREPORT: what the TDX module tells a TD about itself, 1024 bytes (tee §4.2).

Only the CPU that made it can check its MAC, so alone it proves nothing to others: a quote does.
It holds the same registers, and an attester or a paravisor binds things to its report data.
"""

import hashlib
from typing import Final, Self

import msgspec

from casemate.errors import PeerError
from casemate.tee.dcap.fields import Part, Record

TDREPORT: Final = Record(
    "TDREPORT",
    "tee §4.2",
    Part("type", 4, "81 TDX, subtype, version, reserved"),
    Part("reserved1", 12, "reserved"),
    Part("cpu_svn", 16, "versions of microcode, as the CPU puts them"),
    Part("tee_tcb_info_hash", 48, "SHA-384 of tee_tcb_info"),
    Part("tee_info_hash", 48, "SHA-384 of the TD's info, from attributes on"),
    Part("report_data", 64, "what the TD asked to have bound"),
    Part("reserved2", 32, "reserved"),
    Part("mac", 32, "by a key of this CPU"),
    Part("tee_tcb_info", 239, "versions, digest, signer and attributes of the TDX module"),
    Part("reserved3", 17, "reserved"),
    Part("attributes", 8, "td_attributes"),
    Part("xfam", 8, "extended CPU features that the TD may use"),
    Part("mr_td", 48, "SHA-384 of the TD's first memory: its firmware"),
    Part("mr_config_id", 48, "set by whoever started the TD: digest of the initdata"),
    Part("mr_owner", 48, "owner, set by whoever started the TD"),
    Part("mr_owner_config", 48, "owner's configuration, set by whoever started the TD"),
    Part("rtmr_0", 48, "firmware's configuration"),
    Part("rtmr_1", 48, "boot loader and kernel"),
    Part("rtmr_2", 48, "command line, initrd, operating system"),
    Part("rtmr_3", 48, "what the guest measures while it runs"),
    Part("reserved4", 112, "digest of service TDs (48), reserved"),
)
TDX_TYPE: Final = 0x81
_INFO_SIZE: Final = 512


class TdxReport(msgspec.Struct, frozen=True):
    """A TDREPORT. Fields are raw bytes."""

    type: bytes
    reserved1: bytes
    cpu_svn: bytes
    tee_tcb_info_hash: bytes
    tee_info_hash: bytes
    report_data: bytes
    reserved2: bytes
    mac: bytes
    tee_tcb_info: bytes
    reserved3: bytes
    attributes: bytes
    xfam: bytes
    mr_td: bytes
    mr_config_id: bytes
    mr_owner: bytes
    mr_owner_config: bytes
    rtmr_0: bytes
    rtmr_1: bytes
    rtmr_2: bytes
    rtmr_3: bytes
    reserved4: bytes

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read 1024 bytes.

        Raises:
            PeerError: another size, not of a TD, or its digests do not hold.
        """
        if len(raw) != TDREPORT.size:
            raise _error(f"{len(raw)} bytes", f"{TDREPORT.size} bytes")
        report = cls(*TDREPORT.split(raw))
        if report.type[0] != TDX_TYPE:
            raise _error(f"type {report.type[0]:#x}", "0x81 (TDX)")
        for name, data, digest in (
            ("tee_info", raw[-_INFO_SIZE:], report.tee_info_hash),
            ("tee_tcb_info", report.tee_tcb_info, report.tee_tcb_info_hash),
        ):
            if hashlib.sha384(data).digest() != digest:
                raise _error(f"{name} of another digest", f"the one of {name}_hash")
        return report

    @property
    def rtmrs(self) -> tuple[bytes, ...]:
        """The four run-time registers, 48 bytes each."""
        return self.rtmr_0, self.rtmr_1, self.rtmr_2, self.rtmr_3

    def encode(self) -> bytes:
        """Write 1024 bytes; the inverse of ``parse``."""
        return b"".join(msgspec.structs.astuple(self))


def _error(got: str, want: str) -> PeerError:
    return PeerError("TDREPORT", got=got, want=want, spec="tee §4.2")
