"""A pull: resolve, judge the signature, ask for keys, then one pass over each layer.

The order is the promise: nothing of a layer is fetched before the policy accepted the image, no
key is asked for before that, and the folder appears under its name only when size, digest, HMAC
and diff_id of every layer were right. Guest-components section 13.2.
"""

import os
import secrets
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import msgspec

from casemate.crypto.digest import Digest
from casemate.errors import CasemateError, HostError, InputError, PeerError
from casemate.oci.encryption.options import parse_private, public_of
from casemate.oci.encryption.packet import AnnotationPacket, packets_of
from casemate.oci.layer import LayerReader, Opening
from casemate.oci.manifest import Descriptor, ImageConfig
from casemate.oci.mediatype import parse_layer
from casemate.oci.reference import Reference
from casemate.oci.source import Image, Source, resolve
from casemate.oci.tree import Tree
from casemate.oci.unpack import LayerUnpacker, Limits
from casemate.secret import Secret

UnwrapKey = Callable[[AnnotationPacket], Awaitable[Secret]]
"""Gives the private options JSON that a key packet holds."""
Judge = Callable[[Image], Awaitable[tuple[str, ...]]]
"""Accepts an image and says who signed it, or raises VerificationError."""

_HIDDEN: Final = ".pull-"


class PulledLayer(msgspec.Struct, frozen=True):
    """What became of one layer."""

    digest: str
    size: int
    encrypted: bool


class PulledImage(msgspec.Struct, frozen=True):
    """An image whose every byte was verified; only ``unpack_image`` makes one."""

    reference: str
    manifest_digest: Digest
    config: ImageConfig
    layers: tuple[PulledLayer, ...]
    signed_by: tuple[str, ...]
    """Which requirements of the policy accepted it, in words; empty for an unjudged image."""
    rootfs: Path


async def pull_from(
    source: Source,
    reference: Reference,
    *,
    judge: Judge,
    unwrap_key: UnwrapKey,
    target: Path,
    devices: bool = True,
    limits: Limits | None = None,
    report: Callable[[str], None] = lambda _: None,
) -> PulledImage:
    """Pull an image from one source into ``target``, which must not exist.

    Layers are merged into one tree beside ``target`` (same file system) and renamed at the end.
    ``report`` is told in a few words what goes on.

    Raises:
        InputError: ``target`` exists.
        VerificationError: policy, signature, digest, HMAC or diff_id.
        PeerError: the source cannot be reached, or the image breaks its format.
        HostError: no space, or no right to write.
    """
    _require_new(target)
    image = await resolve(source, reference.wanted, reference.digest)
    report(f"manifest {image.digest}")
    signed_by = await judge(image)
    report("policy accepts: " + ("; ".join(signed_by) or "anything"))
    openings = [await open_layer(layer, unwrap_key) for layer, _ in image.layers]
    writer = _Writer(source, target, devices=devices, limits=limits or Limits(), report=report)
    await writer.write(image, openings)
    layers = tuple(
        PulledLayer(layer.digest, layer.size, opening is not None)
        for layer, opening in zip(image.manifest.layers, openings, strict=True)
    )
    return PulledImage(str(reference), image.digest, image.config, layers, signed_by, target)


async def open_layer(layer: Descriptor, unwrap_key: UnwrapKey) -> Opening | None:
    """Get the key of an encrypted layer; None for a plain one.

    Packets are tried in order, the first that opens wins.

    Raises:
        PeerError: encrypted without a packet we know.
        CasemateError: what the last packet's ``unwrap_key`` raised.
    """
    if not parse_layer(layer.media_type).encrypted:
        return None
    public, packets = public_of(layer), packets_of(layer)
    failure: CasemateError = PeerError(
        f"layer {layer.digest}", got="no key packet", want="keys of a key provider"
    )
    for packet in packets:
        try:
            return Opening(public, parse_private(await unwrap_key(packet)))
        except CasemateError as error:
            failure = error
    raise failure


class _Writer:
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
        self._staging = target.with_name(f"{_HIDDEN}{secrets.token_hex(8)}")
        self._devices = devices
        self._limits = limits
        self._report = report

    async def write(self, image: Image, openings: list[Opening | None]) -> None:
        self._make_staging(sum(layer.size for layer in image.manifest.layers))
        try:
            with Tree(self._staging) as tree:
                for (layer, diff_id), opening in zip(image.layers, openings, strict=True):
                    await self._unpack(tree, layer, diff_id, opening)
            _require_new(self._target)
            self._staging.rename(self._target)
        except BaseException:
            shutil.rmtree(self._staging, ignore_errors=True)
            raise

    async def _unpack(
        self, tree: Tree, layer: Descriptor, diff_id: Digest, opening: Opening | None
    ) -> None:
        kind = "encrypted layer" if opening else "layer"
        self._report(f"{kind} {layer.digest}, {layer.size} bytes")
        writer = LayerUnpacker(tree, devices=self._devices, limits=self._limits)
        try:
            reader = LayerReader(layer, diff_id, opening, writer)
            async for piece in self._source.blob(layer):
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
            self._staging.mkdir(mode=0o755)
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


def _require_new(target: Path) -> None:
    if os.path.lexists(target):
        raise InputError(str(target), got="something there", want="a folder that does not exist")
