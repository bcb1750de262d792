"""Attester of a guest below Azure's paravisor (tee §7.5). Runs in the guest: no cryptography.

The guest writes the report data into one NV index of its TPM, the paravisor makes a new hardware
report that binds it, and the guest reads that from another index; then it quotes its registers.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Final

from casemate.crypto.digest import Digest
from casemate.errors import HostError, InputError, PeerError
from casemate.linux.tpm import Transport
from casemate.tee.azure.evidence import NEWEST, Presented
from casemate.tee.azure.hcl import HclReport, Kind
from casemate.tee.azure.variable_data import USER_DATA_SIZE, VariableData
from casemate.tee.vtpm.registers import bind_init_data, extend, quote_at_rest
from casemate.tee.vtpm.tpm import Tpm
from casemate.wire import tpm_command as commands
from casemate.wire.tpm import Signature

REPORT_INDEX: Final = 0x01400001
"""NV index that holds the paravisor's report."""
USER_DATA_INDEX: Final = 0x01400002
"""NV index that the guest writes its 64 bytes to."""
AK_HANDLE: Final = 0x81000003
"""Persistent handle of the TPM's attestation key."""
WAIT: Final = 3.0
"""Seconds that the paravisor may take to make a new report."""

_ATTEMPTS: Final = 3
_ATTRIBUTES: Final = (
    commands.NV_OWNER_WRITE | commands.NV_OWNER_READ | commands.NV_NO_DICTIONARY_ATTACK
)


class Paravisor:
    """The two NV indices through which a guest talks to the paravisor."""

    def __init__(self, tpm: Tpm, wait: Callable[[], None]) -> None:
        """Take the TPM, and what waits ``WAIT`` seconds."""
        self._tpm = tpm
        self._wait = wait

    def report(self) -> bytes:
        """Read the report that is there, as long as its NV index is.

        Raises:
            HostError: there is none, or the TPM refuses.
        """
        raw = self._tpm.read_nv(REPORT_INDEX, by=commands.RH_OWNER)
        if not raw:
            raise HostError(
                f"NV index {REPORT_INDEX:#x}",
                got="no such index",
                want="the paravisor's report",
                spec="tee §7.5",
                remedy="this is not a confidential VM of Azure",
            )
        return raw

    def report_with(self, report_data: bytes) -> bytes:
        """Have a report made that binds ``report_data``, padded with zeros to 64 bytes.

        Raises:
            HostError: the TPM refuses, or no such report came after the third wait.
            PeerError: what came is no report.
            InputError: more than 64 bytes.
        """
        if len(report_data) > USER_DATA_SIZE:
            raise InputError("report data", got=f"{len(report_data)} bytes", want="at most 64")
        wanted = report_data.ljust(USER_DATA_SIZE, b"\0")
        self._write(wanted)
        for _ in range(_ATTEMPTS):
            self._wait()
            raw = self.report()
            if _user_data(raw) == wanted:
                return raw
        raise HostError(
            "paravisor's report",
            got="another user-data than what was written",
            want=wanted.hex(),
            spec="tee §7.5",
            remedy="another process may attest at the same time; if not, the paravisor is too old",
        )

    def _write(self, data: bytes) -> None:
        """Write into the index, which is made when it is missing, or anew when it is smaller."""
        size = self._tpm.nv_size(USER_DATA_INDEX)
        if size is not None and size < len(data):
            self._tpm.drop_nv(USER_DATA_INDEX, by=commands.RH_OWNER)
            size = None
        if size is None:
            self._tpm.write_nv(USER_DATA_INDEX, data, _ATTRIBUTES, by=commands.RH_OWNER)
        else:
            self._tpm.fill_nv(USER_DATA_INDEX, data, by=commands.RH_OWNER)


def _user_data(raw: bytes) -> bytes:
    """Give the user data of a report; empty when it has none."""
    with suppress(PeerError):  # an old paravisor; the caller says so
        return VariableData.parse(HclReport.parse(raw).variable_data).user_bytes
    return b""


Endorse = Callable[[HclReport], bytes]
"""Gives what goes beside a report into the evidence: a VCEK (DER), or a TD quote."""


class AzureAttester:
    """Quotes PCR 0 to 23, beside a report of the paravisor that vouches for the TPM."""

    def __init__(
        self,
        transport: Transport,
        *,
        tee: str,
        kind: Kind,
        endorse: Endorse,
        encode: Callable[[Presented], bytes],
        wait: Callable[[], None],
    ) -> None:
        self._tee = tee
        self._kind = kind
        self._tpm = Tpm(transport)
        self._paravisor = Paravisor(self._tpm, wait)
        self._endorse = endorse
        self._encode = encode

    @property
    def tee(self) -> str:
        return self._tee

    @property
    def has_registers(self) -> bool:
        return True

    def evidence(self, report_data: bytes) -> bytes:
        """Give evidence of version 2, with ``report_data`` as nonce and in the report.

        Raises:
            HostError: the TPM, the paravisor or the metadata service refuses.
            PeerError: one of them answers nonsense.
            InputError: more than 64 bytes.
        """
        raw = self._paravisor.report_with(report_data)
        report = HclReport.parse(raw)
        if report.kind is not self._kind:
            raise HostError("paravisor's report", got=report.kind.name, want=self._kind.name)
        endorsement = self._endorse(report)
        quoted = quote_at_rest(self._tpm, AK_HANDLE, report_data)
        return self._encode(
            Presented(
                version=NEWEST,
                signature=Signature.parse(quoted.signature).signature,
                message=quoted.message,
                pcrs=quoted.pcrs,
                hcl_report=raw,
                endorsement=endorsement,
            )
        )

    def bind_init_data(self, digest: Digest) -> None:
        """Extend PCR 8, once after a reset.

        Raises:
            HostError: PCR 8 was extended before.
            InputError: the digest is not SHA-256.
        """
        bind_init_data(self._tpm, digest)

    def extend(self, register: int, digest: bytes, event: bytes = b"") -> None:  # noqa: ARG002
        """Extend a PCR. Evidence of Azure carries no log (tee §7.4): the agent keeps the event.

        Raises:
            InputError: no such PCR, PCR 8 (it is for initdata), or not 32 bytes.
        """
        extend(self._tpm, register, digest)


def kind_of(transport: Transport) -> Kind | None:
    """Say which hardware is below the paravisor; None where there is no report to read.

    For detection: raises HostError only when the TPM itself is gone.
    """
    raw = Tpm(transport).read_nv(REPORT_INDEX, by=commands.RH_OWNER)
    with suppress(PeerError):  # somebody else's index
        return HclReport.parse(raw).kind
    return None
