"""What a verifier looks at in a TPM's quote, whichever TEE presents it (tee §6). Pure.

Each function is the body of one step: it raises the refusal of the step that it is given.
"""

import binascii
import hashlib
import hmac
from collections.abc import Sequence
from typing import Final

from casemate.crypto.keys import PublicKey
from casemate.errors import CasemateError, InputError
from casemate.tee.trail import Step
from casemate.wire.tpm import ALL_PCRS, PCR_COUNT, Quote

PCR_SIZE: Final = 32
"""Bytes of a register of the SHA-256 bank."""


def verify_signature(
    step: Step, *, claim: str, key: PublicKey, signature: bytes, message: bytes
) -> None:
    """Verify RSASSA-PKCS1-v1_5 with SHA-256 over a TPMS_ATTEST.

    Raises:
        VerificationError: it is not by this key, or the key is of another kind.
    """
    try:
        key.verify(signature, message, "RS256")
    except CasemateError as error:
        raise _unsigned(step, claim) from error


def read_key(step: Step, *, claim: str, der: bytes) -> PublicKey:
    """Read the SubjectPublicKeyInfo of an attestation key.

    Raises:
        VerificationError: it is none, or of a kind or size that we do not verify with.
    """
    try:
        return PublicKey.from_der(der)
    except InputError as error:
        raise _unsigned(step, claim) from error


def _unsigned(step: Step, claim: str) -> CasemateError:
    return step.refusal(
        claim=claim,
        got="a signature that does not verify",
        expected="one by the attestation key over the quote",
        remedy="the evidence was changed after it was signed, or another key signed it",
    )


def verify_selection(step: Step, quote: Quote) -> None:
    """Insist that SHA-256, PCR 0 to 23 were quoted, once.

    Without this a quote over other registers (16 and 23 can be reset by anybody) could be shown
    as PCR 8 or 11.

    Raises:
        VerificationError: another bank, fewer or more registers, or several selections.
    """
    if quote.selections != (ALL_PCRS,):
        shown = "; ".join(
            f"bank {s.algorithm:#06x} PCR {list(s.indices)}" for s in quote.selections
        )
        raise step.refusal(
            claim="pcrSelect",
            got=shown or "nothing",
            expected="bank 0x000b (SHA-256), PCR 0 to 23, once",
            remedy="quote all 24 registers",
        )


def verify_sizes(step: Step, pcrs: Sequence[bytes]) -> tuple[bytes, ...]:
    """Insist on 24 values of 32 bytes: then the n-th value is PCR n.

    Raises:
        VerificationError: another number or size.
    """
    sizes = {len(value) for value in pcrs}
    if len(pcrs) != PCR_COUNT or sizes != {PCR_SIZE}:
        raise step.refusal(
            claim="pcrs",
            got=f"{len(pcrs)} values of {sorted(sizes)} bytes",
            expected=f"{PCR_COUNT} values of {PCR_SIZE} bytes",
        )
    return tuple(pcrs)


def parse_hex_pcrs(step: Step, texts: Sequence[str]) -> tuple[bytes, ...]:
    """Read 24 values of 64 hex digits.

    Raises:
        VerificationError: another number or size, or anything but hex digits.
    """
    sizes = {len(text) for text in texts}
    if len(texts) != PCR_COUNT or sizes != {PCR_SIZE * 2}:
        raise step.refusal(
            claim="pcrs",
            got=f"{len(texts)} values of {sorted(sizes)} hex digits",
            expected=f"{PCR_COUNT} values of {PCR_SIZE * 2} hex digits",
        )
    try:
        return tuple(binascii.unhexlify(text) for text in texts)
    except ValueError as error:
        raise step.refusal(claim="pcrs", got="not hex", expected="hex") from error


def verify_pcr_digest(step: Step, quote: Quote, pcrs: Sequence[bytes]) -> None:
    """Compare SHA-256 of the values, in index order, with what was signed.

    Raises:
        VerificationError: they differ.
    """
    step.require_equal(
        "pcrDigest",
        hashlib.sha256(b"".join(pcrs)).digest(),
        quote.pcr_digest,
        remedy="the values shown are not those the TPM signed",
    )


def verify_register(step: Step, *, pcr: int, value: bytes, wanted: bytes, why: str) -> None:
    """Compare one register.

    Raises:
        VerificationError: they differ.
    """
    if not hmac.compare_digest(value, wanted):
        raise step.refusal(
            claim=f"pcr{pcr:02}",
            got=value.hex(),
            expected=f"{wanted.hex()} {why}",
            remedy="the initdata presented is not what the pod was started with",
        )


def register_claims(pcrs: Sequence[bytes]) -> dict[str, str]:
    """Write the registers as claims do: ``pcr00`` to ``pcr23``, lower-case hex."""
    return {f"pcr{index:02}": value.hex() for index, value in enumerate(pcrs)}
