"""Media types of layers: how packed, and whether encrypted (guest-components section 13.3)."""

from enum import StrEnum
from typing import Final

import msgspec

from casemate.errors import PeerError

ENCRYPTED: Final = "+encrypted"
OCI_TAR: Final = "application/vnd.oci.image.layer.v1.tar"


class Packing(StrEnum):
    """How a layer's tar is compressed."""

    PLAIN = ""
    GZIP = "gzip"
    ZSTD = "zstd"


class LayerKind(msgspec.Struct, frozen=True):
    """What a layer's media type says."""

    packing: Packing
    encrypted: bool


_NONDISTRIBUTABLE: Final = "application/vnd.oci.image.layer.nondistributable.v1.tar"
_DOCKER: Final = "application/vnd.docker.image.rootfs.diff.tar"
_PLAIN: Final = {
    **dict.fromkeys((OCI_TAR, _NONDISTRIBUTABLE, _DOCKER), Packing.PLAIN),
    **{f"{name}+gzip": Packing.GZIP for name in (OCI_TAR, _NONDISTRIBUTABLE)},
    **{f"{name}+zstd": Packing.ZSTD for name in (OCI_TAR, _NONDISTRIBUTABLE)},
    f"{_DOCKER}.gzip": Packing.GZIP,
    f"{_DOCKER}.zstd": Packing.ZSTD,
}


def parse_layer(media_type: str) -> LayerKind:
    """Read a layer's media type.

    Raises:
        PeerError: not a file-system layer we know.
    """
    plain = media_type.removesuffix(ENCRYPTED)
    if plain not in _PLAIN:
        raise PeerError("layer media type", got=media_type, want="a tar, plain, gzip or zstd")
    return LayerKind(_PLAIN[plain], media_type != plain)
