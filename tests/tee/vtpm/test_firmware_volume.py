"""Firmware volumes built by hand, right and wrong in one place: found as they are, or refused."""

import lzma
from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casemate.errors import InputError
from casemate.tee.vtpm.firmware_volume import (
    LARGEST_VOLUME,
    LZMA_SECTION,
    Firmware,
    FirmwareFile,
    FirmwareVolume,
    sections,
)

NAME, GUID, OTHER = b"N" * 16, b"G" * 16, b"O" * 16
DRIVER, VOLUME, PADDING = 0x07, 0x0B, 0xF0
GUIDED, RAW, USER_INTERFACE, VOLUME_SECTION = 0x02, 0x19, 0x15, 0x17


def volume(*files: bytes, tail: bytes = b"", named: bool = True) -> bytes:
    """Write a volume: header, extended header with its name, files aligned to 8 bytes."""
    extended = NAME + pack("<I", 24) + bytes(4) if named else b""
    content = b"".join(one + b"\xff" * (-len(one) % 8) for one in files) + tail
    size = 56 + len(extended) + len(content)
    head = bytes(32) + pack("<Q4s4xHHHBB", size, b"_FVH", 56, 0, 56 if named else 0, 0, 2)
    return head + extended + content


def file(kind: int, body: bytes, guid: bytes = GUID, *, large: bool = False) -> bytes:
    if large:
        return guid + bytes(2) + bytes((kind, 1)) + bytes(4) + pack("<Q", 32 + len(body)) + body
    return guid + bytes(2) + bytes((kind, 0)) + pack("<I", 24 + len(body))[:3] + b"\xf8" + body


def section(kind: int, data: bytes, *, large: bool = False) -> bytes:
    """Write a section with what aligns the next to 4 bytes."""
    head = b"\xff\xff\xff" if large else pack("<I", 4 + len(data))[:3]
    raw = head + bytes((kind,)) + (pack("<I", 8 + len(data)) if large else b"") + data
    return raw + bytes(-len(raw) % 4)


def packed(*volumes: bytes) -> bytes:
    """Write the section that holds volumes compressed, as OVMF has it."""
    inside = b"".join(section(VOLUME_SECTION, one, large=True) for one in volumes)
    return guided(lzma.compress(inside, lzma.FORMAT_ALONE))


def guided(stream: bytes) -> bytes:
    return section(GUIDED, LZMA_SECTION + pack("<HH", 24, 1) + stream)


PEI, DXE = volume(file(DRIVER, b"pei")), volume(file(DRIVER, b"dxe", OTHER))


def test_volumes_inside_are_found_by_their_files_and_names() -> None:
    found = Firmware.parse(volume(file(PADDING, b""), file(VOLUME, packed(PEI, DXE))))
    assert (found.pei.raw, found.dxe.raw) == (PEI, DXE)
    assert found.dxe.name == NAME
    assert found.dxe_file(OTHER).body == b"dxe"
    with pytest.raises(InputError, match="no file"):
        found.dxe_file(GUID)


@pytest.mark.parametrize("tail", [b"", b"\xff" * 8, b"\xff" * 64])
@pytest.mark.parametrize("named", [True, False])
def test_files_end_where_nothing_was_written(tail: bytes, *, named: bool) -> None:
    raw = volume(
        file(DRIVER, b"one"),
        file(PADDING, b"between"),
        file(DRIVER, b"three", OTHER, large=True),
        tail=tail,
        named=named,
    )
    found = list(FirmwareVolume.parse(raw).files())
    assert [(one.guid, one.body) for one in found] == [(GUID, b"one"), (OTHER, b"three")]


@pytest.mark.parametrize("size", range(1, 24))
def test_file_whose_head_is_cut_is_refused(size: int) -> None:
    raw = volume(file(DRIVER, b"whole"), tail=b"\0" * size)
    with pytest.raises(InputError, match="files that fit"):
        list(FirmwareVolume.parse(raw).files())


@pytest.mark.parametrize("size", [0, 23, 25, 0xFFFFFF])
def test_file_whose_length_does_not_fit_is_refused(size: int) -> None:
    raw = file(DRIVER, b"")
    with pytest.raises(InputError, match="files that fit"):
        list(FirmwareVolume.parse(volume(raw[:20] + pack("<I", size)[:3] + raw[23:])).files())


def test_more_files_and_sections_than_any_firmware_has_are_refused() -> None:
    with pytest.raises(InputError, match="more files"):
        list(FirmwareVolume.parse(volume(file(DRIVER, b"") * 4097)).files())
    with pytest.raises(InputError, match="more sections"):
        list(sections(section(RAW, b"") * 4097))


def test_volume_without_an_extended_header_has_no_name() -> None:
    with pytest.raises(InputError, match="without a name"):
        _ = FirmwareVolume.parse(volume(named=False)).name


@pytest.mark.parametrize("size", [0, 55, 57, 1 << 63])
def test_volume_whose_length_does_not_fit_is_refused(size: int) -> None:
    raw = volume(named=False)
    with pytest.raises(InputError, match="volume header"):
        FirmwareVolume.parse(raw[:32] + pack("<Q", size) + raw[40:])


def test_name_for_people_is_in_its_section() -> None:
    shown = section(USER_INTERFACE, "UiApp\0".encode("utf-16-le"))
    assert FirmwareFile(GUID, DRIVER, section(RAW, b"x") + shown).user_interface_name == "UiApp"
    assert FirmwareFile(GUID, DRIVER, section(RAW, b"x")).user_interface_name is None


@pytest.mark.parametrize("size", [0, 3, 5, 0xFFFFFF])
def test_section_whose_length_does_not_fit_is_refused(size: int) -> None:
    with pytest.raises(InputError, match="sections that fit"):
        list(sections(pack("<I", size)[:3] + bytes((RAW,))))


@pytest.mark.parametrize(
    ("code", "got"),
    [
        (volume(), "no compressed volume"),
        (volume(file(DRIVER, packed(PEI, DXE))), "no compressed volume"),
        (volume(file(VOLUME, packed(PEI))), "1 compressed volumes"),
        (volume(file(VOLUME, packed(PEI, DXE, DXE))), "3 compressed volumes"),
        (volume(file(VOLUME, section(GUIDED, OTHER + bytes(4)))), "0 compressed volumes"),
        (volume(file(VOLUME, packed(PEI, b"no volume" * 9))), "no volume header"),
        (volume(file(VOLUME, guided(b"\xff" * 40))), "broken LZMA"),
        (volume(file(VOLUME, guided(b""))), "cut or too large"),
        (
            volume(file(VOLUME, guided(lzma.compress(DXE, lzma.FORMAT_ALONE)[:-9]))),
            "cut or too large",
        ),
    ],
)
def test_firmware_that_is_not_built_like_ovmf_is_refused(code: bytes, got: str) -> None:
    with pytest.raises(InputError, match=got):
        Firmware.parse(code)


def test_volume_that_unpacks_to_more_than_any_firmware_is_refused() -> None:
    bomb = lzma.compress(bytes(LARGEST_VOLUME + 1), lzma.FORMAT_ALONE, preset=0)
    with pytest.raises(InputError, match="cut or too large"):
        Firmware.parse(volume(file(VOLUME, guided(bomb))))


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_any_bytes_at_all_raise_only_our_error(content: bytes, stream: bytes) -> None:
    for code in (
        content,
        volume(tail=content),
        volume(file(VOLUME, content)),
        volume(file(VOLUME, guided(stream))),
    ):
        with pytest.raises(InputError):
            Firmware.parse(code)
