"""Encrypting layers: fresh keys, wrapped for the key broker (guest-components 16, 17)."""

import base64
import hashlib
import os
from collections.abc import Callable, Collection
from typing import Final

import msgspec

from casemate.crypto.cipher import COUNTER_SIZE, GCM_IV_SIZE, KEY_SIZE, CtrStream, HmacStream
from casemate.crypto.digest import Digest
from casemate.errors import InputError
from casemate.oci.encryption import packet
from casemate.oci.encryption.options import (
    PUBLIC_ANNOTATION,
    PrivateOptions,
    PublicOptions,
    encode_private,
    encode_public,
)
from casemate.oci.layout import Layout
from casemate.oci.manifest import (
    OCI_MANIFEST,
    Descriptor,
    Manifest,
    encode,
    parse_document,
)
from casemate.oci.mediatype import ENCRYPTED, parse_layer
from casemate.secret import Secret
from casemate.wire.resource_uri import ResourceUri

PROVIDER: Final = "attestation-agent"
"""The key provider's customary name; readers take any."""

Random = Callable[[int], bytes]


class WrappingKey(msgspec.Struct, frozen=True):
    """The key that wraps layer keys, and the KBS URI under which the broker keeps it."""

    uri: str
    key: Secret

    @classmethod
    def create(cls, uri: str, *, random: Random = os.urandom) -> "WrappingKey":
        """Make a fresh 32-byte key.

        Raises:
            InputError: ``uri`` is not a full KBS URI, which the guest's hub insists on.
        """
        ResourceUri.parse(uri)
        return cls(uri, Secret(random(KEY_SIZE)))


async def encrypt_image(
    source: Layout,
    entry: Descriptor,
    *,
    into: Layout,
    name: str,
    wrapping: WrappingKey,
    layers: Collection[int] | None = None,
    random: Random = os.urandom,
) -> Manifest:
    """Write the image ``entry`` into another layout with layers encrypted (None: all of them).

    Raises:
        InputError: a layer number that there is not, or a layer that is encrypted already.
    """
    manifest = parse_document((await source.document(entry.digest)).raw, entry.media_type)
    if not isinstance(manifest, Manifest):
        raise InputError(str(source.folder), got="an index", want="a single image")
    chosen = set(range(len(manifest.layers)) if layers is None else layers)
    if wrong := chosen - set(range(len(manifest.layers))):
        raise InputError("layer", got=min(wrong), want=f"0 to {len(manifest.layers) - 1}")
    made = []
    for number, layer in enumerate(manifest.layers):
        if number in chosen:
            made.append(await _encrypt_layer(source, layer, into, wrapping, random))
        else:
            made.append(await _copy(source, layer, into))
    await _copy(source, manifest.config, into)
    sealed = msgspec.structs.replace(manifest, layers=tuple(made), media_type=OCI_MANIFEST)
    into.add(into.put(encode(sealed), OCI_MANIFEST), name)
    return sealed


async def _encrypt_layer(
    source: Layout, layer: Descriptor, into: Layout, wrapping: WrappingKey, random: Random
) -> Descriptor:
    if parse_layer(layer.media_type).encrypted:
        raise InputError(f"layer {layer.digest}", got="an encrypted layer", want="a plain one")
    key, nonce = Secret(random(KEY_SIZE)), random(COUNTER_SIZE)
    stream, mac, plain = CtrStream(key, nonce), HmacStream(key), hashlib.sha256()
    with into.writer() as blob:
        async for piece in source.blob(layer):
            plain.update(piece)
            sealed = stream.update(piece)
            mac.update(sealed)
            blob.write(sealed)
    digest = Digest.parse(f"sha256:{plain.hexdigest()}")
    if digest != layer.content:
        raise InputError(f"layer {layer.digest}", got=digest, want="a blob of its own digest")
    private = encode_private(PrivateOptions(key, nonce, digest))
    wrapped = packet.wrap(private, kek=wrapping.key, kid=wrapping.uri, iv=random(GCM_IV_SIZE))
    annotations = {
        **(layer.annotations or {}),
        PUBLIC_ANNOTATION: encode_public(PublicOptions(mac.value())),
        packet.PROVIDER_ANNOTATION + PROVIDER: _base64(packet.encode(wrapped)),
    }
    return blob.descriptor(layer.media_type + ENCRYPTED, annotations=annotations)


async def _copy(source: Layout, descriptor: Descriptor, into: Layout) -> Descriptor:
    with into.writer() as blob:
        async for piece in source.blob(descriptor):
            blob.write(piece)
    if blob.digest != descriptor.content:
        raise InputError(f"blob {descriptor.digest}", got=blob.digest, want="its own digest")
    return descriptor


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
