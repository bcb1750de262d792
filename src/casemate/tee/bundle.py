"""Collateral as one file, to be carried to where there is no network: JSON of ours.

    {"casemate-collateral": 1, "documents": [{"name", "since": RFC 3339, "body": base64}, ...]}

It is read wherever files of collateral are; what is inside proves itself, as it would in a folder.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final, Literal

import msgspec

from casemate.errors import MALFORMED_JSON, InputError

_MARK: Final = b'"casemate-collateral"'
_HEAD: Final = 64
"""Bytes in which the mark must stand."""


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """A document and when its vendor was asked for it."""

    name: str
    since: datetime
    body: bytes


class Bundle(msgspec.Struct, frozen=True, kw_only=True, rename={"version": "casemate-collateral"}):
    """Documents, each name once."""

    version: Literal[1] = 1
    documents: tuple[Document, ...]

    @classmethod
    def parse(cls, raw: bytes, where: str) -> "Bundle":
        """Read a bundle.

        Raises:
            InputError: another shape or version, a name twice, or a time without its zone.
        """
        try:
            found = msgspec.json.decode(raw, type=cls)
        except MALFORMED_JSON as error:
            raise InputError(where, got=error, want="a bundle of collateral") from error
        names = [one.name for one in found.documents]
        if len(names) != len(set(names)):
            raise InputError(where, got="a name twice", want="each name once")
        if any(one.since.tzinfo is None for one in found.documents):
            raise InputError(where, got="a time without its zone", want="RFC 3339")
        return found

    def encode(self) -> bytes:
        """Write the bundle."""
        return msgspec.json.encode(self)


def is_bundle(raw: bytes) -> bool:
    """Say whether a file is meant as a bundle."""
    return _MARK in raw[:_HEAD] and raw.lstrip()[:1] == b"{"


def unpacked(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Put a bundle's documents, under their names, in its place; other files stay.

    Raises:
        InputError: a bundle that cannot be read.
    """
    return dict(_each(files))


def _each(files: Mapping[str, bytes]) -> Iterable[tuple[str, bytes]]:
    for name, body in files.items():
        if is_bundle(body):
            yield from ((one.name, one.body) for one in Bundle.parse(body, name).documents)
        else:
            yield name, body
