"""The scratch disk: the host's sectors, encrypted and authenticated with a key that dies with us.

dm-integrity keeps a tag for each 4096-byte block, dm-crypt seals the block and its number into it.
A changed block is an I/O error. An old block put back in its old place is not noticed: the disk is
written once per pod, and what is read back is what this pod wrote.
"""

import os
import struct
from pathlib import Path
from typing import Final

import msgspec

from casemate.errors import HostError
from casemate.guest.storage import filesystem
from casemate.linux import block, device_mapper
from casemate.linux.device_mapper import Target
from casemate.secret import Secret

SERIAL: Final = "scratch"
"""Serial of the virtio disk."""

TARGET: Final = Path("/run/kata-containers/image")
"""Where images and container roots lie."""

_SUPERBLOCK: Final = struct.Struct("<8sBBHIQ")
_MAGIC: Final = b"integrt\0"
_WIPED: Final = 8 * 512  # bytes; without a superblock of its own dm-integrity formats anew
_BLOCK: Final = 4096
_LARGEST: Final = 1 << 46  # bytes
_MKFS: Final = (
    *("-O", "^has_journal,^resize_inode,sparse_super2", "-m", "0", "-i", "65536"),
    *("-E", "num_backup_sb=0,nodiscard,lazy_itable_init=1"),
)
_MOUNTED: Final = ("nodev", "noinit_itable")
"""Tables of inodes are written nowhere but where an inode is: 16 MB less to seal for every pod.

Nobody reads the rest of them. The kernel takes a block of a table for empty when the bitmap says
that no inode of it is in use, and writes it whole with the first that is (fs/ext4/inode.c).
"""


class Cipher(msgspec.Struct, frozen=True):
    """An authenticated cipher of dm-crypt: its table name, key and tag sizes in bytes."""

    name: str
    key: int
    tag: int


AEGIS: Final = Cipher("capi:aegis128-random", 16, 32)
"""AEGIS-128 with a random 16-byte nonce and a 16-byte tag for each block.

The fastest by far of what Debian's kernel has, with AES instructions and without: emulated, it
writes 27 and reads 56 MB/s, where HMAC-SHA-256 over AES-XTS does 16 and 20, AES-GCM 15 and 16.
"""


def prepare(device: Path, target: Path = TARGET, *, cipher: Cipher = AEGIS) -> None:
    """Seal ``device``, make a file system on it and mount it at ``target``.

    Raises:
        HostError: the kernel refuses, or the disk is too small.
    """
    sealed = seal(device, "scratch", cipher)
    filesystem.make_ext4(sealed, _MKFS)
    filesystem.mount_ext4(sealed, target, _MOUNTED)


def prepare_if_present() -> bool:
    """Prepare the scratch disk; False when the machine has none.

    The modules are there: the initrd's program loads them where there is such a disk.

    Raises:
        HostError: as :func:`prepare`.
    """
    device = block.find_by_serial(SERIAL)
    if device is None:
        return False
    prepare(device)
    return True


def seal(device: Path, name: str, cipher: Cipher) -> Path:
    """Lay integrity and encryption over a device; gives the node of the upper one.

    The key is random, goes to the kernel in a buffer that both sides wipe, and is kept nowhere.

    Raises:
        HostError: the kernel refuses, or the disk is too small.
    """
    tags = f"{name}-tags"
    block.wipe(device, 0, _WIPED)
    lower = device_mapper.create(tags, [_integrity(device, _BLOCK // 512, cipher.tag)])
    sectors = provided_sectors(block.read(device, _SUPERBLOCK.size))
    device_mapper.load(tags, [_integrity(device, sectors, cipher.tag)])
    device_mapper.suspend(tags)
    device_mapper.resume(tags)
    key = Secret(os.urandom(cipher.key))
    try:
        return device_mapper.create(name, [_crypt(lower, sectors, cipher, key)])
    finally:
        key.wipe()


def provided_sectors(superblock: bytes) -> int:
    """How many sectors of 512 bytes dm-integrity offers, out of its superblock.

    Raises:
        HostError: no superblock, or a size that cannot be.
    """
    if len(superblock) < _SUPERBLOCK.size:
        raise HostError("scratch disk", got="no superblock", want="dm-integrity's")
    magic, *_, sectors = _SUPERBLOCK.unpack_from(superblock)
    if magic != _MAGIC or not 0 < sectors <= _LARGEST // 512:
        raise HostError("scratch disk", got=f"{sectors} sectors", want="dm-integrity's superblock")
    return int(sectors) // (_BLOCK // 512) * (_BLOCK // 512)


def _integrity(device: Path, sectors: int, tag: int) -> Target:
    """Mode D: tags without a journal; the data dies with the pod, so a torn write costs nothing.

    A journal has its place even so, is written, read back and kept in memory, as large as a
    hundredth of the disk. One sector asks for the smallest.
    """
    text = f"{device} 0 {tag} D 2 block_size:{_BLOCK} journal_sectors:1"
    return Target(0, sectors, "integrity", Secret(text.encode()))


def _crypt(lower: Path, sectors: int, cipher: Cipher, key: Secret) -> Target:
    text = f"{cipher.name} {key.reveal().hex()} 0 {lower} 0 2"
    text += f" integrity:{cipher.tag}:aead sector_size:{_BLOCK}"
    return Target(0, sectors, "crypt", Secret(text.encode()))
