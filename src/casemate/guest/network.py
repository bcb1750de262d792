"""The pod VM's network: one card, whose address everybody knows."""

from pathlib import Path
from typing import Final

from casemate.errors import HostError
from casemate.linux import netlink

ADDRESS: Final = ("10.0.2.15", 24)
GATEWAY: Final = "10.0.2.2"
NAMESERVER: Final = "10.0.2.3"
"""QEMU's user-mode network: the address is always this one, so nobody has to be asked for it."""

_RESOLVER: Final = Path("/run/resolv.conf")
"""The image's /etc/resolv.conf points here."""


def configure(net: Path = Path("/sys/class/net")) -> None:
    """Bring the loopback and the one network card up, with address, route and resolver.

    Raises:
        HostError: no card, or the kernel refuses.
    """
    netlink.set_up("lo")
    found = card(net)
    netlink.set_up(found)
    netlink.add_address(found, *ADDRESS)
    netlink.set_default_route(found, GATEWAY)
    _RESOLVER.write_text(f"nameserver {NAMESERVER}\n", encoding="utf-8")


def card(net: Path) -> str:
    """Name of the first card that is not the loopback.

    Raises:
        HostError: there is none.
    """
    cards = sorted(entry.name for entry in net.iterdir() if entry.name != "lo")
    if not cards:
        raise HostError("network", got="no card", want="a virtio network card")
    return cards[0]
