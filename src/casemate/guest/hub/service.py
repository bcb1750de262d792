"""The data hub's ttrpc services (guest-components §3, §8)."""

from pathlib import Path

from casemate.guest import messages
from casemate.guest.hub.image_keys import ImageKeys
from casemate.guest.hub.mounting import SecureMount
from casemate.guest.hub.names import IMAGES, KEYS, MOUNTS, RESOURCES
from casemate.guest.hub.pulls import Pulls
from casemate.guest.hub.resources import Resources
from casemate.net.ttrpc import Services
from casemate.wire.pb import confidential_data_hub_pb2 as pb
from casemate.wire.pb import keyprovider_pb2
from casemate.wire.resource_uri import ResourceUri


class HubService:
    """Serves the hub's methods."""

    def __init__(
        self,
        resources: Resources,
        keys: ImageKeys,
        pulls: Pulls,
        secure_mount: SecureMount,
    ) -> None:
        self._resources = resources
        self._keys = keys
        self._pulls = pulls
        self._secure_mount = secure_mount

    def services(self) -> Services:
        """Give every service with its methods."""
        return {
            RESOURCES: {"GetResource": self.get_resource},
            IMAGES: {"PullImage": self.pull_image},
            MOUNTS: {"SecureMount": self.secure_mount},
            KEYS: {"UnWrapKey": self.unwrap_key},
        }

    async def get_resource(self, payload: bytes) -> bytes:
        request = messages.parse(pb.GetResourceRequest, payload)
        secret = await self._resources.get(ResourceUri.parse(request.ResourcePath))
        return pb.GetResourceResponse(Resource=secret.reveal()).SerializeToString()

    async def pull_image(self, payload: bytes) -> bytes:
        request = messages.parse(pb.ImagePullRequest, payload)
        digest = await self._pulls.pull(request.image_url, request.bundle_path)
        return pb.ImagePullResponse(manifest_digest=digest).SerializeToString()

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
