"""Layers made on the spot: the same files always give the same bytes."""

import io
import tarfile
import zlib
from collections.abc import Sequence
from typing import Final

import msgspec

from casemate.crypto.digest import Digest, sha256
from casemate.oci.mediatype import OCI_TAR

GZIP: Final = f"{OCI_TAR}+gzip"


class File(msgspec.Struct, frozen=True, kw_only=True):
    """A file, folder (no content) or symbolic link of a layer, owned by root."""

    path: str
    content: bytes | None = None
    mode: int = 0o755
    target: str | None = None


class PackedLayer(msgspec.Struct, frozen=True):
    """A layer as a blob, and the digest of its tar."""

    blob: bytes
    diff_id: Digest


def pack(files: Sequence[File]) -> PackedLayer:
    """Make a gzip layer; times are the epoch, order is the caller's."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for file in files:
            info = tarfile.TarInfo(file.path)
            info.mode = file.mode
            if file.target is not None:
                info.type, info.linkname = tarfile.SYMTYPE, file.target
            elif file.content is None:
                info.type = tarfile.DIRTYPE
            else:
                info.size = len(file.content)
            archive.addfile(info, io.BytesIO(file.content or b""))
    tar = buffer.getvalue()
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return PackedLayer(packer.compress(tar) + packer.flush(), sha256(tar))
