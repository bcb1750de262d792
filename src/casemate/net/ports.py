"""TCP ports of the loopback interface: which is free, and is this one."""

import errno
import secrets
import socket
from collections.abc import Iterator
from typing import Final

from casemate.errors import HostError, InputError

LOOPBACK: Final = "127.0.0.1"

_OURS: Final = range(20_000, 30_000)
"""Below those that Linux, unless told otherwise, gives to whoever connects somewhere (ip(7),
ip_local_port_range), so that nobody's connection takes one before we do; and below Kubernetes' node
ports."""
_ALL: Final = range(1 << 16)
_TRIES: Final = 100


def free() -> int:
    """Give a port that nobody listens on now (a moment later somebody may).

    Raises:
        HostError: a hundred in a row are taken.
    """
    return claim(0, purpose="next listener")


def claim(port: int, *, purpose: str, host: str = LOOPBACK) -> int:
    """Give ``port`` back if it can be listened on at ``host``; a free one for 0.

    Raises:
        HostError: somebody listens there, or address or port are not ours to open.
        InputError: there is no such port, or host.
    """
    if port not in _ALL or not (host.isascii() and host.isprintable()):
        raise InputError(
            f"port for the {purpose}", got=f"{port} at {host}", want="0 to 65535 at a host in ASCII"
        )
    failure = OSError()
    for tried in (port,) if port else _some():
        try:
            with _listening(host, tried):
                return tried
        except OSError as error:
            failure = error
            if error.errno != errno.EADDRINUSE:
                break
    taken = failure.errno == errno.EADDRINUSE
    raise HostError(
        f"port {port} for the {purpose}" + (f" at {host}" if host != LOOPBACK else ""),
        got="in use" if taken else failure.strerror,
        want="a free port",
        remedy="Stop what listens there, or choose another port (0 finds a free one).",
    ) from failure


def _some() -> Iterator[int]:
    return (_OURS[secrets.randbelow(len(_OURS))] for _ in range(_TRIES))


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family)
