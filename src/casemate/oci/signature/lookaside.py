"""Where simple-signing signatures lie: the sigstore document and what it points to (15.2)."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import msgspec

from casemate.crypto.digest import Digest
from casemate.errors import InputError, PeerError
from casemate.net.http import HttpClient
from casemate.oci.reference import Reference

MOST: Final = 32
"""Most signatures of one image."""

_LARGEST: Final = 64 << 10
_SPEC: Final = "guest-components 15.2"
_MEMBERS: Final = ("lookaside", "sigstore")


class Lookaside(Protocol):
    """Gives an image's signature objects, unverified; none is an empty tuple."""

    async def fetch(self, reference: Reference, digest: Digest) -> tuple[bytes, ...]:
        """Fetch them; PeerError when the place cannot be reached."""
        ...


class Places(msgspec.Struct, frozen=True):
    """A sigstore document: base URLs by scope, and the one for all others."""

    scopes: dict[str, str]
    default: str | None

    def base(self, reference: Reference) -> str | None:
        """Give the base URL of the longest scope that holds the image."""
        names = (str(reference), *_above(reference.repository))
        return next((self.scopes[name] for name in names if name in self.scopes), self.default)


def parse(text: str) -> Places:
    """Read a sigstore document: YAML of nested maps of plain scalars, or JSON.

    Raises:
        InputError: another YAML, an unknown member, or a scope twice.
    """
    tree = _tree(text)
    if unknown := tree.keys() - {"docker", "default-docker"}:
        raise _wrong(", ".join(sorted(unknown)), "docker and default-docker")
    docker = tree.get("docker") or {}
    if not isinstance(docker, dict):
        raise _wrong("docker", "a map of scopes")
    scopes = {scope: _url(place) for scope, place in docker.items()}
    default = tree.get("default-docker")
    found = {scope: url for scope, url in scopes.items() if url}
    return Places(found, _url(default) if default else None)


class SigstorePlaces:
    """Signatures below the base URLs of a sigstore document: ``file://`` or ``http(s)://``."""

    def __init__(self, places: Places, http: HttpClient) -> None:
        self._places = places
        self._http = http

    async def fetch(self, reference: Reference, digest: Digest) -> tuple[bytes, ...]:
        """Read ``signature-1``, ``signature-2``, … until one is missing, at most 32."""
        base = self._places.base(reference)
        if base is None:
            return ()
        path = reference.path
        folder = f"{base.rstrip('/')}/{path}@{digest.algorithm}={digest.hex}"
        found: list[bytes] = []
        while len(found) < MOST:
            raw = await self._read(f"{folder}/signature-{len(found) + 1}")
            if raw is None:
                break
            found.append(raw)
        return tuple(found)

    async def _read(self, url: str) -> bytes | None:
        if url.startswith("file://"):
            return _read_file(Path(urlsplit(url).path))
        answer = await self._http.request("GET", url, largest=_LARGEST)
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise PeerError(url, got=f"status {answer.status}", want="a signature, or 404")
        return answer.body


def _read_file(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            return file.read(_LARGEST)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise PeerError(str(path), got=error.strerror, want="a readable signature") from error


def _above(repository: str) -> Iterator[str]:
    parts = repository.split("/")
    for end in range(len(parts), 0, -1):
        yield "/".join(parts[:end])


def _url(place: object) -> str | None:
    if not isinstance(place, dict) or place.keys() - {*_MEMBERS, "sigstore-staging"}:
        raise _wrong(place, "sigstore: URL")
    url = next((place[name] for name in _MEMBERS if name in place), None)
    if url is not None and not str(url).startswith(("file://", "http://", "https://")):
        raise _wrong(url, "a file:// or http(s):// URL")
    return url


def _tree(text: str) -> dict[str, Any]:
    if len(text) > _LARGEST:
        raise _wrong(f"{len(text)} characters", f"at most {_LARGEST}")
    if text.lstrip().startswith("{"):
        try:
            found = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise _wrong(error, "JSON or YAML") from error
        return dict(found)
    root: dict[str, Any] = {}
    open_maps: list[tuple[int, dict[str, Any]]] = [(-1, root)]
    for line in text.splitlines():
        content = line.partition(" #")[0].rstrip()
        if content.strip() and not content.lstrip().startswith(("#", "---")):
            _take_line(content, open_maps)
    return root


def _take_line(line: str, open_maps: list[tuple[int, dict[str, Any]]]) -> None:
    indent = len(line) - len(line.lstrip(" "))
    name, _, value = line.strip().partition(": ")
    if not value and not name.endswith(":"):
        raise _wrong(line, "name: value")
    while open_maps[-1][0] >= indent:
        open_maps.pop()
    key = name.rstrip().removesuffix(":").strip("\"'") if not value else name.strip("\"'")
    here = open_maps[-1][1]
    if key in here:
        raise _wrong(f"{key} twice", "each name once")
    if value:
        here[key] = value.strip().strip("\"'")
    else:
        here[key] = {}
        open_maps.append((indent, here[key]))


def _wrong(got: object, want: str) -> InputError:
    return InputError("sigstore document", got=got, want=want, spec=_SPEC)
