"""The data hub's ttrpc services (guest-components §3, §8)."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

from casemate.errors import InputError
from casemate.guest import messages
from casemate.guest.hub.image_keys import ImageKeys
from casemate.guest.hub.images import Images
from casemate.guest.hub.names import IMAGES, KEYS, MOUNTS, RESOURCES, TREES
from casemate.guest.hub.resources import Resources
from casemate.net.ttrpc import Services
from casemate.wire.pb import confidential_data_hub_pb2 as pb
from casemate.wire.pb import keyprovider_pb2
from casemate.wire.resource_uri import ResourceUri

_BUNDLES: Final = Path("/run/kata-containers")

SecureMount: TypeAlias = Callable[[str, Mapping[str, str], Sequence[str], Path], Awaitable[None]]
"""Mounts a volume: type, options, flags, mount point."""


class HubService:
    """Serves the hub's methods.

    Args:
        bundles: the folder that every bundle of a pull lies in.
    """

    def __init__(
        self,
        resources: Resources,
        keys: ImageKeys,
        images: Images,
        secure_mount: SecureMount,
        *,
        bundles: Path = _BUNDLES,
    ) -> None:
        self._resources = resources
        self._keys = keys
        self._images = images
        self._secure_mount = secure_mount
        self._bundles = bundles
        self._pulling: dict[Path, asyncio.Task[Any]] = {}

    def services(self) -> Services:
        """Give every service with its methods."""
        return {
            RESOURCES: {"GetResource": self.get_resource},
            IMAGES: {"PullImage": self.pull_image},
            MOUNTS: {"SecureMount": self.secure_mount},
            KEYS: {"UnWrapKey": self.unwrap_key},
        }

    def services_of_agent(self) -> Services:
        """Give what the agent of the same guest may ask, over a channel of its own."""
        return {
            IMAGES: {"PullImage": self.pull_image},
            TREES: {"DropImage": self.drop_image},
        }

    async def get_resource(self, payload: bytes) -> bytes:
        request = messages.parse(pb.GetResourceRequest, payload)
        secret = await self._resources.get(ResourceUri.parse(request.ResourcePath))
        return pb.GetResourceResponse(Resource=secret.reveal()).SerializeToString()

    async def pull_image(self, payload: bytes) -> bytes:
        request = messages.parse(pb.ImagePullRequest, payload)
        bundle = self._bundle(request.bundle_path)
        if bundle in self._pulling:
            raise InputError("bundle_path", got=str(bundle), want="a bundle that nobody fills")
        task = asyncio.current_task()
        assert task is not None, "a call runs as a task"
        self._pulling[bundle] = task
        try:
            image = await self._images.pull(request.image_url, bundle)
        finally:
            del self._pulling[bundle]
        digest = str(image.manifest_digest)
        return pb.ImagePullResponse(manifest_digest=digest).SerializeToString()

    async def drop_image(self, payload: bytes) -> bytes:
        request = messages.parse(pb.ImagePullRequest, payload)
        bundle = self._bundle(request.bundle_path)
        if (pull := self._pulling.get(bundle)) is not None:
            pull.cancel()  # whoever asked for it has given up
            await asyncio.wait({pull})
        self._images.drop(bundle)
        return b""

    async def secure_mount(self, payload: bytes) -> bytes:
        request = messages.parse(pb.SecureMountRequest, payload)
        await self._secure_mount(
            request.volume_type,
            dict(request.options),
            tuple(request.flags),
            Path(request.mount_point),
        )
        return pb.SecureMountResponse().SerializeToString()

    async def unwrap_key(self, payload: bytes) -> bytes:
        request = messages.parse(keyprovider_pb2.KeyProviderKeyWrapProtocolInput, payload)
        answer = await self._keys.answer(request.KeyProviderKeyWrapProtocolInput)
        return keyprovider_pb2.KeyProviderKeyWrapProtocolOutput(
            KeyProviderKeyWrapProtocolOutput=answer
        ).SerializeToString()

    def _bundle(self, path: str) -> Path:
        """Only a folder directly below ``bundles``: a caller names a container, not a place."""
        bundle = Path(path)
        if bundle.parent != self._bundles or bundle.name in {"", ".", ".."} or "\0" in path:
            raise InputError("bundle_path", got=path, want=f"{self._bundles}/<container>")
        return bundle
