"""Binary records as a table of fields: one table reads them, writes them and draws them."""

from collections.abc import Mapping
from itertools import accumulate
from struct import Struct
from types import MappingProxyType
from typing import NamedTuple

from casemate.errors import PeerError
from casemate.tee.layout import Field, Section


class Part(NamedTuple):
    """A field of a record: raw bytes, little-endian where it is a number."""

    name: str
    """As claims spell it."""
    size: int
    """Bytes."""
    meaning: str


class Record:
    """Fields one behind the other, nothing between them."""

    def __init__(self, title: str, spec: str, *parts: Part) -> None:
        self.title = title
        self.spec = spec
        self.parts = parts
        self.names = tuple(part.name for part in parts)
        self.offsets = tuple(accumulate((part.size for part in parts), initial=0))[:-1]
        self._struct = Struct("<" + "".join(f"{part.size}s" for part in parts))

    @property
    def size(self) -> int:
        """Bytes of the whole record."""
        return self._struct.size

    def split(self, raw: bytes, at: int = 0) -> tuple[bytes, ...]:
        """Cut ``raw`` at the byte ``at`` into the fields' values, in order.

        Raises:
            PeerError: fewer bytes are left than the record has.
        """
        if len(raw) - at < self._struct.size:
            raise PeerError(
                self.title,
                got=f"{max(len(raw) - at, 0)} bytes",
                want=f"{self._struct.size} bytes",
                spec=self.spec,
            )
        return self._struct.unpack_from(raw, at)

    def hex(self, values: tuple[bytes, ...]) -> dict[str, str]:
        """Name the values, as hex of their raw bytes: the form of claims."""
        return {name: value.hex() for name, value in zip(self.names, values, strict=True)}

    def draw(
        self,
        values: tuple[bytes, ...],
        *,
        place: str = "",
        notes: Mapping[str, str] = MappingProxyType({}),
    ) -> Section:
        """Draw the record.

        Args:
            values: the fields, in order.
            place: where it lies, for people; stands in the title.
            notes: field → what its value says.
        """
        rows = zip(self.parts, self.offsets, values, strict=True)
        return Section(
            f"{self.title} ({place})" if place else self.title,
            tuple(
                Field(
                    name=part.name,
                    value=value.hex(),
                    meaning=f"{part.meaning}: {notes[part.name]}"
                    if part.name in notes
                    else part.meaning,
                    offset=offset,
                    size=part.size,
                )
                for part, offset, value in rows
            ),
        )
