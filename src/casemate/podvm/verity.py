"""dm-verity's hash tree over a disk (Linux, Documentation/admin-guide/device-mapper/verity.rst).

Format 1, no superblock: each block of 4096 bytes is hashed with the salt before it; digests fill
blocks, which are hashed in turn until one digest is left, the root. On disk the level nearest the
root comes first.

The hash is BLAKE2b with 32 bytes (RFC 7693). It is as strong as SHA-256 and does its arithmetic on
64 bits: where no instruction helps, as under emulation, it takes less than half the time for every
byte that a pod reads from its root (docs/decisions/0006-verity-hash.md).
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

BLOCK: Final = 4096
"""Block size of data and tree, in bytes."""
ALGORITHM: Final = "blake2b-256"
"""The hash as the kernel's crypto layer names it; the initrd's program names it too."""
SALT: Final = bytes(32)
"""Fixed, so that the same tree has the same root hash. A salt only guards against tables made
beforehand, which find no second preimage of a hash this long either."""
_DIGEST: Final = 32

Hash = Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True)
class HashTree:
    """A finished tree: its root, and the blocks that go behind the data."""

    root: bytes
    blocks: bytes


def blake2b(data: bytes) -> bytes:
    """Hash with BLAKE2b-256."""
    return hashlib.blake2b(data, digest_size=_DIGEST).digest()


def tree(data: bytes, *, salt: bytes = SALT, hash_of: Hash = blake2b) -> HashTree:
    """Make the tree over ``data``, a whole number of blocks, at least one."""
    digests = list(map(partial(_salted, salt, hash_of), _blocks(data)))
    levels: list[bytes] = []
    while len(digests) > 1:
        level = _filled(digests)
        levels.insert(0, level)
        digests = list(map(partial(_salted, salt, hash_of), _blocks(level)))
    return HashTree(digests[0], b"".join(levels))


def _salted(salt: bytes, hash_of: Hash, block: bytes) -> bytes:
    return hash_of(salt + block)


def _blocks(data: bytes) -> Iterable[bytes]:
    return (data[at : at + BLOCK] for at in range(0, len(data), BLOCK))


def _filled(digests: Sequence[bytes]) -> bytes:
    level = b"".join(digests)
    return level + bytes(-len(level) % BLOCK)
