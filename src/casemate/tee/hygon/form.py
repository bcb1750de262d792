"""Fixed binary forms, each described once: its table reads, writes and explains it.

Integers are little-endian. Coordinates and signatures are little-endian numbers in 72 bytes, of
which SM2 uses 32.
"""

import struct
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from casemate.errors import PeerError
from casemate.tee.layout import Field

_CODES: Final = {1: "B", 2: "H", 4: "I"}
BIG: Final = 72
"""Bytes of a coordinate or of half a signature."""
_LONGEST_SHOWN: Final = 64  # bytes; longer values are cut, zeros are counted


class Part(NamedTuple):
    """One field. ``kind`` is ``bytes``, ``number`` (1, 2 or 4 bytes) or ``big``."""

    name: str
    size: int
    meaning: str
    kind: str = "bytes"


def data(name: str, size: int, meaning: str) -> Part:
    """Describe bytes."""
    return Part(name, size, meaning)


def number(name: str, size: int, meaning: str) -> Part:
    """Describe an integer of 1, 2 or 4 bytes."""
    return Part(name, size, meaning, "number")


def big(name: str, meaning: str) -> Part:
    """Describe a large integer of 72 bytes."""
    return Part(name, BIG, meaning, "big")


class Form:
    """A table of fields that follow each other without gaps."""

    def __init__(self, title: str, *parts: Part) -> None:
        self.title = title
        self.parts = parts
        self._struct = struct.Struct(
            "<"
            + "".join(
                _CODES[part.size] if part.kind == "number" else f"{part.size}s" for part in parts
            )
        )
        self.size = self._struct.size
        self.offsets: Mapping[str, int] = {
            part.name: sum(other.size for other in parts[:index])
            for index, part in enumerate(parts)
        }

    def parse(self, raw: bytes) -> dict[str, Any]:
        """Read exactly this form: bytes, and numbers.

        Raises:
            PeerError: another size.
        """
        if len(raw) != self.size:
            raise PeerError(self.title, got=f"{len(raw)} bytes", want=f"{self.size} bytes")
        return {
            part.name: int.from_bytes(value, "little") if part.kind == "big" else value
            for part, value in zip(self.parts, self._struct.unpack(raw), strict=True)
        }

    def encode(self, values: Mapping[str, Any]) -> bytes:
        """Write it; what is not given is zero, and short bytes are padded with zeros."""
        return self._struct.pack(*(_written(part, values.get(part.name)) for part in self.parts))

    def fields(self, raw: bytes, base: int = 0) -> tuple[Field, ...]:
        """Show each field; ``base`` is where the form begins."""
        values = self.parse(raw)
        return tuple(
            Field(
                name=part.name,
                value=_shown(part, values[part.name]),
                meaning=part.meaning,
                offset=base + self.offsets[part.name],
                size=part.size,
            )
            for part in self.parts
        )


def _written(part: Part, value: Any) -> Any:
    match part.kind:
        case "number":
            return value or 0
        case "big":
            return (value or 0).to_bytes(part.size, "little")
        case _:
            return value or b""


def _shown(part: Part, value: Any) -> str:
    match part.kind:
        case "number":
            return f"{value:#x}"
        case "big":
            return f"{value:064x}"
        case _ if not any(value):
            return "zeros"
        case _ if len(value) > _LONGEST_SHOWN:
            return f"{value[:_LONGEST_SHOWN].hex()}…"
        case _:
            return str(value.hex())
