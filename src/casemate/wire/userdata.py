"""User data of a pod VM: what the adaptor hands to a machine it does not trust yet.

The document is upstream's: a ``#cloud-config`` whose ``write_files`` entries carry path and content
(runtime.md §8.1). JSON is YAML, so we write it as JSON and the guest needs no YAML library. On a
local VM it travels as a disk, framed like upstream's initdata disk (runtime.md §11): 8 bytes magic,
u64 little endian length, gzip, zero padding to a whole sector.

Everything here is readable by the host and by whoever runs the cloud: nothing secret to the owner
may enter it, and nothing in it may be trusted before it is measured.
"""

import zlib
from collections.abc import Mapping
from typing import Final

import msgspec

from casemate.errors import MALFORMED_JSON, InputError, PeerError

MAGIC: Final = b"userdata"
APF: Final = "/run/peerpod/apf.json"
AUTH: Final = "/run/peerpod/auth.json"
INITDATA: Final = "/run/peerpod/initdata"
SCRATCH_SPACE: Final = "/run/peerpod/scratch-space.marker"
HONOURED: Final = frozenset(
    {APF, AUTH, INITDATA, SCRATCH_SPACE, "/run/peerpod/aa.toml", "/run/peerpod/cdh.toml"}
)
"""The only files which the guest writes; anything else in a document is ignored (§8.1)."""

_HEADER: Final = b"#cloud-config\n"
_SECTOR: Final = 512
_LARGEST_PACKED: Final = 1 << 20  # bytes, compressed
_LARGEST: Final = 8 << 20  # bytes, unpacked
_MOST_FILES: Final = 64


class _File(msgspec.Struct, frozen=True):
    path: str
    content: str = ""


class _Document(msgspec.Struct, frozen=True):
    write_files: list[_File]


def encode(files: Mapping[str, bytes]) -> bytes:
    """Make the disk: ``files`` maps absolute guest paths to their UTF-8 content.

    Raises:
        InputError: a path the guest would ignore, content that is no text, or too much of it.
    """
    if strange := sorted(set(files) - HONOURED):
        raise InputError("user data", got=strange[0], want=f"one of {', '.join(sorted(HONOURED))}")
    try:
        entries = [_File(path, content.decode()) for path, content in sorted(files.items())]
    except UnicodeDecodeError as error:
        raise InputError("user data", got="content that is no text", want="UTF-8") from error
    document = _HEADER + msgspec.json.encode(_Document(entries))
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    packed = packer.compress(document) + packer.flush()
    if len(document) > _LARGEST or len(packed) > _LARGEST_PACKED:
        raise InputError("user data", got=f"{len(packed)} bytes packed", want="at most 1 MiB")
    disk = MAGIC + len(packed).to_bytes(8, "little") + packed
    return disk + bytes(-len(disk) % _SECTOR)


def parse(disk: bytes) -> Mapping[str, bytes]:
    """Read the files the guest honours out of a user-data disk; others are dropped.

    Raises:
        PeerError: not our disk, or larger than 1 MiB packed or 8 MiB unpacked.
    """
    if disk[:8] != MAGIC:
        raise PeerError("user data", got=disk[:8], want=f"magic {MAGIC.decode()}")
    length = int.from_bytes(disk[8:16], "little")
    if len(disk) < 16 or length > min(_LARGEST_PACKED, len(disk) - 16):
        raise PeerError("user data", got=f"length {length}", want="a length within the disk, 1 MiB")
    return parse_document(_unpack(disk[16 : 16 + length]))


def parse_document(text: bytes) -> Mapping[str, bytes]:
    """Read the honoured files out of the ``#cloud-config`` document itself.

    Raises:
        PeerError: no such document, a path twice, or more than 64 files.
    """
    if not text.startswith(_HEADER):
        raise PeerError("user data", got=text[:16], want="#cloud-config", spec="runtime.md §8.1")
    try:
        document = msgspec.json.decode(text[len(_HEADER) :], type=_Document)
    except MALFORMED_JSON as error:
        raise PeerError("user data", got=error, want="write_files with path, content") from error
    paths = [file.path for file in document.write_files]
    if len(paths) > _MOST_FILES or len(set(paths)) != len(paths):
        raise PeerError("user data", got=f"{len(paths)} files", want="at most 64, each path once")
    return {f.path: f.content.encode() for f in document.write_files if f.path in HONOURED}


def _unpack(packed: bytes) -> bytes:
    inflater = zlib.decompressobj(31)
    try:
        text = inflater.decompress(packed, _LARGEST)
    except zlib.error as error:
        raise PeerError("user data", got=error, want="gzip") from error
    if not inflater.eof:
        raise PeerError("user data", got="a longer or broken stream", want="at most 8 MiB of gzip")
    return text
