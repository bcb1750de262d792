"""The data hub as the agent asks it: images pulled by the vault, and forgotten there."""

from pathlib import Path
from typing import Self

from casemate.guest.hub import names
from casemate.net.ttrpc import Client
from casemate.net.unix import Channel
from casemate.wire.pb import confidential_data_hub_pb2 as pb


class HubClient:
    """One connection. A refusal in the vault is the same refusal here."""

    def __init__(self, client: Client) -> None:
        self._client = client

    @classmethod
    async def connect(cls, channel: Channel) -> Self:
        """Take over our end of the pair."""
        return cls(await Client.on_channel(channel))

    async def pull(self, image: str, bundle: Path) -> None:
        """Pull an image; its tree appears at ``bundle/rootfs``, its process in ``config.json``.

        Raises:
            VerificationError: signature, digest, or a key that is refused.
            TtrpcError: any other failure.
        """
        await self._call(names.IMAGES, "PullImage", image, bundle)

    async def drop(self, bundle: Path) -> None:
        """Delete the tree of a bundle whose container, with all mounts, is gone."""
        await self._call(names.TREES, "DropImage", "", bundle)

    async def close(self) -> None:
        """End the connection; pulls that are open fail here."""
        await self._client.close()

    async def _call(self, service: str, method: str, image: str, bundle: Path) -> None:
        request = pb.ImagePullRequest(image_url=image, bundle_path=str(bundle))
        await self._client.call(service, method, request.SerializeToString())
