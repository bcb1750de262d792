"""Attester of a bare TPM. Runs in the guest: no verifier, no X.509, no cryptography library."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Final

import msgspec

from casemate.crypto.digest import Digest
from casemate.errors import HostError, InputError, PeerError
from casemate.linux.tpm import TpmDevice, Transport
from casemate.tee.machine import Machine
from casemate.tee.vtpm.registers import QuotedRegisters, bind_init_data, extend, quote_at_rest
from casemate.tee.vtpm.report import (
    AK_CERTIFICATE_INDEX,
    AK_HANDLE,
    TEE,
    TpmEvidence,
    TpmQuote,
    resize,
)
from casemate.tee.vtpm.tpm import Tpm
from casemate.wire.eventlog import LoggedEvent, encode_event
from casemate.wire.tpm import ALG_SHA256

EVENT_LOG: Final = Path("/sys/kernel/security/tpm0/binary_bios_measurements")
DEVICES: Final = ("/dev/tpmrm0", "/dev/tpm0", "/dev/tpm1", "/dev/tpm2")
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

    @property
    def has_registers(self) -> bool:
        return True

    def require_key(self) -> None:
        """Read the attestation key, which evidence needs: one command.

        Raises:
            HostError: it is not there, or is none that can be read.
        """
        try:
            _ = self._public
        except (HostError, PeerError) as error:
            raise HostError(
                f"attestation key {self._ak:#x}, {error.where}",
                got=error.got,
                want=error.want,
                spec=error.spec,
                remedy="the platform makes this key; AA_TPM_AK_HANDLE names another",
            ) from error

    def evidence(self, report_data: bytes) -> bytes:
        """Quote with ``report_data`` as nonce, cut or padded to 32 bytes.

        Raises:
            HostError: the TPM refuses, or somebody keeps extending PCRs meanwhile.
        """
        return self._encode(quote_at_rest(self._tpm, self._ak, resize(report_data)))

    def bind_init_data(self, digest: Digest) -> None:
        """Extend PCR 8, once after a reset.

        Raises:
            HostError: PCR 8 was extended before.
            InputError: the digest is not SHA-256.
        """
        bind_init_data(self._tpm, digest)

    def extend(self, register: int, digest: bytes, event: bytes = b"") -> None:
        """Extend a PCR and append ``event`` to the log that travels with the evidence.

        Raises:
            InputError: no such PCR, PCR 8 (it is for initdata), or not 32 bytes.
        """
        extend(self._tpm, register, digest)
        logged = LoggedEvent(register, _EV_EVENT_TAG, ((ALG_SHA256, digest),), event)
        self._event_log += encode_event(logged)

    @cached_property
    def _public(self) -> bytes:
        """The attestation key, which stays the same while the TPM lives."""
        return self._tpm.public(self._ak).spki()

    @cached_property
    def _certificate(self) -> bytes:
        return self._tpm.read_nv(AK_CERTIFICATE_INDEX)

    def _encode(self, quoted: QuotedRegisters) -> bytes:
        evidence = TpmEvidence(
            tpm_quote=TpmQuote(
                quoted.signature, quoted.message, tuple(value.hex() for value in quoted.pcrs)
            ),
            ak_public=self._public,
            ak_certificate=self._certificate,
            event_log=self._event_log,
        )
        return msgspec.json.encode(evidence)


def find_device(environ: Mapping[str, str], *, root: Path = Path("/")) -> Path | None:
    """Find the TPM: ``AA_TPM_DEVICE``, else the kernel's usual nodes; None without one."""
    chosen = environ.get("AA_TPM_DEVICE")
    candidates = (chosen,) if chosen else DEVICES
    places = (root / candidate.lstrip("/") for candidate in candidates)
    return next((place for place in places if place.exists()), None)


def open_device(path: Path, environ: Mapping[str, str], *, root: Path = Path("/")) -> TpmAttester:
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
    shown = root / str(EVENT_LOG).lstrip("/")
    log = shown.read_bytes() if shown.exists() else b""
    return TpmAttester(TpmDevice(path), event_log=log, ak_handle=ak_handle)


def open_attester(machine: Machine) -> TpmAttester:
    """Open this machine's TPM.

    Raises:
        HostError: there is none, or it has no attestation key.
        InputError: ``AA_TPM_AK_HANDLE`` is not hex.
    """
    device = find_device(machine.environ, root=machine.root)
    if device is None:
        raise HostError("TPM", got="no device", want=" or ".join(DEVICES), spec="tee §8")
    attester = open_device(device, machine.environ, root=machine.root)
    attester.require_key()
    return attester
