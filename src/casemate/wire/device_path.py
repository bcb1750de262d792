"""UEFI device paths as text, one string per node (UEFI 2.10 section 10; tee §5.4).

The forms are upstream's, kept to the letter since policies compare them. A node that is too short
for its form, or has none, is shown as ``Path(type,subtype,hexdata)``.
"""

from collections.abc import Callable
from typing import Final

from casemate.errors import PeerError

_HEAD: Final = 4  # type, subtype, length (2)
_MOST_NODES: Final = 64


def parse_device_path(raw: bytes) -> list[str]:
    """Write each node of a device path (without its end node) as text.

    Raises:
        PeerError: a node shorter than its own head, past the end, or more than 64 nodes.
    """
    nodes: list[str] = []
    at = 0
    while at < len(raw):
        size = int.from_bytes(raw[at + 2 : at + 4], "little")
        if size < _HEAD or at + size > len(raw) or len(nodes) == _MOST_NODES:
            raise PeerError(
                "device path", got=f"node of {size} bytes at {at}", want="nodes that fit"
            )
        nodes.append(_node(raw[at], raw[at + 1], raw[at + _HEAD : at + size]))
        at += size
    return nodes


def guid(raw: bytes) -> str:
    """Write a GUID of 16 bytes in its mixed-endian text form, in capitals."""
    parts = (raw[3::-1], raw[5:3:-1], raw[7:5:-1], raw[8:10], raw[10:16])
    return "-".join(part.hex() for part in parts).upper()


def _node(kind: int, subtype: int, data: bytes) -> str:
    form = _FORMS.get((kind, subtype))
    text = form(data) if form is not None else None
    return text if text is not None else f"Path({kind},{subtype},{data.hex()})"


def _pci(data: bytes) -> str | None:
    return f"Pci({data[0]},{data[1]})" if len(data) >= 2 else None


def _acpi(data: bytes) -> str | None:
    if len(data) < 8:
        return None
    packed = int.from_bytes(data[0:2], "little")
    letters = "".join(chr(0x40 + (packed >> shift & 0x1F)) for shift in (10, 5, 0))
    return f"ACPI({letters}{_little(data[2:4]):04X},{_little(data[4:8])})"


def _usb(data: bytes) -> str | None:
    return f"USB({data[0]},{data[1]})" if len(data) >= 2 else None


def _mac(data: bytes) -> str | None:
    if len(data) != 33:
        return None
    return f"Mac({data[:31].hex().upper().rstrip('0')},0x{data[32]:02x})"


def _ipv4(data: bytes) -> str | None:
    if len(data) < 23:
        return None
    local, remote = (".".join(map(str, part[::-1])) for part in (data[0:4], data[4:8]))
    protocol = {6: "TCP", 17: "UDP"}.get(_little(data[12:14]), "")
    origin = {0: "DHCP", 1: "Static"}.get(data[14], "")
    gateway, mask = _little(data[15:19]), _little(data[19:23])
    tail = f",{gateway},{mask}" if gateway or mask else ""
    return f"IPv4({remote},{protocol},{origin},{local}{tail})"


def _fibre(data: bytes) -> str | None:
    if len(data) < 16:
        return None
    return f"FibreEx(0x{data[0:8].hex()},0x{data[8:16].hex()})"


def _hard_drive(data: bytes) -> str | None:
    if len(data) < 38:
        return None
    number, start, size = _little(data[0:4]), _little(data[4:12]), _little(data[12:20])
    match data[36]:
        case 1:
            signature = f"MBR,0x{_little(data[20:24]):08x}"
        case 2:
            signature = f"GPT,{guid(data[20:36])}"
        case _:
            return None
    extent = f",{start:#x},{size:#x}" if number else ""
    return f"HD({number},{signature}{extent})"


def _vendor_media(data: bytes) -> str | None:
    if len(data) < 16:
        return None
    return f"VenMedia({guid(data[:16])},{data[16:].hex()})"


def _file(data: bytes) -> str | None:
    if not data or len(data) % 2:
        return None
    return f"File({data[:-2].decode('utf-16-le', errors='replace')})"


def _bbs(data: bytes) -> str | None:
    if len(data) < 4:
        return None
    kind = _little(data[0:2])
    try:
        description = data[4:].partition(b"\0")[0].decode()
    except UnicodeDecodeError:
        return None
    return f"BBS({_BBS_TYPES.get(kind, str(kind))},{description},{_little(data[2:4])})"


def _little(data: bytes) -> int:
    return int.from_bytes(data, "little")


_BBS_TYPES: Final = {
    1: "FLOPPY",
    2: "HARD_DRIVE",
    3: "CDROM",
    4: "PCMCIA",
    5: "USB",
    6: "EMBEDDED_NETWORK",
    0x80: "DEV",
    0xFF: "UNKNOWN",
}

_FORMS: Final[dict[tuple[int, int], Callable[[bytes], str | None]]] = {
    (0x01, 0x01): _pci,
    (0x02, 0x01): _acpi,
    (0x03, 0x05): _usb,
    (0x03, 0x0B): _mac,
    (0x03, 0x0C): _ipv4,
    (0x03, 0x15): _fibre,
    (0x04, 0x01): _hard_drive,
    (0x04, 0x03): _vendor_media,
    (0x04, 0x04): _file,
    (0x05, 0x01): _bbs,
}
