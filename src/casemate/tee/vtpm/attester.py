"""Attester of a bare TPM. Runs in the guest: no verifier, no X.509, no cryptography library."""

import hashlib
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Final

import msgspec

from casemate.crypto.digest import Digest
from casemate.errors import HostError, InputError
from casemate.linux.tpm import TpmDevice, Transport
from casemate.tee.vtpm.report import (
    AK_CERTIFICATE_INDEX,
    AK_HANDLE,
    INIT_DATA_PCR,
    TEE,
    TpmEvidence,
    TpmQuote,
    resize,
)
from casemate.tee.vtpm.tpm import Tpm
from casemate.wire.eventlog import LoggedEvent, encode_event
from casemate.wire.tpm import ALG_SHA256, PCR_COUNT, Quote

EVENT_LOG: Final = Path("/sys/kernel/security/tpm0/binary_bios_measurements")
DEVICES: Final = ("/dev/tpmrm0", "/dev/tpm0", "/dev/tpm1", "/dev/tpm2")
_DIGEST_SIZE: Final = 32
_ATTEMPTS: Final = 3
_EV_EVENT_TAG: Final = 6


class TpmAttester:
    """Quotes PCR 0 to 23 of the SHA-256 bank with the platform's attestation key."""

    def __init__(
        self, transport: Transport, *, event_log: bytes = b"", ak_handle: int = AK_HANDLE
    ) -> None:
        self._tpm = Tpm(transport)
        self._ak = ak_handle
        self._event_log = event_log

    @property
    def tee(self) -> str:
        return TEE

    def evidence(self, report_data: bytes) -> bytes:
        """Quote with ``report_data`` as nonce, cut or padded to 32 bytes.

        Raises:
            HostError: the TPM refuses, or somebody keeps extending PCRs meanwhile.
        """
        nonce = resize(report_data)
        for _ in range(_ATTEMPTS):
            pcrs = self._tpm.pcrs()
            message, signature = self._tpm.quote(self._ak, nonce)
            if hashlib.sha256(b"".join(pcrs)).digest() == Quote.parse(message).pcr_digest:
                return self._encode(message, signature, pcrs)
        raise HostError("TPM quote", got="PCRs that change meanwhile", want="PCRs at rest")

    def bind_init_data(self, digest: Digest) -> None:
        """Extend PCR 8, once after a reset.

        Raises:
            HostError: PCR 8 was extended before.
            InputError: the digest is not SHA-256.
        """
        _require_size(digest.value)
        if self._tpm.pcrs()[INIT_DATA_PCR] != bytes(_DIGEST_SIZE):
            raise HostError("initdata", got="PCR 8 in use", want="PCR 8 untouched", spec="tee §1.2")
        self._tpm.extend(INIT_DATA_PCR, digest.value)

    def extend(self, register: int, digest: bytes, event: bytes = b"") -> None:
        """Extend a PCR and append ``event`` to the log that travels with the evidence.

        Raises:
            InputError: no such PCR, PCR 8 (it is for initdata), or not 32 bytes.
        """
        _require_size(digest)
        if not 0 <= register < PCR_COUNT or register == INIT_DATA_PCR:
            raise InputError("PCR to extend", got=register, want="0 to 23 but 8")
        self._tpm.extend(register, digest)
        logged = LoggedEvent(register, _EV_EVENT_TAG, ((ALG_SHA256, digest),), event)
        self._event_log += encode_event(logged)

    @cached_property
    def _identity(self) -> tuple[bytes, bytes]:
        """The attestation key and its certificate, which stay the same while the TPM lives."""
        return self._tpm.public(self._ak).spki(), self._tpm.read_nv(AK_CERTIFICATE_INDEX)

    def _encode(self, message: bytes, signature: bytes, pcrs: tuple[bytes, ...]) -> bytes:
        evidence = TpmEvidence(
            tpm_quote=TpmQuote(signature, message, tuple(p.hex() for p in pcrs)),
            ak_public=self._identity[0],
            ak_certificate=self._identity[1],
            event_log=self._event_log,
        )
        return msgspec.json.encode(evidence)


def find_device(environ: Mapping[str, str]) -> Path | None:
    """Find the TPM: ``AA_TPM_DEVICE``, else the kernel's usual nodes; None without one."""
    chosen = environ.get("AA_TPM_DEVICE")
    candidates = (chosen,) if chosen else DEVICES
    return next((Path(c) for c in candidates if Path(c).exists()), None)


def open_device(path: Path, environ: Mapping[str, str]) -> TpmAttester:
    """Open the TPM at ``path``, with the firmware's event log if the kernel shows one.

    Raises:
        HostError: the device cannot be opened.
        InputError: ``AA_TPM_AK_HANDLE`` is not hex.
    """
    handle = environ.get("AA_TPM_AK_HANDLE")
    try:
        ak_handle = int(handle, 16) if handle else AK_HANDLE
    except ValueError as error:
        raise InputError("AA_TPM_AK_HANDLE", got=handle, want="a handle in hex") from error
    log = EVENT_LOG.read_bytes() if EVENT_LOG.exists() else b""
    return TpmAttester(TpmDevice(path), event_log=log, ak_handle=ak_handle)


def _require_size(digest: bytes) -> None:
    if len(digest) != _DIGEST_SIZE:
        raise InputError("PCR digest", got=f"{len(digest)} bytes", want="32 bytes, SHA-256")
