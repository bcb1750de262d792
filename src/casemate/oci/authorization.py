"""Registry authorization: the challenge of a 401 and the token it leads to (distribution spec)."""

import re
from typing import Final
from urllib.parse import quote, urlsplit

import msgspec

from casemate.errors import MALFORMED_JSON, PeerError
from casemate.net.http import HttpClient
from casemate.oci.credentials import Login

_PARAMETER: Final = re.compile(r'([a-zA-Z_]+)="((?:[^"\\]|\\.)*)"|([a-zA-Z_]+)=([^\s,"]+)')
_LARGEST: Final = 64 << 10


class Challenge(msgspec.Struct, frozen=True):
    """What a registry wants: ``basic``, or a ``bearer`` token from ``realm``."""

    scheme: str
    realm: str = ""
    service: str = ""
    scope: str = ""


class _Token(msgspec.Struct, frozen=True):
    token: str = ""
    access_token: str = ""


def parse_challenge(header: str) -> Challenge:
    """Read a WWW-Authenticate header.

    Raises:
        PeerError: neither Basic nor Bearer.
    """
    scheme, _, rest = header.strip().partition(" ")
    if scheme.lower() not in {"basic", "bearer"} or len(header) > 4096:
        raise PeerError("registry challenge", got=header, want="Basic or Bearer")
    pairs = {m[1] or m[3]: m[2] or m[4] or "" for m in _PARAMETER.finditer(rest)}
    known = {k.lower(): v for k, v in pairs.items() if k.lower() in {"realm", "service", "scope"}}
    return Challenge(scheme.lower(), **known)


async def authorize(http: HttpClient, url: str, header: str, login: Login | None) -> str | None:
    """Answer a challenge: give the Authorization header to come back with; None has no answer.

    Raises:
        PeerError: the token service cannot be reached or refuses, or would get a password over
            plain HTTP although the registry speaks HTTPS.
    """
    challenge = parse_challenge(header)
    if challenge.scheme == "basic":
        return login.basic() if login else None
    if login and urlsplit(url).scheme == "https" != urlsplit(challenge.realm).scheme:
        raise PeerError("token service", got=challenge.realm, want="https, for a password")
    query = [f"{k}={quote(v, safe='')}" for k, v in _asked(challenge) if v]
    joint = "&" if "?" in challenge.realm else "?"
    headers = [("Authorization", login.basic())] if login else []
    answer = await http.request(
        "GET", challenge.realm + joint + "&".join(query), headers, largest=_LARGEST
    )
    if answer.status != 200:
        raise PeerError(
            f"token service {urlsplit(challenge.realm).netloc}",
            got=f"status {answer.status}",
            want="a token",
            remedy="Check the registry credentials.",
        )
    try:
        token = msgspec.json.decode(answer.body, type=_Token)
    except MALFORMED_JSON:
        raise PeerError("token service", got="something else", want="a token") from None
    return f"Bearer {token.token or token.access_token}"


def _asked(challenge: Challenge) -> list[tuple[str, str]]:
    return [("service", challenge.service), ("scope", challenge.scope)]
