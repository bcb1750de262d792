"""What every attester with a TPM does to its registers: bind initdata, extend, quote at rest."""

import hashlib
from typing import Final, NamedTuple

from casemate.crypto.digest import Digest
from casemate.errors import HostError, InputError
from casemate.linux.tpm import TpmLateError
from casemate.tee.vtpm.report import INIT_DATA_PCR
from casemate.tee.vtpm.tpm import Tpm
from casemate.wire.tpm import PCR_COUNT, Quote

DIGEST_SIZE: Final = 32
"""Bytes of what a register of the SHA-256 bank is extended with."""
_ATTEMPTS: Final = 3


class QuotedRegisters(NamedTuple):
    """A quote, and the values that it is of."""

    message: bytes
    """TPMS_ATTEST."""
    signature: bytes
    """TPMT_SIGNATURE."""
    pcrs: tuple[bytes, ...]
    """24 values of 32 bytes."""


def quote_at_rest(tpm: Tpm, key: int, nonce: bytes) -> QuotedRegisters:
    """Read all registers and quote them, until both say the same.

    Raises:
        HostError: the TPM refuses, or somebody keeps extending registers meanwhile.
    """
    for _ in range(_ATTEMPTS):
        pcrs = tpm.pcrs()
        message, signature = tpm.quote(key, nonce)
        if hashlib.sha256(b"".join(pcrs)).digest() == Quote.parse(message).pcr_digest:
            return QuotedRegisters(message, signature, pcrs)
    raise HostError("TPM quote", got="PCRs that change meanwhile", want="PCRs at rest")


def bind_init_data(tpm: Tpm, digest: Digest) -> None:
    """Extend PCR 8, once after a reset.

    Once also where the kernel gave up waiting for the answer: the register tells whether it was.

    Raises:
        HostError: PCR 8 was extended before, or the TPM answers too late every time.
        InputError: the digest is not SHA-256.
    """
    require_size(digest.value)
    if tpm.pcrs((INIT_DATA_PCR,)) != (bytes(DIGEST_SIZE),):
        raise HostError("initdata", got="PCR 8 in use", want="PCR 8 untouched", spec="tee §1.2")
    bound = hashlib.sha256(bytes(DIGEST_SIZE) + digest.value).digest()
    for _ in range(_ATTEMPTS):
        try:
            return tpm.extend(INIT_DATA_PCR, digest.value)
        except TpmLateError as error:
            late = error
        if (value := tpm.pcrs((INIT_DATA_PCR,))) == (bound,):
            return None
        if value != (bytes(DIGEST_SIZE),):
            raise HostError("initdata", got="PCR 8 of another", want="PCR 8 for us alone")
    raise late


def extend(tpm: Tpm, register: int, digest: bytes) -> None:
    """Extend a PCR of the SHA-256 bank.

    Raises:
        InputError: no such PCR, PCR 8 (it is for initdata), or not 32 bytes.
    """
    require_size(digest)
    if not 0 <= register < PCR_COUNT or register == INIT_DATA_PCR:
        raise InputError("PCR to extend", got=register, want="0 to 23 but 8")
    tpm.extend(register, digest)


def require_size(digest: bytes) -> None:
    """Raise InputError unless a digest has 32 bytes."""
    if len(digest) != DIGEST_SIZE:
        raise InputError("PCR digest", got=f"{len(digest)} bytes", want="32 bytes, SHA-256")
