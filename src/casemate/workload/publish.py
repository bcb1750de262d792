"""Pushing an image from a layout to a registry, and signing what lies there."""

import base64
from collections.abc import AsyncIterator, Callable
from typing import Final

import msgspec

from casemate.crypto.digest import Digest, sha256
from casemate.crypto.keys import Kind, PrivateKey
from casemate.errors import InputError
from casemate.oci.layout import Layout
from casemate.oci.manifest import (
    OCI_CONFIG,
    OCI_INDEX,
    OCI_MANIFEST,
    Descriptor,
    ImageConfig,
    Index,
    Manifest,
    RootFs,
    describe,
    encode,
    parse_document,
)
from casemate.oci.mediatype import parse_layer
from casemate.oci.reference import Reference
from casemate.oci.registry import Registry
from casemate.oci.signature import cosign
from casemate.oci.source import Document, NotFoundError

_HASHES: Final = {Kind.P384: "sha384", Kind.P521: "sha512"}

Report = Callable[[str], None]


class Pushed(msgspec.Struct, frozen=True):
    """What was pushed."""

    reference: str
    digest: Digest
    layers_encrypted: int
    layers: int


async def push(
    layout: Layout, entry: Descriptor, registry: Registry, reference: Reference, report: Report
) -> Pushed:
    """Push one image under the tag of ``reference``; blobs that are there are not sent again.

    Raises:
        InputError: an index, or a reference without a tag.
        PeerError: the registry refuses, or a blob of the layout is missing.
    """
    document = await layout.document(entry.digest)
    manifest = parse_document(document.raw, entry.media_type)
    if not isinstance(manifest, Manifest):
        raise InputError(str(layout.folder), got="an index", want="a single image")
    if reference.tag is None:
        raise InputError("image reference", got=str(reference), want="a tag to push to")
    for blob in (manifest.config, *manifest.layers):
        await _push_blob(layout, blob, registry, report)
    media_type = manifest.media_type or OCI_MANIFEST
    await registry.put_document(reference.tag, Document(document.raw, media_type))
    kinds = [parse_layer(layer.media_type) for layer in manifest.layers]
    encrypted = sum(kind.encrypted for kind in kinds)
    return Pushed(str(reference), sha256(document.raw), encrypted, len(kinds))


async def sign(
    registry: Registry, reference: Reference, digest: Digest, key: PrivateKey
) -> Descriptor:
    """Sign an image that lies in the registry; earlier signatures stay beside the new one.

    Raises:
        PeerError: the registry refuses, or what it holds as signatures is not of the format.
    """
    payload = cosign.encode_payload(digest, reference.repository)
    signature = key.sign_der(payload, _HASHES.get(key.kind, "sha256"))
    described = describe(payload, cosign.PAYLOAD_TYPE)
    text = base64.b64encode(signature).decode()
    layer = msgspec.structs.replace(described, annotations={cosign.SIGNATURE: text})
    layers = (*await _signatures(registry, digest), layer)
    config = encode(ImageConfig(rootfs=RootFs(tuple(one.digest for one in layers)), os=""))
    await registry.put_blob(layer, lambda: _once(payload))
    await registry.put_blob(describe(config, OCI_CONFIG), lambda: _once(config))
    manifest = Manifest(
        schema_version=2,
        media_type=OCI_MANIFEST,
        config=describe(config, OCI_CONFIG),
        layers=layers,
    )
    raw = encode(manifest)
    await registry.put_document(cosign.tag(digest), Document(raw, OCI_MANIFEST))
    return describe(raw, OCI_MANIFEST)


async def _signatures(registry: Registry, digest: Digest) -> tuple[Descriptor, ...]:
    try:
        document = await registry.document(cosign.tag(digest))
    except NotFoundError:
        return ()
    manifest = parse_document(document.raw, document.media_type)
    if isinstance(manifest, Index):
        raise InputError(cosign.tag(digest), got=OCI_INDEX, want="a manifest of signatures")
    return manifest.layers


async def _push_blob(layout: Layout, blob: Descriptor, registry: Registry, report: Report) -> None:
    if await registry.has_blob(blob):
        report(f"{blob.digest} is there")
        return
    report(f"{blob.digest}, {blob.size} bytes")
    await registry.put_blob(blob, lambda: layout.blob(blob))


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data
