"""Storages of a request: what is mounted before a container or the sandbox needs it (§6.3)."""

import os
import shutil
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final

from casemate.errors import InputError
from casemate.guest.agent.bundle import SHARED
from casemate.linux import mount
from casemate.wire.pb import agent_pb2
from casemate.wire.ttrpc_status import Code, TtrpcError

HANDLERS: Final = ("image_guest_pull", "ephemeral", "local")
"""Drivers we serve, as GetGuestDetails lists them."""

_FOLDERS: Final = (Path("/run/kata-containers/sandbox"), Path(SHARED))

Pull = Callable[[str, Path], Awaitable[None]]
"""Pulls an image by reference into a bundle folder: ``rootfs`` and ``config.json`` appear there."""


class Storages:
    """Mounts of one pod; ``pull`` brings images."""

    def __init__(
        self,
        pull: Pull,
        *,
        drop: Callable[[Path], Awaitable[None]] | None = None,
        folders: Sequence[Path] = _FOLDERS,
    ) -> None:
        """``folders`` are those below which the host may have something mounted."""
        self._pull = pull
        self._drop = drop
        self._folders = folders
        self._mounted: dict[Path, int] = {}

    async def add(self, storages: Sequence[agent_pb2.Storage], bundle: Path | None) -> list[Path]:
        """Prepare storages in order; gives the mount points for :meth:`remove`.

        Raises:
            InputError: a mount point outside the pod's folders, or a second image.
            TtrpcError: UNIMPLEMENTED for a driver we do not serve.
            VerificationError: an image was refused.
        """
        points: list[Path] = []
        try:
            for storage in storages:
                point = await self._add(storage, bundle)
                if point is not None:
                    points.append(point)
        except BaseException:
            self.remove(points)
            raise
        return points

    def remove(self, points: Sequence[Path]) -> None:
        """Give mount points back; the last user's going unmounts."""
        for point in reversed(points):
            self._mounted[point] -= 1
            if self._mounted[point] == 0:
                del self._mounted[point]
                _take_away(point)

    async def drop_image(self, bundle: Path) -> None:
        """Forget the image of a bundle whose container, with all mounts, is gone."""
        if self._drop is not None:
            await self._drop(bundle)

    async def _add(self, storage: agent_pb2.Storage, bundle: Path | None) -> Path | None:
        match storage.driver:
            case "image_guest_pull":
                await self._image(storage, bundle)
                return None
            case "ephemeral":
                return self._shared(storage, _mount_ephemeral)
            case "local":
                return self._shared(storage, _make_local)
            case other:
                raise TtrpcError(Code.UNIMPLEMENTED, f"storage driver {other!r}")

    async def _image(self, storage: agent_pb2.Storage, bundle: Path | None) -> None:
        if bundle is None or Path(storage.mount_point) != bundle / "rootfs":
            raise InputError(
                "image storage", got=storage.mount_point, want="the container's own rootfs"
            )
        await self._pull(storage.source, bundle)

    def _shared(
        self, storage: agent_pb2.Storage, make: Callable[[agent_pb2.Storage, Path], None]
    ) -> Path:
        point = _confined(storage.mount_point, self._folders)
        if point not in self._mounted:
            make(storage, point)
        self._mounted[point] = self._mounted.get(point, 0) + 1
        return point


def _confined(path: str, folders: Sequence[Path]) -> Path:
    clean = os.path.realpath(path)
    if not any(clean.startswith(f"{folder}/") for folder in folders):
        raise InputError("storage", got=path, want=f"a mount point below {folders[0]}")
    return Path(clean)


def _mount_ephemeral(storage: agent_pb2.Storage, point: Path) -> None:
    if storage.fstype not in {"", "tmpfs"}:
        raise TtrpcError(Code.UNIMPLEMENTED, f"ephemeral storage of type {storage.fstype!r}")
    point.mkdir(parents=True, exist_ok=True)
    options = [_group(o) for o in storage.options]
    mount.mount("tmpfs", point, "tmpfs", [*options, "nosuid", "nodev"])


def _group(option: str) -> str:
    return option.replace("fsgid=", "gid=", 1) if option.startswith("fsgid=") else option


def _make_local(storage: agent_pb2.Storage, point: Path) -> None:
    point.mkdir(parents=True, exist_ok=True)
    for option in storage.options:
        name, _, value = option.partition("=")
        try:
            if name == "mode":
                point.chmod(int(value, 8) & 0o7777)
            elif name == "fsgid":
                shutil.chown(point, group=int(value))
        except ValueError as error:
            raise InputError("local storage", got=option, want="mode=OCTAL or fsgid=ID") from error


def _take_away(point: Path) -> None:
    if mount.is_mount(point):
        mount.unmount(point, lazy=True)
    else:
        shutil.rmtree(point, ignore_errors=True)
