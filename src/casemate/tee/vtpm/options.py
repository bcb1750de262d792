"""What an operator may loosen or tighten for a bare TPM."""

import binascii
from enum import StrEnum
from functools import cached_property
from typing import Final

import msgspec

_DIGEST_SIZE: Final = 32


class LogRule(StrEnum):
    """Whether evidence needs an event log."""

    REQUIRED = "required"
    OPTIONAL = "optional"


class TpmOptions(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """trusted_aks: SHA-256 in hex of attestation keys (DER), comma between; event_log: required
    or optional.
    """  # noqa: D205  # it is shown whole where a value cannot be meant

    trusted_aks: str = ""
    """Attestation keys trusted by the SHA-256 of their SubjectPublicKeyInfo (DER), in hex, with
    commas between: an operator saw this TPM, so no certificate is asked of it."""
    event_log: LogRule = LogRule.REQUIRED
    """``optional`` accepts evidence without a log from a key in ``trusted_aks``: upstream's plain
    form. Which firmware and kernel ran is then the policy's to compare. A log that is there is
    always replayed."""

    def __post_init__(self) -> None:
        for text in self._texts:
            try:
                size = len(binascii.unhexlify(text))
            except ValueError as error:
                raise ValueError(f"trusted_aks: {text!r} is not hex") from error
            if size != _DIGEST_SIZE:
                raise ValueError(f"trusted_aks: {size} bytes, not {_DIGEST_SIZE}")

    @cached_property
    def trusted(self) -> frozenset[bytes]:
        """SHA-256 of the keys trusted without a certificate, 32 bytes each."""
        return frozenset(binascii.unhexlify(text) for text in self._texts)

    @property
    def _texts(self) -> tuple[str, ...]:
        return tuple(text for one in self.trusted_aks.split(",") if (text := one.strip()))
