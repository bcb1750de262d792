"""Unwrapping the keys of image layers (guest-components §11)."""

from collections.abc import Iterator
from contextlib import contextmanager

from casemate.errors import InputError, PeerError
from casemate.guest.hub.resources import Resources
from casemate.oci.encryption import packet as packets
from casemate.oci.encryption.packet import AnnotationPacket
from casemate.secret import Secret
from casemate.wire import key_provider
from casemate.wire.resource_uri import ResourceUri


class ImageKeys:
    """Opens annotation packets with keys of the key broker."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    @contextmanager
    def of_one_image(self) -> Iterator["ImageKeys"]:
        """Give keys that fetch each wrapping key once, and wipe them at the end of the block.

        All layers of an image are commonly wrapped with the same one.
        """
        kept = _Kept(self._resources)
        try:
            yield ImageKeys(kept)
        finally:
            kept.wipe()

    async def unwrap(self, packet: AnnotationPacket) -> Secret:
        """Give the private options that ``packet`` holds.

        Raises:
            PeerError: another provider than ``kbs``, a ``kid`` that is no resource URI, or a
                packet that cannot be opened.
            VerificationError: the broker refuses the key, or the key does not open the packet.
        """
        if packet.provider != packets.KBS:
            raise PeerError("key packet", got=f"provider {packet.provider}", want=packets.KBS)
        try:
            uri = ResourceUri.parse(packet.kid)
        except InputError as error:
            raise PeerError("key packet", got=f"kid {packet.kid}", want=error.want) from error
        return packets.unwrap(packet, await self._resources.get(uri))

    async def answer(self, question: bytes) -> bytes:
        """Answer a key provider's ``keyunwrap`` question.

        Raises:
            InputError: not such a question.
            PeerError, VerificationError: as ``unwrap``.
        """
        packet = packets.parse(key_provider.parse_unwrap(question))
        with self.of_one_image() as keys:
            return key_provider.encode_unwrapped(await keys.unwrap(packet))


class _Kept:
    """Resources kept for a while."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._kept: dict[ResourceUri, Secret] = {}

    async def get(self, uri: ResourceUri) -> Secret:
        if uri not in self._kept:
            self._kept[uri] = await self._resources.get(uri)
        return self._kept[uri]

    def wipe(self) -> None:
        for secret in self._kept.values():
            secret.wipe()
        self._kept.clear()
