"""Who may administer (trustee spec §7): a token of a known issuer, with a role, for a path."""

import re
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from casemate.crypto import jwt
from casemate.crypto.keys import PublicKey
from casemate.errors import CasemateError, InputError, Refusal, VerificationError
from casemate.trustee.kbs.exchange import Ask

_RULE: Final = "admin authorization"
_REMEDY: Final = "Use a token signed by an admin key of this Trustee, with a role that may do this."


class Issuer(msgspec.Struct, frozen=True):
    """An identity provider: a key, and what its tokens must say, where that is configured."""

    key: PublicKey
    issuer: str = ""
    audience: str = ""


class Acl(msgspec.Struct, frozen=True):
    """A role and the request targets (with query) it may use, as an anchored expression."""

    role: str
    targets: re.Pattern[str]

    @classmethod
    def parse(cls, text: str) -> "Acl":
        """Read ``role=^/kbs...$``.

        Raises:
            InputError: no role, or the expression does not begin ``^/kbs`` and end ``$``.
        """
        role, _, expression = text.partition("=")
        if not role or not expression.startswith("^/kbs") or not expression.endswith("$"):
            raise InputError("admin.acls", got=text, want="role=^/kbs...$", spec="§7")
        try:
            return cls(role, re.compile(expression))
        except re.error as error:
            raise InputError("admin.acls", got=text, want="a regular expression") from error


class Administrators:
    """Decides on admin requests. Without issuers nobody passes."""

    def __init__(
        self, issuers: Sequence[Issuer], acls: Sequence[Acl], *, clock: Callable[[], float]
    ) -> None:
        self._issuers = tuple(issuers)
        self._acls = tuple(acls)
        self._clock = clock

    def require(self, ask: Ask) -> str:
        """Let an administrator pass; give the role.

        Raises:
            VerificationError: no token, no issuer knows it, no role in it, or none for this path.
        """
        if not self._issuers:
            raise _refused("no issuer is configured", "DenyAll authorization_mode is enabled")
        claims = self._verify(ask)
        role = claims.get("role")
        if not isinstance(role, str):
            raise _refused("no role", "a `role` claim in JWT")
        if any(a.role == role and a.targets.fullmatch(ask.target) for a in self._acls):
            return role
        raise _refused(f"Role {role} not allowed for path {ask.target}", "a role of the ACLs")

    def _verify(self, ask: Ask) -> dict[str, object]:
        token = ask.bearer()
        if token is None:
            raise _refused("no bearer token", "Authorization: Bearer <JWT>")
        failure = "no issuer is configured"
        for issuer in self._issuers:
            try:
                claims = jwt.verify(jwt.parse(token), issuer.key, now=self._clock()).claims
                _require_names(claims, issuer)
            except CasemateError as error:
                failure = str(error)
            else:
                return claims
        raise _refused(failure, "Cannot verify token with any of the issuers")


def _require_names(claims: dict[str, object], issuer: Issuer) -> None:
    if issuer.issuer and claims.get("iss") != issuer.issuer:
        raise _refused(f"iss {claims.get('iss')}", issuer.issuer)
    audience = claims.get("aud")
    named = audience if isinstance(audience, list) else [audience]
    if issuer.audience and issuer.audience not in named:
        raise _refused(f"aud {audience}", issuer.audience)


def _refused(got: str, expected: str) -> VerificationError:
    return VerificationError(
        Refusal(
            step="admin",
            claim="bearer token",
            got=got,
            expected=expected,
            rule=_RULE,
            remedy=_REMEDY,
        )
    )
