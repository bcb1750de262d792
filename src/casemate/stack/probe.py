"""Whether a daemon answers yet."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, TypeAlias

from casemate.errors import CasemateError, HostError
from casemate.linux.daemon import Daemon
from casemate.net import unix
from casemate.net.http import HttpClient

Probe: TypeAlias = Callable[[], Awaitable[bool]]
"""Asks once; False or one of our errors means not yet."""

_PAUSE: Final = 0.05  # seconds between two questions
_PATIENCE: Final = 60.0  # seconds; a loaded machine starts Python slowly
_TAIL: Final = 400  # characters of a log that go into a message


def answers(url: str, *, anchors_pem: bytes) -> Probe:
    """Ask over HTTPS; any answer below 500 will do."""

    async def ask() -> bool:
        client = HttpClient(anchors_pem=anchors_pem.decode(), timeout=5.0)
        try:
            return (await client.request("GET", url)).status < 500
        finally:
            await client.close()

    return ask


def listens(socket: Path) -> Probe:
    """Ask whether a Unix socket takes connections."""

    async def ask() -> bool:
        unix.connect(socket).close()
        return True

    return ask


async def ready(name: str, daemon: Daemon, probe: Probe, *, log: Path) -> None:
    """Wait until a daemon answers.

    Raises:
        HostError: it ended, or has not answered within a minute; the message shows its log's end.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + _PATIENCE
    while not await _yes(probe):
        if not daemon.alive or loop.time() > end:
            raise HostError(
                name,
                got="no answer" if daemon.alive else f"it ended: {tail(log)}",
                want="it running and answering",
                remedy=f"Its log: {log}",
            )
        await asyncio.sleep(_PAUSE)


async def _yes(probe: Probe) -> bool:
    try:
        return await probe()
    except CasemateError:
        return False


def tail(log: Path) -> str:
    """Give the last lines of a log, on one line."""
    text = log.read_text(errors="replace")[-_TAIL:] if log.exists() else ""
    return " / ".join(line.strip() for line in text.splitlines() if line.strip()) or "no message"
