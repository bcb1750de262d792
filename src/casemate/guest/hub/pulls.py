"""Images in bundles: one pull at a time for each, whoever asks for it."""

import asyncio
from pathlib import Path
from typing import Any, Final

from casemate.errors import InputError
from casemate.guest.hub.images import Images

_BUNDLES: Final = Path("/run/kata-containers")


class Pulls:
    """Pulls into bundles and forgets them.

    Args:
        bundles: the folder that every bundle of a pull lies in.
    """

    def __init__(self, images: Images, *, bundles: Path = _BUNDLES) -> None:
        self._images = images
        self._bundles = bundles
        self._pulling: dict[Path, asyncio.Task[Any]] = {}

    async def pull(self, image: str, path: str) -> str:
        """Pull an image into the bundle at ``path``; gives the digest of its manifest.

        Raises:
            InputError: not a bundle's path, or one that is being filled.
            CasemateError: what ``Images.pull`` raises.
        """
        bundle = self._bundle(path)
        if bundle in self._pulling:
            raise InputError("bundle_path", got=str(bundle), want="a bundle that nobody fills")
        task = asyncio.current_task()
        assert task is not None, "a call runs as a task"
        self._pulling[bundle] = task
        try:
            pulled = await self._images.pull(image, bundle)
        finally:
            del self._pulling[bundle]
        return str(pulled.manifest_digest)

    async def drop(self, path: str) -> None:
        """Delete the tree of a bundle; a pull that still fills it ends first.

        Raises:
            InputError: not a bundle's path.
        """
        bundle = self._bundle(path)
        if (pull := self._pulling.get(bundle)) is not None:
            pull.cancel()  # whoever asked for it has given up
            await asyncio.wait({pull})
        self._images.drop(bundle)

    def _bundle(self, path: str) -> Path:
        """Only a folder directly below ``bundles``: a caller names a container, not a place."""
        bundle = Path(path)
        if bundle.parent != self._bundles or bundle.name in {"", ".", ".."} or "\0" in path:
            raise InputError("bundle_path", got=path, want=f"{self._bundles}/<container>")
        return bundle
