"""Where images come from: one narrow protocol, and what every source's answers must prove."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Protocol

import msgspec

from casemate.crypto.digest import Digest, sha256
from casemate.errors import InputError, PeerError, Refusal, VerificationError
from casemate.oci.manifest import (
    LARGEST,
    Descriptor,
    ImageConfig,
    Index,
    Manifest,
    choose,
    parse_config,
    parse_document,
)


class NotFoundError(PeerError):
    """The source answers, and does not have it."""


class Document(msgspec.Struct, frozen=True):
    """A manifest or index as it came, and the media type the source gave it."""

    raw: bytes
    media_type: str


class Source(Protocol):
    """One repository to read images from; NotFoundError when it does not have what is asked."""

    async def document(self, wanted: str) -> Document:
        """Fetch a manifest or index by tag or digest text."""
        ...

    def blob(self, descriptor: Descriptor) -> AsyncGenerator[bytes, None]:
        """Stream a blob, unverified, in pieces of at most 256 KiB."""
        ...


class Image(msgspec.Struct, frozen=True):
    """An image whose manifest and config have the digests they must have."""

    digest: Digest
    """Digest of the image's own manifest."""
    index_digest: Digest | None
    """Digest of the index that led to it, if one did."""
    manifest: Manifest
    config: ImageConfig
    raw_manifest: bytes
    raw_config: bytes

    @property
    def layers(self) -> tuple[tuple[Descriptor, Digest], ...]:
        """Each layer with its diff_id, lowest first."""
        ids = (Digest.parse(text) for text in self.config.rootfs.diff_ids)
        return tuple(zip(self.manifest.layers, ids, strict=True))


async def resolve(
    source: Source, wanted: str, digest: Digest | None, *, architecture: str = "amd64"
) -> Image:
    """Fetch an image's manifest and config; of an index, the entry for linux/``architecture``.

    Raises:
        VerificationError: a document does not have the digest that names it, or the config does
            not have one diff_id for each layer.
        PeerError: a document is not of the format.
    """
    found = await source.document(wanted)
    if digest:
        _require(f"manifest {wanted}", digest, found.raw)
    parsed = parse_document(found.raw, found.media_type)
    index_digest = None
    if isinstance(parsed, Index):
        index_digest = _digest_like(digest, found.raw)
        entry = choose(parsed, architecture=architecture)
        found = await source.document(entry.digest)
        _require(f"manifest {entry.digest}", entry.content, found.raw)
        parsed = parse_document(found.raw, found.media_type)
        digest = entry.content
    if isinstance(parsed, Index):
        raise PeerError("image index", got="an index in an index", want="a manifest")
    raw_config = await read_blob(source, parsed.config)
    config = parse_config(raw_config)
    _require_layers(parsed, config)
    return Image(
        digest=_digest_like(digest, found.raw),
        index_digest=index_digest,
        manifest=parsed,
        config=config,
        raw_manifest=found.raw,
        raw_config=raw_config,
    )


async def read_blob(source: Source, descriptor: Descriptor, largest: int = LARGEST) -> bytes:
    """Fetch a small blob whole, at most ``largest`` bytes.

    Raises:
        VerificationError: it does not have the descriptor's size and digest.
    """
    data = bytearray()
    async with aclosing(source.blob(descriptor)) as chunks:
        async for chunk in chunks:
            data += chunk
            if len(data) > min(descriptor.size, largest):
                break
    if len(data) != descriptor.size or len(data) > largest:
        want = f"{min(descriptor.size, largest)} bytes"
        raise _mismatch(f"size of {descriptor.digest}", f"{len(data)} bytes or more", want)
    _require(f"blob {descriptor.digest}", descriptor.content, bytes(data))
    return bytes(data)


def require_stated(raw: bytes, stated: str | None, what: str) -> None:
    """Compare a document with the digest its registry states, if it states one.

    Raises:
        VerificationError: they differ.
        PeerError: what it states is no digest.
    """
    if stated is None:
        return
    try:
        expected = Digest.parse(stated)
    except InputError as error:
        raise PeerError(f"digest of {what}", got=stated, want=error.want) from error
    _require(what, expected, raw)


def _digest_like(digest: Digest | None, raw: bytes) -> Digest:
    return Digest.of(raw, digest.algorithm) if digest else sha256(raw)


def _require(what: str, expected: Digest, raw: bytes) -> None:
    got = Digest.of(raw, expected.algorithm)
    if not expected.matches(got.value):
        raise _mismatch(f"digest of {what}", str(got), str(expected))


def _require_layers(manifest: Manifest, config: ImageConfig) -> None:
    layers, ids = len(manifest.layers), len(config.rootfs.diff_ids)
    if layers != ids:
        raise _mismatch(
            "diff_ids of the config", f"{ids} for {layers} layers", "one for each layer"
        )


def _mismatch(claim: str, got: str, expected: str) -> VerificationError:
    return VerificationError(
        Refusal(
            step="pull",
            claim=claim,
            got=got,
            expected=expected,
            rule="OCI content digest",
            remedy="The bytes are not those that were asked for: push the image again.",
        )
    )
