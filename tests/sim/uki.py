"""Tiny PE images and UKIs: right in form, with nothing to run inside."""

import struct
from collections.abc import Mapping

_FILE_ALIGNMENT = 512
_PAGE = 4096


def portable_executable(sections: Mapping[str, bytes]) -> bytes:
    """Make a PE32+ image with the given sections."""
    optional_size = 112 + 16 * 8
    table = 0x40 + 24 + optional_size
    headers = _aligned(table + 40 * len(sections), _FILE_ALIGNMENT)
    image = bytearray(headers)
    image[0:2] = b"MZ"
    struct.pack_into("<I", image, 0x3C, 0x40)
    struct.pack_into("<4sHH12xHH", image, 0x40, b"PE\0\0", 0x8664, len(sections), optional_size, 0)
    struct.pack_into("<H", image, 0x58, 0x20B)
    struct.pack_into("<II", image, 0x58 + 32, _PAGE, _FILE_ALIGNMENT)
    struct.pack_into("<II", image, 0x58 + 56, _PAGE, headers)
    struct.pack_into("<I", image, 0x58 + 108, 16)
    address = _PAGE
    for index, (name, data) in enumerate(sections.items()):
        size = _aligned(len(data), _FILE_ALIGNMENT)
        row = (name.encode(), len(data), address, size, len(image))
        struct.pack_into("<8sIIII", image, table + 40 * index, *row)
        image += data.ljust(size, b"\0")
        address = _aligned(address + len(data), _PAGE)
    return bytes(image)


def tiny_uki(
    *,
    command_line: str = "quiet",
    kernel: bytes | None = None,
    initrd: bytes = b"initrd",
) -> bytes:
    """Make a UKI that the firmware would not start, but would measure."""
    return portable_executable(
        {
            ".osrel": b"ID=casemate\n",
            ".cmdline": command_line.encode(),
            ".initrd": initrd,
            ".linux": portable_executable({".text": b"kernel"}) if kernel is None else kernel,
        }
    )


def _aligned(value: int, alignment: int) -> int:
    return -(-value // alignment) * alignment
