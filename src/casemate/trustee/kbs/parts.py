"""What the broker needs of the other two parts, whether they are in this process or another."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from casemate.wire.kbs import Attestation


class Attests(Protocol):
    """An attestation service."""

    def require_tee(self, tee: str) -> None:
        """Refuse a TEE that is not listened to (VerificationError)."""
        ...

    def challenge(self, tee: str, session: str) -> str | None:
        """Make the challenge of a session, for a TEE that needs one of its own; else None.

        Raises VerificationError or InputError when it cannot be made.
        """
        ...

    async def prepare(self, tee: str, attestation: Attestation, session: str) -> Callable[[], str]:
        """Do what takes waiting, and give what then ends as ``attest`` does."""
        ...

    def attest(self, tee: str, attestation: Attestation, session: str) -> str:
        """Give the token for evidence, or raise VerificationError or InputError."""
        ...


class KeepsPolicies(Protocol):
    """Where attestation policies are."""

    def set(self, name: str, text: str) -> None: ...

    def get(self, name: str) -> str | None: ...

    def names(self) -> list[str]: ...


class KeepsReferenceValues(Protocol):
    """Where reference values are."""

    def register(self, message: bytes) -> object: ...

    def query(self, name: str) -> Any: ...

    def delete(self, name: str) -> bool: ...

    def all(self) -> Mapping[str, Any]: ...
