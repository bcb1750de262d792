"""rtnetlink, as far as a pod VM needs it: a link up, an address, a default route (rtnetlink(7))."""

import socket
import struct
from typing import Final

from casemate.errors import HostError

_NEWLINK: Final = 16
_NEWADDR: Final = 20
_NEWROUTE: Final = 24
_ERROR: Final = 2
_REQUEST: Final = 0x1
_ACK: Final = 0x4
_CREATE: Final = 0x400
_REPLACE: Final = 0x100
_UP: Final = 0x1
_HEADER: Final = struct.Struct("=IHHII")
_LINK: Final = struct.Struct("=BxHiII")
_ADDRESS: Final = struct.Struct("=BBBBi")
_ROUTE: Final = struct.Struct("=BBBBBBBBI")
_ATTRIBUTE: Final = struct.Struct("=HH")
_LOCAL, _ADDR = 2, 1
_GATEWAY, _OUT = 5, 4
_MAIN, _STATIC, _UNICAST = 254, 4, 1
_FILE_EXISTS: Final = 17


def set_up(interface: str) -> None:
    """Bring a link up.

    Raises:
        HostError: no such link, or the kernel refuses.
    """
    _talk(_NEWLINK, 0, _LINK.pack(socket.AF_UNSPEC, 0, _index(interface), _UP, _UP))


def add_address(interface: str, address: str, prefix: int) -> None:
    """Give an interface an IPv4 address; one it has already is fine.

    Raises:
        HostError: no such link, or the kernel refuses.
    """
    packed = socket.inet_aton(address)
    body = _ADDRESS.pack(socket.AF_INET, prefix, 0, 0, _index(interface))
    body += _attribute(_LOCAL, packed) + _attribute(_ADDR, packed)
    _talk(_NEWADDR, _CREATE | _REPLACE, body)


def set_default_route(interface: str, gateway: str) -> None:
    """Send what goes elsewhere to ``gateway``.

    Raises:
        HostError: no such link, or the gateway is out of reach.
    """
    body = _ROUTE.pack(socket.AF_INET, 0, 0, 0, _MAIN, _STATIC, 0, _UNICAST, 0)
    body += _attribute(_GATEWAY, socket.inet_aton(gateway))
    body += _attribute(_OUT, struct.pack("=I", _index(interface)))
    _talk(_NEWROUTE, _CREATE | _REPLACE, body)


def _index(interface: str) -> int:
    try:
        return socket.if_nametoindex(interface)
    except OSError as error:
        raise HostError(f"network interface {interface}", got="none", want="a device") from error


def _attribute(kind: int, value: bytes) -> bytes:
    padding = -len(value) % 4
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), kind) + value + bytes(padding)


def _talk(kind: int, flags: int, body: bytes) -> None:
    """Send one request and read its acknowledgement."""
    message = _HEADER.pack(_HEADER.size + len(body), kind, _REQUEST | _ACK | flags, 1, 0) + body
    with socket.socket(
        socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE
    ) as kernel:
        kernel.settimeout(5)
        kernel.bind((0, 0))
        kernel.send(message)
        answer = kernel.recv(8192)
    number = -struct.unpack_from("=i", answer, _HEADER.size)[0]
    if _HEADER.unpack_from(answer)[1] != _ERROR or number not in {0, _FILE_EXISTS}:
        raise HostError("rtnetlink", got=f"error {number} for message {kind}", want="an ACK")
