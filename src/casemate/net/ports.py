"""TCP ports of the loopback interface: which is free, and is this one."""

import errno
import socket
from typing import Final

from casemate.errors import HostError

LOOPBACK: Final = "127.0.0.1"


def free() -> int:
    """Give a port that nobody listens on now (a moment later somebody may)."""
    with socket.create_server((LOOPBACK, 0)) as server:
        return int(server.getsockname()[1])


def claim(port: int, *, purpose: str, host: str = LOOPBACK) -> int:
    """Give ``port`` back if it can be listened on at ``host``; a free one for 0.

    Raises:
        HostError: somebody listens there, or address or port are not ours to open.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.create_server((host, port), family=family) as server:
            return int(server.getsockname()[1])
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        raise HostError(
            f"port {port} for the {purpose}" + (f" at {host}" if host != LOOPBACK else ""),
            got="in use" if taken else error.strerror,
            want="a free port",
            remedy="Stop what listens there, or choose another port (0 finds a free one).",
        ) from error
