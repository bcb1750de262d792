from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casemate.errors import PeerError
from casemate.wire.device_path import parse_device_path


def node(kind: int, subtype: int, data: str) -> bytes:
    raw = bytes.fromhex(data)
    return bytes((kind, subtype)) + (len(raw) + 4).to_bytes(2, "little") + raw


@pytest.mark.parametrize(
    ("kind", "subtype", "data", "text"),
    [
        (1, 1, "0003", "Pci(0,3)"),
        (2, 1, "d041030a00000000", "ACPI(PNP0A03,0)"),
        (3, 5, "0102", "USB(1,2)"),
        (3, 11, "001320f5fa77" + "00" * 26 + "01", "Mac(001320F5FA77,0x01)"),
        (
            3,
            12,
            "0100A8C06400A8C00000BC0C0600010000000000000000",
            "IPv4(192.168.0.100,TCP,Static,192.168.0.1)",
        ),
        (
            4,
            1,
            "0f000000002800000000000000500300000000005e27f1007553d5439eb5de2add4c99320202",
            "HD(15,GPT,00F1275E-5375-43D5-9EB5-DE2ADD4C9932,0x2800,0x35000)",
        ),
        (
            4,
            1,
            "01000000000800000000000000E02E0000000000431202a000000000431202a0000000000101",
            "HD(1,MBR,0xa0021243,0x800,0x2ee000)",
        ),
        (
            4,
            3,
            "f8d1c555cd04b5468a20e56cbb3052d0",
            "VenMedia(55C5D1F8-04CD-46B5-8A20-E56CBB3052D0,)",
        ),
        (4, 4, "6b00650072006e0065006c000000", "File(kernel)"),
        (5, 1, "0600000068690000", "BBS(EMBEDDED_NETWORK,hi,0)"),
        (5, 1, "f0ff000000", "BBS(65520,,0)"),
        (5, 1, "0500000000ff", "BBS(USB,,0)"),
        (5, 1, "05000000ff00", "Path(5,1,05000000ff00)"),
        (5, 1, "050000", "Path(5,1,050000)"),
        (2, 1, "d041030a0200000099", "ACPI(PNP0A03,2)"),
        (2, 1, "d041030a020000", "Path(2,1,d041030a020000)"),
        (1, 1, "000399", "Pci(0,3)"),
        (
            3,
            12,
            "0100A8C06400A8C00000BC0C0500020100000002000000",
            "IPv4(192.168.0.100,,,192.168.0.1,1,2)",
        ),
        (3, 12, "0100A8C06400A8C00000BC0C110000", "Path(3,12,0100a8c06400a8c00000bc0c110000)"),
        (
            3,
            21,
            "0001020304050607000102030405060a",
            "FibreEx(0x0001020304050607,0x000102030405060a)",
        ),
        (3, 21, "00", "Path(3,21,00)"),
        (3, 11, "00", "Path(3,11,00)"),
        (
            4,
            1,
            "0f" + "00" * 35 + "0302",
            f"Path(4,1,{'0f' + '00' * 35 + '0302'})",
        ),
        (4, 1, "00" * 36 + "0101", "HD(0,MBR,0x00000000)"),
        (4, 1, "00" * 37, f"Path(4,1,{'00' * 37})"),
        (4, 3, "00", "Path(4,3,00)"),
        (4, 4, "6b0065", "Path(4,4,6b0065)"),
        (4, 4, "", "Path(4,4,)"),
        (9, 9, "00ff", "Path(9,9,00ff)"),
        (1, 1, "00", "Path(1,1,00)"),
    ],
)
def test_node_has_upstreams_text(kind: int, subtype: int, data: str, text: str) -> None:
    assert parse_device_path(node(kind, subtype, data)) == [text]


def test_node_shorter_than_its_head_is_refused() -> None:
    with pytest.raises(PeerError):
        parse_device_path(b"\x01\x01\x03\x00")


def test_endless_path_is_refused() -> None:
    with pytest.raises(PeerError):
        parse_device_path(node(9, 9, "") * 100)


@given(st.binary(max_size=200))
def test_any_bytes_at_all_raise_only_our_error(data: bytes) -> None:
    with suppress(PeerError):
        parse_device_path(data)


@given(st.integers(1, 5), st.integers(1, 32), st.binary(max_size=60))
def test_any_node_has_a_text(kind: int, subtype: int, data: bytes) -> None:
    assert len(parse_device_path(node(kind, subtype, data.hex()))) == 1
