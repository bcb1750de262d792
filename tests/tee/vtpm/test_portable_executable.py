"""PE images that are none, or whose tables lie: refused in words."""

import hashlib
from struct import pack_into

import pytest

from casemate.errors import InputError
from casemate.tee.vtpm.portable_executable import PortableExecutable
from tests.sim.uki import portable_executable, tiny_uki


def changed(at: int, form: str, value: int) -> bytes:
    raw = bytearray(tiny_uki())
    pack_into(form, raw, at, value)
    return bytes(raw)


def header() -> int:
    return int.from_bytes(tiny_uki()[0x3C:0x40], "little")


@pytest.mark.parametrize(
    ("raw", "got"),
    [
        (b"", "0 bytes"),
        (b"MZ" + bytes(62), "no PE header"),
        (changed(0, "<H", 0), "no PE header"),
        (changed(header() + 24, "<H", 0x10B), "another optional header"),
        (changed(header() + 6, "<H", 0xFFFF), "65535 sections"),
        (changed(header() + 24 + 60, "<I", 1 << 31), "past the end"),
        (tiny_uki()[:-1], "past the end"),
        (tiny_uki()[: header() + 30], "bytes"),
    ],
)
def test_image_whose_tables_do_not_hold_is_refused(raw: bytes, got: str) -> None:
    with pytest.raises(InputError, match=got):
        PortableExecutable.parse(raw)


def test_section_without_content_in_the_file_is_not_looked_for_there() -> None:
    raw = bytearray(portable_executable({".text": b"code" * 128, ".bss": b""}))
    row = raw.index(b".bss")
    pack_into("<I", raw, row + 20, 1 << 30)
    image = PortableExecutable.parse(bytes(raw))
    checksum, certificates = header() + 24 + 64, header() + 24 + 112 + 8 * 4
    rest = raw[:checksum] + raw[checksum + 4 : certificates] + raw[certificates + 8 :]
    assert image.authenticode() == hashlib.sha256(rest).digest()
    assert image.section(".bss") == b""
    assert image.section(".nothing") is None
