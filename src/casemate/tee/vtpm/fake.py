"""A TPM in software: real quotes, real signatures, a real certificate; only the chip is missing.

For tests and benchmarks of everything that needs ``tpm`` evidence without an emulator. Change it
like an attacker would: every part of what it presents is a field.
"""

import hashlib
from collections.abc import Iterable
from datetime import datetime
from typing import Final

import msgspec

from casemate.crypto.authority import CertificateAuthority
from casemate.crypto.digest import Digest
from casemate.crypto.keys import Kind, PrivateKey
from casemate.crypto.x509 import Usage, split_pem
from casemate.tee.vtpm.boot_aggregate import IMA_PCR, boot_aggregate_register
from casemate.tee.vtpm.report import INIT_DATA_PCR, TEE, TpmEvidence, TpmQuote, resize
from casemate.wire.eventlog import EventLog, LoggedEvent, replay
from casemate.wire.tpm import ALG_SHA256, ALL_PCRS, PCR_COUNT, PcrSelection, Quote, Signature

AK_BITS: Final = 2048
_SEPARATOR: Final = 4
_ZEROS: Final = bytes(32)


def separators() -> tuple[LoggedEvent, ...]:
    """Give the least a firmware logs: a separator in each of PCR 0 to 7."""
    digest = hashlib.sha256(bytes(4)).digest()
    return tuple(
        LoggedEvent(index, _SEPARATOR, ((ALG_SHA256, digest),), bytes(4)) for index in range(8)
    )


class SoftwareTpm:
    """An attester whose registers follow from ``events``, as after a boot.

    ``authority`` certifies the key, as a platform would; ``kernel`` says whether a Linux with IMA
    was started, which leaves its mark in PCR 10.
    """

    def __init__(
        self,
        authority: CertificateAuthority,
        events: Iterable[LoggedEvent] = (),
        *,
        kernel: bool = True,
        now: datetime | None = None,
    ) -> None:
        self.key = PrivateKey.generate(Kind.RSA, bits=AK_BITS)
        self.ak_public = self.key.public.der()
        pem = authority.issue_for_public_key(
            self.ak_public, "software TPM", Usage.ATTESTATION_KEY, now=now
        )
        self.ak_certificate = split_pem(pem)[0]
        self.events = tuple(events) or separators()
        self.pcrs = _after_boot(self.events, kernel=kernel)
        self.selections: tuple[PcrSelection, ...] = (ALL_PCRS,)

    @property
    def tee(self) -> str:
        return TEE

    @property
    def event_log(self) -> bytes:
        return EventLog(((ALG_SHA256, 32),), self.events).encode()

    def bind_init_data(self, digest: Digest) -> None:
        self._extend(INIT_DATA_PCR, digest.value)

    def extend(self, register: int, digest: bytes, event: bytes = b"") -> None:
        self._extend(register, digest)
        self.events += (LoggedEvent(register, 6, ((ALG_SHA256, digest),), event),)

    def quote(self, report_data: bytes) -> Quote:
        """Give what a TPM would sign now."""
        return Quote(
            qualified_signer=b"\0\x0b" + hashlib.sha256(self.ak_public).digest(),
            extra_data=resize(report_data),
            selections=self.selections,
            pcr_digest=hashlib.sha256(b"".join(self.pcrs)).digest(),
        )

    def sign(self, message: bytes) -> bytes:
        """Sign a TPMS_ATTEST; gives a TPMT_SIGNATURE."""
        return Signature(self.key.sign(message, "RS256")).encode()

    def evidence(self, report_data: bytes) -> bytes:
        message = self.quote(report_data).encode()
        return self.present(message, self.sign(message))

    def present(self, message: bytes, signature: bytes) -> bytes:
        """Encode evidence around any message and signature at all."""
        evidence = TpmEvidence(
            tpm_quote=TpmQuote(signature, message, tuple(p.hex() for p in self.pcrs)),
            ak_public=self.ak_public,
            ak_certificate=self.ak_certificate,
            event_log=self.event_log,
        )
        return msgspec.json.encode(evidence)

    def _extend(self, register: int, digest: bytes) -> None:
        self.pcrs[register] = hashlib.sha256(self.pcrs[register] + digest).digest()


def _after_boot(events: tuple[LoggedEvent, ...], *, kernel: bool) -> list[bytes]:
    replayed = replay(events, ALG_SHA256)
    pcrs = [replayed.get(i, _reset(i)) for i in range(PCR_COUNT)]
    if kernel and IMA_PCR not in replayed:
        pcrs[IMA_PCR] = boot_aggregate_register(replayed)
    return pcrs


def _reset(index: int) -> bytes:
    return b"\xff" * 32 if index in range(17, 23) else _ZEROS
