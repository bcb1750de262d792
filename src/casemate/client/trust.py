"""What a client demands of a service before it sends anything."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any, Final

import msgspec

from casemate.crypto.digest import Digest
from casemate.errors import InputError
from casemate.tee.evidence import Inputs
from casemate.wire.token import Tier

_NO_VALUES: Final[Mapping[str, Any]] = MappingProxyType({})

SOFT: Final = frozenset({"sample", "sampledevice"})
"""TEEs that prove nothing: they count only when named."""


class ServiceTrust(msgspec.Struct, frozen=True, kw_only=True):
    """A client's demands. Without a policy or token authorities, nothing is trusted."""

    inputs: Inputs | None = None
    """Anchors, collateral and options for evidence; its time is replaced by the connection's."""
    policies: Mapping[str, str] = _NO_VALUES
    """Attestation policies (Rego) by class, ``cpu`` at least: what evidence must say."""
    reference_values: Mapping[str, Any] = _NO_VALUES
    """What the policies compare with: which images, firmware and versions are expected."""
    tees: frozenset[str] = frozenset()
    """TEEs that count; empty takes every one that proves something."""
    init_data: Digest | None = None
    """The only initdata accepted; None takes any that is bound, and shows it to the policy."""
    token_authorities: tuple[bytes, ...] = ()
    """DER of authorities of attestation services whose tokens count."""
    worst: Tier = Tier.AFFIRMING
    """The worst verdict that is still accepted."""
    oldest: timedelta = timedelta(hours=24)
    """How old the evidence in a certificate may be; evidence for a nonce is always fresh."""
    fresh: bool = False
    """Insist on evidence for a nonce of this connection; a certificate's does not count."""

    def require_any(self) -> None:
        """Refuse demands that trust nobody.

        Raises:
            InputError: there is neither a policy for evidence nor an authority of tokens.
        """
        if not self.token_authorities and not (self.inputs and self.policies):
            raise InputError(
                "trust in a service",
                got="neither a policy for evidence nor an authority of tokens",
                want="at least one: nothing is trusted by default",
            )


class VerifiedService(msgspec.Struct, frozen=True, kw_only=True):
    """A service that met the demands. Only ``verification.verify`` makes one."""

    key_sha256: bytes
    """SHA-256 of its TLS key (SubjectPublicKeyInfo), 32 bytes."""
    proof: str
    """``evidence`` or ``token``."""
    tee: str
    status: str
    """The verdict: ``affirming`` or ``warning``."""
    claims: Mapping[str, Any]
    """What the policy saw."""
    fresh: bool
    """Whether the evidence was made for this connection's nonce."""


Verified = Callable[[VerifiedService], None]
"""Told of every service that was verified, before the request is sent."""
