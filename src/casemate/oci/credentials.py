"""Registry passwords: ``{"auths": {KEY: {"auth": base64}}}`` (guest-components section 14.3)."""

import base64
import binascii
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from casemate.errors import MALFORMED_JSON, InputError
from casemate.oci.reference import Reference
from casemate.secret import Secret

_LARGEST: Final = 1 << 20
_DOCKER: Final = "index.docker.io"
_DOCKER_NAMES: Final = frozenset({"docker.io", "registry-1.docker.io", _DOCKER})


class Login(msgspec.Struct, frozen=True):
    """A user and a password for one registry."""

    user: str
    password: Secret

    def basic(self) -> str:
        """Give the value of a Basic Authorization header."""
        pair = self.user.encode() + b":" + self.password.reveal()
        return "Basic " + base64.b64encode(pair).decode()


class Credentials:
    """Logins by repository, namespace or host; the closest one serves."""

    def __init__(self, logins: dict[str, Login] | None = None) -> None:
        self._logins = dict(logins or {})

    def find(self, reference: Reference) -> Login | None:
        """Give the login for a repository, or None to go unnamed."""
        for key in lookup_keys(reference):
            if key in self._logins:
                return self._logins[key]
        host = normalise(reference.host)
        return next((login for key, login in self._logins.items() if normalise(key) == host), None)


def parse(raw: bytes) -> Credentials:
    """Read the document; members other than ``auths`` and ``auth`` are ignored.

    Raises:
        InputError: larger than 1 MiB, not of this form; the message shows no password.
    """
    try:
        if len(raw) > _LARGEST:
            raise InputError("credentials", got=f"{len(raw)} bytes", want=f"at most {_LARGEST}")
        document = msgspec.json.decode(raw, type=_Document)
        return Credentials({key: _login(key, value) for key, value in document.auths.items()})
    except MALFORMED_JSON:
        # The cause would quote the document: it ends here.
        raise InputError("credentials", got="something else", want='{"auths":{...}}') from None


def lookup_keys(reference: Reference) -> Iterator[str]:
    """Yield ``host/a/b``, ``host/a``, ``host``: the exact keys, closest first."""
    parts = reference.repository.split("/")
    for end in range(len(parts), 0, -1):
        yield "/".join(parts[:end])


def normalise(key: str) -> str:
    """Cut a key down to its host; Docker's several names become one."""
    host = key.removeprefix("https://").removeprefix("http://").partition("/")[0]
    return _DOCKER if host in _DOCKER_NAMES else host


class _Auth(msgspec.Struct, frozen=True):
    auth: str = ""


class _Document(msgspec.Struct, frozen=True):
    auths: dict[str, _Auth]


def _login(key: str, value: Any) -> Login:
    try:
        pair = base64.b64decode(value.auth, validate=True)
        user, password = pair.split(b":", 1)
        return Login(user.decode(), Secret(password.strip(b"\n")))
    except (binascii.Error, ValueError):
        raise InputError(
            f"credentials for {key}", got="something else", want="base64 of user:password"
        ) from None
