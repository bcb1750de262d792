"""Manifests, indexes and configs of images, parsed strictly where it matters (OCI image-spec).

Members we do not know are kept by keeping the raw bytes: a digest is over those.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final, TypeVar

import msgspec

from casemate.crypto.digest import Digest, sha256
from casemate.errors import MALFORMED_JSON, InputError, PeerError

LARGEST: Final = 4 << 20
"""Largest manifest, index or config, in bytes (what registries accept)."""
MOST_LAYERS: Final = 512

OCI_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX: Final = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG: Final = "application/vnd.oci.image.config.v1+json"
DOCKER_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST: Final = "application/vnd.docker.distribution.manifest.list.v2+json"
ACCEPTED: Final = (OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST)
"""What a manifest request accepts, in the order we like it."""

_Texts = Annotated[dict[str, str], msgspec.Meta(max_length=1000)]
_Size = Annotated[int, msgspec.Meta(ge=0, le=1 << 62)]


class Platform(msgspec.Struct, frozen=True):
    """What a manifest of an index is for."""

    os: str = ""
    architecture: str = ""
    variant: str = ""


class Descriptor(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A pointer to a blob: media type, digest, and size in bytes."""

    media_type: str
    digest: str
    size: _Size
    annotations: _Texts | None = None
    platform: Platform | None = None

    @property
    def content(self) -> Digest:
        """The digest, parsed (``_descriptors`` made sure that it parses)."""
        return Digest.parse(self.digest)


class Manifest(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """An image manifest, OCI's or Docker's version 2."""

    schema_version: int
    media_type: str = ""
    config: Descriptor
    layers: Annotated[tuple[Descriptor, ...], msgspec.Meta(max_length=MOST_LAYERS)]
    annotations: _Texts | None = None


class Index(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """An image index, or Docker's manifest list."""

    schema_version: int
    media_type: str = ""
    manifests: Annotated[tuple[Descriptor, ...], msgspec.Meta(max_length=1000)]
    annotations: _Texts | None = None


class RootFs(msgspec.Struct, frozen=True):
    """Digests of the uncompressed layers, lowest first."""

    diff_ids: Annotated[tuple[str, ...], msgspec.Meta(max_length=MOST_LAYERS)]
    type: str = "layers"


class Process(msgspec.Struct, frozen=True, rename="pascal"):
    """What to run: the ``config`` member of an image config."""

    entrypoint: tuple[str, ...] | None = None
    cmd: tuple[str, ...] | None = None
    env: tuple[str, ...] | None = None
    working_dir: str = ""
    user: str = ""
    labels: _Texts | None = None
    stop_signal: str = ""


class ImageConfig(msgspec.Struct, frozen=True):
    """An image config: platform, process, layers."""

    rootfs: RootFs
    os: str = "linux"
    architecture: str = "amd64"
    config: Process | None = None

    @property
    def process(self) -> Process:
        """The process, empty if the image names none."""
        return self.config or Process()

    @property
    def arguments(self) -> tuple[str, ...]:
        """Entry point and command, joined."""
        return (self.process.entrypoint or ()) + (self.process.cmd or ())


_T = TypeVar("_T")


def parse_document(raw: bytes, media_type: str = "") -> Manifest | Index:
    """Read a manifest or an index; ``media_type`` is what the registry said it is.

    Raises:
        PeerError: larger than 4 MiB, not JSON, another kind of document, or a bad descriptor.
    """
    head = _decode(raw, dict[str, Any], "manifest")
    stated = head.get("mediaType") or media_type.partition(";")[0].strip()
    if head.get("schemaVersion") != 2:
        raise _wrong("manifest", head.get("schemaVersion"), "schemaVersion 2")
    if stated in {OCI_INDEX, DOCKER_LIST} or ("manifests" in head and "layers" not in head):
        index = _decode(raw, Index, "index")
        _require_descriptors(index.manifests)
        return index
    if "manifests" in head:
        raise _wrong("manifest", "both layers and manifests", "one of them")
    manifest = _decode(raw, Manifest, "manifest")
    _require_descriptors((manifest.config, *manifest.layers))
    return manifest


def parse_config(raw: bytes) -> ImageConfig:
    """Read an image config.

    Raises:
        PeerError: larger than 4 MiB, not JSON, or a member of the wrong kind.
    """
    config = _decode(raw, ImageConfig, "image config")
    for text in config.rootfs.diff_ids:
        _parse_digest(text)
    return config


def choose(index: Index, *, os: str = "linux", architecture: str = "amd64") -> Descriptor:
    """Give the entry of an index for a platform.

    Raises:
        PeerError: there is none; the message lists what there is.
    """
    for entry in index.manifests:
        platform = entry.platform
        if platform and (platform.os, platform.architecture) == (os, architecture):
            return entry
    if len(index.manifests) == 1 and index.manifests[0].platform is None:
        return index.manifests[0]
    there = ", ".join(
        f"{e.platform.os}/{e.platform.architecture}" for e in index.manifests if e.platform
    )
    raise _wrong("index", there or "no platforms", f"an image for {os}/{architecture}")


def encode(document: Manifest | Index | ImageConfig | Mapping[str, Any]) -> bytes:
    """Write a document as JSON, the same bytes each time."""
    return msgspec.json.encode(document)


def describe(raw: bytes, media_type: str) -> Descriptor:
    """Make the descriptor of ``raw``."""
    return Descriptor(media_type=media_type, digest=str(sha256(raw)), size=len(raw))


def _decode(raw: bytes, kind: type[_T], what: str) -> _T:
    if len(raw) > LARGEST:
        raise _wrong(what, f"{len(raw)} bytes", f"at most {LARGEST}")
    try:
        return msgspec.json.decode(raw, type=kind)
    except MALFORMED_JSON as error:
        raise _wrong(what, error, "a valid document") from error


def _require_descriptors(descriptors: tuple[Descriptor, ...]) -> None:
    for descriptor in descriptors:
        _parse_digest(descriptor.digest)


def _parse_digest(text: str) -> Digest:
    try:
        return Digest.parse(text)
    except InputError as error:
        raise _wrong("digest", text, error.want) from error


def _wrong(what: str, got: object, want: str) -> PeerError:
    return PeerError(what, got=got, want=want, spec="OCI image-spec")
