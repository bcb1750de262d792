"""A root file system made of an image's layers: whole and verified, or not at all."""

import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Final

from casemate.crypto.digest import Digest
from casemate.errors import HostError, InputError
from casemate.oci.layer import LayerReader, Opening
from casemate.oci.manifest import Descriptor
from casemate.oci.source import Image, Source
from casemate.oci.tree import Tree
from casemate.oci.unpack import LayerUnpacker, Limits

_HIDDEN: Final = ".pull-"


class RootfsWriter:
    """Unpacks an image beside ``target`` and renames it there, whole or not at all."""

    def __init__(
        self,
        source: Source,
        target: Path,
        *,
        devices: bool,
        limits: Limits,
        report: Callable[[str], None],
    ) -> None:
        self._source = source
        self._target = target
        self._staging = target.with_name(f"{_HIDDEN}{os.urandom(8).hex()}")
        self._devices = devices
        self._limits = limits
        self._report = report

    async def write(self, image: Image, openings: Sequence[Opening | None]) -> None:
        """Unpack every layer, verify all, then rename; nothing is left when anything fails.

        Raises:
            InputError: the target exists.
            VerificationError: digest, HMAC or diff_id of a layer.
            PeerError: the source broke off, or a layer is hostile.
            HostError: no space, or no right to write.
        """
        self._make_staging(sum(layer.size for layer in image.manifest.layers))
        try:
            with Tree(self._staging) as tree:
                for (layer, diff_id), opening in zip(image.layers, openings, strict=True):
                    lowest = layer is image.manifest.layers[0]
                    writer = LayerUnpacker(
                        tree, lowest=lowest, devices=self._devices, limits=self._limits
                    )
                    await self._unpack(writer, layer, diff_id, opening)
            require_new(self._target)
            self._staging.rename(self._target)
        except BaseException:
            shutil.rmtree(self._staging, ignore_errors=True)
            raise

    async def _unpack(
        self, writer: LayerUnpacker, layer: Descriptor, diff_id: Digest, opening: Opening | None
    ) -> None:
        kind = "encrypted layer" if opening else "layer"
        self._report(f"{kind} {layer.digest}, {layer.size} bytes")
        try:
            reader = LayerReader(layer, diff_id, opening, writer)
            async with aclosing(self._source.blob(layer)) as pieces:
                async for piece in pieces:
                    reader.feed(piece)
            reader.finish()
            writer.finish()
        finally:
            writer.close()

    def _make_staging(self, needed: int) -> None:
        parent = self._target.parent
        try:
            parent.mkdir(parents=True, exist_ok=True)
            there = os.statvfs(parent)
            free = there.f_bavail * there.f_frsize
            self._staging.mkdir()
            self._staging.chmod(0o755)  # whatever the umask is
        except OSError as error:
            raise HostError(str(parent), got=error.strerror, want="a folder to write to") from error
        if needed > free:
            self._staging.rmdir()
            raise HostError(
                str(parent),
                got=f"{free} bytes free",
                want=f"at least {needed}, the packed size of the image",
                remedy="Free space or give a larger disk.",
            )


def require_new(target: Path) -> None:
    """Raise InputError if ``target`` exists."""
    if os.path.lexists(target):
        raise InputError(str(target), got="something there", want="a folder that does not exist")
