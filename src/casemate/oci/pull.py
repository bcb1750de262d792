"""A pull: resolve, judge the signature, ask for keys, then one pass over each layer.

The order is the promise: nothing of a layer is fetched before the policy accepted the image, no
key is asked for before that, and the folder appears under its name only when size, digest, HMAC
and diff_id of every layer were right. Guest-components section 13.2.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from casemate.crypto.digest import Digest
from casemate.errors import CasemateError, PeerError, VerificationError
from casemate.net.http import HttpClient
from casemate.oci.credentials import Credentials
from casemate.oci.encryption.options import parse_private, public_of
from casemate.oci.encryption.packet import AnnotationPacket, packets_of
from casemate.oci.layer import Opening
from casemate.oci.manifest import Descriptor, ImageConfig
from casemate.oci.mediatype import parse_layer
from casemate.oci.reference import Reference
from casemate.oci.registry import Registry
from casemate.oci.rootfs import RootfsWriter, require_new
from casemate.oci.rules import NONE, RegistryRules
from casemate.oci.signature.judgement import Judgement, ReadKey
from casemate.oci.signature.policy import Policy
from casemate.oci.source import Image, Source, resolve
from casemate.oci.unpack import Limits
from casemate.secret import Secret

UnwrapKey = Callable[[AnnotationPacket], Awaitable[Secret]]
"""Gives the private options JSON that a key packet holds."""
Judge = Callable[[Image], Awaitable[tuple[str, ...]]]
"""Accepts an image and says who signed it, or raises VerificationError."""

Report = Callable[[str], None]
"""Is told in a few words what goes on."""


def _say_nothing(_: str) -> None: ...


class PulledLayer(msgspec.Struct, frozen=True):
    """What became of one layer."""

    digest: str
    size: int
    encrypted: bool


class Guards(msgspec.Struct, frozen=True):
    """Whose word a pull takes: the policy, its keys, and who unwraps layer keys."""

    policy: Policy
    read_key: ReadKey
    unwrap_key: UnwrapKey


class PulledImage(msgspec.Struct, frozen=True):
    """An image whose every byte was verified; only a pull makes one."""

    reference: str
    manifest_digest: Digest
    config: ImageConfig
    layers: tuple[PulledLayer, ...]
    signed_by: tuple[str, ...]
    """Which requirements of the policy accepted it, in words; empty for an unjudged image."""
    rootfs: Path


async def pull(
    reference: Reference,
    *,
    http: HttpClient,
    guards: Guards,
    target: Path,
    rules: RegistryRules = NONE,
    credentials: Credentials | None = None,
    devices: bool = True,
    report: Report = _say_nothing,
) -> PulledImage:
    """Pull an image from where the rules say, each place in order until one gives it.

    Args and errors: as ``pull_from``; of several places that fail, a refusal outweighs an
    absence, and the last one is told.
    """
    failures: list[CasemateError] = []
    for task in rules.tasks(reference):
        source = Registry(http, task.reference, credentials=credentials, plain_http=task.plain_http)
        judge = Judgement(
            guards.policy, reference, source=source, read_key=guards.read_key, task=task.reference
        )
        try:
            return await pull_from(
                source,
                reference,
                judge=judge,
                unwrap_key=guards.unwrap_key,
                target=target,
                devices=devices,
                report=report,
            )
        except (PeerError, VerificationError) as error:
            report(f"{task.reference}: {error.where}")
            failures.append(error)
    refusals = [error for error in failures if isinstance(error, VerificationError)]
    raise (refusals or failures)[-1]


async def pull_from(
    source: Source,
    reference: Reference,
    *,
    judge: Judge,
    unwrap_key: UnwrapKey,
    target: Path,
    devices: bool = True,
    limits: Limits | None = None,
    report: Report = _say_nothing,
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
    require_new(target)
    image = await resolve(source, reference.wanted, reference.digest)
    report(f"manifest {image.digest}")
    signed_by = await judge(image)
    report("policy accepts: " + ("; ".join(signed_by) or "anything"))
    openings = [await open_layer(layer, unwrap_key) for layer, _ in image.layers]
    writer = RootfsWriter(source, target, devices=devices, limits=limits or Limits(), report=report)
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
