"""Evidence of a bare TPM: upstream's JSON, and two members of ours that let it be trusted.

Binary members are base64 on the wire, PCR values hex; ``ak_certificate`` and ``event_log`` are
additions which upstream's verifier does not know, and ignores.
"""

import hashlib
from typing import Final

import msgspec

from casemate.crypto.digest import Algorithm, Digest
from casemate.errors import InputError

TEE: Final = "tpm"
AK_HANDLE: Final = 0x81010002
"""Persistent handle of the attestation key (upstream's default)."""
AK_CERTIFICATE_INDEX: Final = 0x01C10110
"""NV index of its certificate, DER, as long as the index; ours."""
REPORT_DATA_SIZE: Final = 32
"""Bytes of a quote's nonce: report data is cut or padded to it."""
INIT_DATA_PCR: Final = 8
_PCR_SIZE: Final = 32


class TpmQuote(msgspec.Struct, frozen=True):
    """What the TPM signed, and the values it signed the digest of."""

    signature: bytes
    """TPMT_SIGNATURE."""
    message: bytes
    """TPMS_ATTEST."""
    pcrs: tuple[str, ...]
    """24 values in hex, PCR 0 first."""


class TpmEvidence(msgspec.Struct, frozen=True):
    """The evidence object."""

    tpm_quote: TpmQuote
    ak_public: bytes
    """SubjectPublicKeyInfo, DER."""
    ak_certificate: bytes = b""
    """X.509, DER; absent upstream, needed here."""
    event_log: bytes = b""
    """TCG2 log of the firmware, and what was extended after it."""


def resize(report_data: bytes) -> bytes:
    """Fit report data to a quote's nonce: cut, or padded with zeros on the right."""
    return report_data[:REPORT_DATA_SIZE].ljust(REPORT_DATA_SIZE, b"\0")


def init_data_register(digest: Digest | None) -> bytes:
    """Give PCR 8 as binding ``digest`` leaves it: 32 bytes, zeros without initdata.

    Raises:
        InputError: the digest is not SHA-256; a TPM's bank holds nothing else.
    """
    if digest is None:
        return bytes(_PCR_SIZE)
    if digest.algorithm is not Algorithm.SHA256:
        raise InputError("initdata digest", got=digest.algorithm, want="sha256", spec="tee §1.2")
    return hashlib.sha256(bytes(_PCR_SIZE) + digest.value).digest()
