"""Certificates, revocation lists and other documents out of files, told apart by what they hold.

Nothing in here is trusted for where it came from: each piece is signed, and the verifiers look for
the one they need. So a folder of a vendor's downloads, an export of ours and an offline store are
read the same way.
"""

import hashlib
from collections.abc import Iterable, Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Final, TypeVar

from casemate.crypto.certificate import Certificate
from casemate.crypto.pem import blocks
from casemate.crypto.revocation import RevocationList
from casemate.errors import InputError, PeerError
from casemate.tee.bundle import unpacked

_T = TypeVar("_T")

MOST_FILES: Final = 4096
LARGEST_FILE: Final = 4 << 20
"""Bytes of a file that are read."""


class Material:
    """What a set of files holds. Equal in everything when the files are."""

    def __init__(
        self,
        certificates: Iterable[Certificate] = (),
        lists: Iterable[RevocationList] = (),
        files: Mapping[str, bytes] = MappingProxyType({}),
    ) -> None:
        self.certificates = tuple(certificates)
        self.lists = tuple(lists)
        self.files = MappingProxyType(dict(files))
        """Whatever is neither: name (with folders, ``/``) → content."""

    @classmethod
    def of_files(cls, files: Mapping[str, bytes]) -> "Material":
        """Sort files by content: PEM with any number of pieces, DER, a bundle, or anything else.

        Raises:
            InputError: too many, one is too large, or a bundle that cannot be read.
        """
        files = unpacked(files)
        if len(files) > MOST_FILES:
            raise InputError("files", got=len(files), want=f"at most {MOST_FILES}")
        certificates: list[Certificate] = []
        lists: list[RevocationList] = []
        others: dict[str, bytes] = {}
        for name, body in sorted(files.items()):
            if len(body) > LARGEST_FILE:
                raise InputError(name, got=f"{len(body)} bytes", want=f"at most {LARGEST_FILE}")
            found = [_read(piece) for piece in (blocks(body) or [body])]
            certificates += [one for one in found if isinstance(one, Certificate)]
            lists += [one for one in found if isinstance(one, RevocationList)]
            if not all(found):
                others[name] = body
        return cls(_once(certificates), _once(lists), others)

    def fingerprint(self, name: str) -> bytes:
        """SHA-256 of a file's content, 32 bytes."""
        return hashlib.sha256(self.files[name]).digest()

    @cached_property
    def by_subject(self) -> Mapping[bytes, tuple[Certificate, ...]]:
        """Certificates by their subject's name (DER)."""
        found: dict[bytes, tuple[Certificate, ...]] = {}
        for one in self.certificates:
            found[one.subject] = (*found.get(one.subject, ()), one)
        return found

    def __or__(self, other: "Material") -> "Material":
        return Material(
            _once([*self.certificates, *other.certificates]),
            _once([*self.lists, *other.lists]),
            {**self.files, **other.files},
        )

    def __repr__(self) -> str:
        return (
            f"Material({len(self.certificates)} certificates, {len(self.lists)} lists, "
            f"{len(self.files)} files)"
        )


def _once(items: Iterable[_T]) -> list[_T]:
    return list(dict.fromkeys(items))


def _read(piece: bytes) -> Certificate | RevocationList | None:
    """Read DER as what it is; None when it is neither."""
    for kind in (Certificate, RevocationList):
        try:
            return kind.parse(piece)
        except PeerError:
            continue
    return None
