"""UEFI firmware volumes, as far as measuring them needs (UEFI PI 1.7, volume 3).

OVMF's code file is one volume whose only file holds, LZMA-compressed, the two volumes that are
hashed into PCR 0: PEI's and DXE's.
"""

import lzma
from collections.abc import Iterator
from typing import Final, Self

import msgspec

from casemate.errors import InputError

LARGEST_VOLUME: Final = 64 * 1024 * 1024
"""Bytes of decompressed firmware; OVMF's have 13 MiB."""

LZMA_SECTION: Final = bytes.fromhex("98584eee143959429d6edc7bd79403cf")
_SIGNATURE: Final = b"_FVH"
_HEAD: Final = 56  # EFI_FIRMWARE_VOLUME_HEADER before its block map
_FILE_HEAD: Final = 24
_LARGE_FILE_HEAD: Final = 32
_LARGE_FILE: Final = 0x01
_SECTION_HEAD: Final = 4
_LARGE_SECTION: Final = 0xFFFFFF
_FILE_VOLUME: Final = 0x0B
_PADDING: Final = 0xF0
_SECTION_GUIDED: Final = 0x02
_SECTION_USER_INTERFACE: Final = 0x15
_SECTION_VOLUME: Final = 0x17
_MOST_ITEMS: Final = 4096


class FirmwareFile(msgspec.Struct, frozen=True):
    """A file of a volume: its GUID in file order, its type and its body (sections)."""

    guid: bytes
    kind: int
    body: bytes

    @property
    def user_interface_name(self) -> str | None:
        """The name a person sees, such as ``UiApp``."""
        for kind, data in sections(self.body):
            if kind == _SECTION_USER_INTERFACE:
                return data.decode("utf-16-le", errors="replace").rstrip("\0")
        return None


class FirmwareVolume(msgspec.Struct, frozen=True):
    """A volume: the very bytes that firmware hashes."""

    raw: bytes

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Take the volume at the start of ``data``.

        Raises:
            InputError: there is none.
        """
        size = _little(data, 32, 8)
        if data[40:44] != _SIGNATURE or not _HEAD <= size <= len(data):
            raise _error("no volume header", "a firmware volume")
        return cls(data[:size])

    @property
    def name(self) -> bytes:
        """GUID that names the volume (16 bytes, file order)."""
        offset = _little(self.raw, 52, 2)
        if offset == 0:
            raise _error("a volume without a name", "an extended header")
        return self.raw[offset : offset + 16]

    def files(self) -> Iterator[FirmwareFile]:
        """Read the files in order.

        Raises:
            InputError: a length that does not fit.
        """
        at = self._first_file()
        for _ in range(_MOST_ITEMS):
            at = _aligned(at, 8)
            begin = self.raw[at : at + _FILE_HEAD]
            if not begin.strip(b"\xff"):
                return  # the end, or space that was never written
            if len(begin) < _FILE_HEAD:
                raise _error(f"{len(begin)} bytes at {at:#x}", "files that fit")
            head, size = self._extent(at)
            if not head <= size <= len(self.raw) - at:
                raise _error(f"file of {size} bytes at {at:#x}", "files that fit")
            kind = self.raw[at + 18]
            if kind != _PADDING:
                guid = self.raw[at : at + 16]
                yield FirmwareFile(guid, kind, self.raw[at + head : at + size])
            at += size
        raise _error("more files", f"at most {_MOST_ITEMS}")

    def _first_file(self) -> int:
        offset = _little(self.raw, 52, 2)
        if offset == 0:
            return _little(self.raw, 48, 2)
        return offset + _little(self.raw, offset + 16, 4)

    def _extent(self, at: int) -> tuple[int, int]:
        if self.raw[at + 19] & _LARGE_FILE:
            return _LARGE_FILE_HEAD, _little(self.raw, at + 24, 8)
        return _FILE_HEAD, _little(self.raw, at + 20, 3)


class Firmware(msgspec.Struct, frozen=True):
    """The two volumes of an OVMF build which PCR 0 holds."""

    pei: FirmwareVolume
    dxe: FirmwareVolume

    @classmethod
    def parse(cls, code: bytes) -> Self:
        """Open ``OVMF_CODE*.fd``.

        Raises:
            InputError: it is not built like OVMF.
        """
        compact = FirmwareVolume.parse(code)
        inner = next((f for f in compact.files() if f.kind == _FILE_VOLUME), None)
        if inner is None:
            raise _error("no compressed volume", "FVMAIN_COMPACT")
        volumes = [FirmwareVolume.parse(data) for data in _volume_sections(inner.body)]
        if len(volumes) != 2:
            raise _error(f"{len(volumes)} compressed volumes", "PEIFV and DXEFV")
        return cls(volumes[0], volumes[1])

    def dxe_file(self, guid: bytes) -> FirmwareFile:
        """Find a file of the DXE volume.

        Raises:
            InputError: it is not there.
        """
        found = next((f for f in self.dxe.files() if f.guid == guid), None)
        if found is None:
            raise _error(f"no file {guid.hex()}", "OVMF's boot manager menu")
        return found


def sections(body: bytes) -> Iterator[tuple[int, bytes]]:
    """Read the sections of a file: type and content (for a GUIDed one, from its GUID on).

    Raises:
        InputError: a length that does not fit.
    """
    at = 0
    for _ in range(_MOST_ITEMS):
        at = _aligned(at, 4)
        if at + _SECTION_HEAD > len(body):
            return
        size, head = _little(body, at, 3), _SECTION_HEAD
        if size == _LARGE_SECTION:
            size, head = _little(body, at + 4, 4), _SECTION_HEAD + 4
        if not head <= size <= len(body) - at:
            raise _error(f"section of {size} bytes at {at:#x}", "sections that fit")
        yield body[at + 3], body[at + head : at + size]
        at += size
    raise _error("more sections", f"at most {_MOST_ITEMS}")


def _volume_sections(body: bytes) -> Iterator[bytes]:
    for kind, data in sections(body):
        if kind == _SECTION_GUIDED and data[:16] == LZMA_SECTION:
            inside = _inflate(data[_little(data, 16, 2) - _SECTION_HEAD :])
            yield from (inner for found, inner in sections(inside) if found == _SECTION_VOLUME)


def _inflate(stream: bytes) -> bytes:
    try:
        inflater = lzma.LZMADecompressor(lzma.FORMAT_ALONE)
        data = inflater.decompress(stream, LARGEST_VOLUME)
    except lzma.LZMAError as error:
        raise _error("a broken LZMA section", "OVMF's") from error
    if not inflater.eof:
        raise _error("an LZMA section that is cut or too large", f"at most {LARGEST_VOLUME} bytes")
    return data


def _little(data: bytes, at: int, size: int) -> int:
    return int.from_bytes(data[at : at + size], "little")


def _aligned(value: int, alignment: int) -> int:
    return -(-value // alignment) * alignment


def _error(got: str, want: str) -> InputError:
    return InputError("firmware", got=got, want=want, spec="UEFI PI volume 3")
