"""PE images as firmware measures them (Microsoft PE format; Authenticode, appendix A)."""

import hashlib
from typing import Final, Self

import msgspec

from casemate.errors import InputError

_PE32_PLUS: Final = 0x20B
_CERTIFICATES: Final = 4  # index of the certificate table among the data directories
_SECTION_ROW: Final = 40
_MOST_SECTIONS: Final = 96


class Section(msgspec.Struct, frozen=True):
    """A row of the section table."""

    name: str
    virtual_size: int
    raw_size: int
    raw_offset: int


class PortableExecutable(msgspec.Struct, frozen=True):
    """A PE32+ image, parsed; ``raw`` is the whole file."""

    raw: bytes
    checksum_at: int
    certificate_entry_at: int
    headers_size: int
    sections: tuple[Section, ...]

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read the headers.

        Raises:
            InputError: not PE32+, or a section past the end of the file.
        """
        pe = _number(raw, 0x3C, 4)
        if raw[:2] != b"MZ" or raw[pe : pe + 4] != b"PE\0\0":
            raise _error("no PE header", "a PE image")
        optional = pe + 24
        if _number(raw, optional, 2) != _PE32_PLUS:
            raise _error("another optional header", "PE32+")
        table = optional + _number(raw, pe + 20, 2)
        count = _number(raw, pe + 6, 2)
        if count > _MOST_SECTIONS:
            raise _error(f"{count} sections", f"at most {_MOST_SECTIONS}")
        rows = (table + i * _SECTION_ROW for i in range(count))
        image = cls(
            raw=raw,
            checksum_at=optional + 64,
            certificate_entry_at=optional + 112 + 8 * _CERTIFICATES,
            headers_size=_number(raw, optional + 60, 4),
            sections=tuple(_section(raw, row) for row in rows),
        )
        return image._bounded()

    def section(self, name: str) -> bytes | None:
        """Give a section's content, as long as it is in memory; None when there is none."""
        found = next((s for s in self.sections if s.name == name), None)
        if found is None:
            return None
        size = min(found.virtual_size, found.raw_size)
        return self.raw[found.raw_offset : found.raw_offset + size]

    def authenticode(self, algorithm: str = "sha256") -> bytes:
        """Hash the image as UEFI does: all but the checksum and the certificates."""
        digest = hashlib.new(algorithm)
        digest.update(self.raw[: self.checksum_at])
        digest.update(self.raw[self.checksum_at + 4 : self.certificate_entry_at])
        digest.update(self.raw[self.certificate_entry_at + 8 : self.headers_size])
        hashed = self.headers_size
        for section in sorted(self.sections, key=lambda s: s.raw_offset):
            if section.raw_size:
                digest.update(self.raw[section.raw_offset :][: section.raw_size])
                hashed += section.raw_size
        certificates = _number(self.raw, self.certificate_entry_at + 4, 4)
        digest.update(self.raw[hashed : len(self.raw) - certificates])
        return digest.digest()

    def _bounded(self) -> Self:
        ends = [s.raw_offset + s.raw_size for s in self.sections if s.raw_size]
        if max([self.headers_size, *ends]) > len(self.raw):
            raise _error("a section past the end", "sections inside the file")
        return self


def _section(raw: bytes, row: int) -> Section:
    return Section(
        name=raw[row : row + 8].rstrip(b"\0").decode("latin-1"),
        virtual_size=_number(raw, row + 8, 4),
        raw_size=_number(raw, row + 16, 4),
        raw_offset=_number(raw, row + 20, 4),
    )


def _number(raw: bytes, at: int, size: int) -> int:
    if at + size > len(raw):
        raise _error(f"{len(raw)} bytes", f"more than {at + size}")
    return int.from_bytes(raw[at : at + size], "little")


def _error(got: str, want: str) -> InputError:
    return InputError("PE image", got=got, want=want, spec="PE format")
