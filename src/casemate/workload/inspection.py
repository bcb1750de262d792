"""What an image is, told before anybody runs it: layers, what is encrypted, who can open it."""

import msgspec

from casemate.oci.encryption.packet import packets_of
from casemate.oci.manifest import Descriptor
from casemate.oci.mediatype import parse_layer
from casemate.oci.source import Image


class LayerFacts(msgspec.Struct, frozen=True):
    """One layer."""

    digest: str
    size: int
    packing: str
    encrypted: bool
    key_ids: tuple[str, ...]
    """Names of the keys that unwrap it."""


class ImageFacts(msgspec.Struct, frozen=True):
    """One image."""

    digest: str
    platform: str
    arguments: tuple[str, ...]
    layers: tuple[LayerFacts, ...]
    signatures: int
    """How many signatures lie beside it, verified by nobody here."""

    @property
    def encrypted(self) -> int:
        """Number of encrypted layers."""
        return sum(layer.encrypted for layer in self.layers)


def describe(image: Image, signatures: int) -> ImageFacts:
    """Tell an image's facts.

    Raises:
        PeerError: a layer of a kind we do not know, or a key packet that is not as specified.
    """
    return ImageFacts(
        digest=str(image.digest),
        platform=f"{image.config.os}/{image.config.architecture}",
        arguments=image.config.arguments,
        layers=tuple(_layer(layer) for layer in image.manifest.layers),
        signatures=signatures,
    )


def _layer(layer: Descriptor) -> LayerFacts:
    kind = parse_layer(layer.media_type)
    keys = tuple(packet.kid for packet in packets_of(layer)) if kind.encrypted else ()
    return LayerFacts(layer.digest, layer.size, kind.packing or "tar", kind.encrypted, keys)
