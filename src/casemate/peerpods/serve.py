"""The adaptor's composition root: settings in, one socket out, every VM ended on the way home."""

import asyncio
import contextlib
import logging
import shutil
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from casemate.errors import HostError, PeerError
from casemate.net import unix
from casemate.net.ttrpc import Server
from casemate.peerpods import platform, providers
from casemate.peerpods.adaptor import SOCKET, Adaptor, AdaptorSettings
from casemate.peerpods.channel import ChannelKeys
from casemate.peerpods.image import FindImage
from casemate.peerpods.service import services

_log = logging.getLogger(__name__)


async def serve(settings: Mapping[str, Any], *, find_image: FindImage, cache: Path) -> None:
    """Serve until SIGTERM or SIGINT; then end every VM.

    Raises:
        HostError: another adaptor serves this socket, or it cannot be bound.
        InputError: a setting that cannot be meant.
    """
    socket, pods = Path(settings["socket"]), Path(settings["pods"])
    _refuse_second(socket)
    _forget_dead(pods)
    stopping = _stop_signal()
    async with asyncio.TaskGroup() as tasks:
        provider = providers.make(
            settings["provider"],
            settings,
            authority=platform.authority(Path(settings["platform"])),
            find_image=find_image,
            cache=cache,
            tasks=tasks,
        )
        limits = AdaptorSettings(
            pods=pods, most_pods=settings["limit"], connect_seconds=settings["connect"]
        )
        adaptor = Adaptor(provider, ChannelKeys.create(), limits)
        server = Server(services(adaptor))
        try:
            await server.serve_unix(socket)
            _log.info("serving %s", socket)
            await stopping.wait()
        finally:
            await server.close()
            await adaptor.stop_all()
            unix.remove(socket)


def _refuse_second(socket: Path) -> None:
    with contextlib.suppress(PeerError), unix.connect(socket):
        raise HostError(
            str(socket),
            got="another adaptor serving",
            want="one adaptor for each socket",
            remedy="Stop it (casemate down), or give another --state.",
        )


def _forget_dead(pods: Path) -> None:
    """Remove what VMs of an earlier adaptor left: they died with it, their files did not."""
    for folder in pods.glob("*/vm"):
        shutil.rmtree(folder, ignore_errors=True)
    for agent in pods.glob(f"*/{SOCKET}"):
        agent.unlink(missing_ok=True)


def _stop_signal() -> asyncio.Event:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    return stopping
