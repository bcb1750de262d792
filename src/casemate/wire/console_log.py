"""The kept serial console of a VM: one line each, with the node's time of its arrival.

Written by the adaptor, read by the runtime for traces and by people. Everything in it comes from
the guest or the host: it is for people, never for trust.
"""

from typing import Final

import msgspec

from casemate.errors import PeerError

NAME: Final = "console.log"
"""Name of the file in a pod's folder."""
LARGEST: Final = 4 << 20
"""Bytes that are kept of one VM's console; what comes later is read and dropped."""


class ConsoleLine(msgspec.Struct, frozen=True):
    """One line. ``time`` is seconds since the Unix epoch on the node's clock."""

    time: float
    text: bytes


def encode(line: ConsoleLine) -> bytes:
    """Write ``<seconds, 3 decimals> <text>`` and a line end; the text's own are replaced."""
    text = line.text.replace(b"\r", b"").replace(b"\n", b" ")
    return f"{line.time:.3f} ".encode() + text + b"\n"


def parse(line: bytes) -> ConsoleLine:
    """Read one line back.

    Raises:
        PeerError: no time in front.
    """
    stamp, space, text = line.rstrip(b"\n").partition(b" ")
    if not space or len(stamp) > 20 or not stamp.replace(b".", b"", 1).isdigit():
        raise PeerError("console log", got=line[:40], want="a time, then the line")
    return ConsoleLine(float(stamp), text)
