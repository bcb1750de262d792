"""Names of images: ``[host[:port]/]path[:tag][@digest]`` (guest-components section 13.2)."""

import re
from typing import Final, Self

import msgspec

from casemate.crypto.digest import Digest
from casemate.errors import InputError

DEFAULT_HOST: Final = "docker.io"
DEFAULT_TAG: Final = "latest"
LONGEST: Final = 255
"""Longest ``host/path``, in characters."""

_COMPONENT: Final = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_LABEL: Final = r"(?:[A-Za-z0-9]|[A-Za-z0-9][A-Za-z0-9-]*[A-Za-z0-9])"
_HOST: Final = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-fA-F:]+\])(?::[0-9]{{1,5}})?")
_PATH: Final = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")


class Reference(msgspec.Struct, frozen=True):
    """A well-formed image name, with every default filled in."""

    host: str
    """Registry, with its port if one was given: ``localhost:5443``."""
    path: str
    tag: str | None = None
    digest: Digest | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a name; no host means docker.io, neither tag nor digest means ``latest``.

        Raises:
            InputError: the text is not of the grammar.
        """
        if len(text) > LONGEST + 256:
            raise _wrong(text, f"at most {LONGEST} characters")
        name, at, digest_text = text.partition("@")
        digest = Digest.parse(digest_text) if at else None
        host, path = _host_and_path(name)
        path, tag = _path_and_tag(path, text)
        if not _PATH.fullmatch(path) or not _HOST.fullmatch(host):
            raise _wrong(text, "[host[:port]/]lower-case/path[:tag][@digest]")
        if len(host) + len(path) + 1 > LONGEST:
            raise _wrong(text, f"at most {LONGEST} characters")
        return cls(host, path, tag or (None if digest else DEFAULT_TAG), digest)

    @property
    def repository(self) -> str:
        """``host/path``: what identity rules and credentials look at."""
        return f"{self.host}/{self.path}"

    @property
    def wanted(self) -> str:
        """What to ask the registry for: the digest if there is one, else the tag."""
        return str(self.digest) if self.digest else (self.tag or DEFAULT_TAG)

    def at(self, digest: Digest) -> Self:
        """Give the same repository by digest."""
        return type(self)(self.host, self.path, None, digest)

    def tagged(self, tag: str) -> Self:
        """Give the same repository by tag."""
        return type(self)(self.host, self.path, tag, None)

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        return f"{self.repository}{tag}" + (f"@{self.digest}" if self.digest else "")


def _host_and_path(name: str) -> tuple[str, str]:
    first, slash, rest = name.partition("/")
    if slash and (set(first) & set(".:[") or first == "localhost" or first != first.lower()):
        host, path = first, rest
    else:
        host, path = DEFAULT_HOST, name
    if host == DEFAULT_HOST and "/" not in path:
        path = f"library/{path}"
    return host, path


def _path_and_tag(path: str, text: str) -> tuple[str, str | None]:
    path, colon, tag = path.partition(":")
    if colon and not _TAG.fullmatch(tag):
        raise _wrong(text, "a tag of letters, digits, _ . - (at most 128)")
    return path, tag if colon else None


def _wrong(text: str, want: str) -> InputError:
    return InputError("image reference", got=text or "nothing", want=want, spec="OCI distribution")
