"""The hash tree against veritysetup, which lays it out as the kernel reads it."""

import hashlib
from pathlib import Path

import pytest

from casemate.linux import program
from casemate.podvm import verity

SALT = "5a" * 32


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def data(blocks: int) -> bytes:
    return b"".join(i.to_bytes(4, "big") * (verity.BLOCK // 4) for i in range(blocks))


def accepted(disk: Path, blocks: int, root: bytes) -> bool:
    """Ask veritysetup, which knows SHA-256 but not BLAKE2b."""
    done = program.run(
        ["veritysetup", "verify", "--no-superblock", "--hash=sha256", f"--salt={SALT}",
         f"--data-blocks={blocks}", f"--hash-offset={blocks * verity.BLOCK}", disk, disk,
         root.hex()],
        timeout=60, check=False,
    )  # fmt: skip
    return done.status == 0


@pytest.mark.parametrize("blocks", [2, 128, 129, 16385])
def test_tree_is_laid_out_as_the_kernel_reads_it(tmp_path: Path, blocks: int) -> None:
    made = verity.tree(data(blocks), salt=bytes.fromhex(SALT), hash_of=sha256)
    disk = tmp_path / "disk"
    disk.write_bytes(data(blocks) + made.blocks)
    assert accepted(disk, blocks, made.root)
    with disk.open("r+b") as file:
        file.seek(blocks * verity.BLOCK - 1)
        file.write(b"\xff")
    assert not accepted(disk, blocks, made.root)


def test_one_block_is_its_own_tree() -> None:
    made = verity.tree(data(1))
    assert made == verity.HashTree(verity.blake2b(verity.SALT + data(1)), b"")


def test_hash_is_blake2b_of_32_bytes() -> None:
    """The value of ``b2sum -l 256`` for no input (RFC 7693's function, another length)."""
    expected = "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8"
    assert verity.blake2b(b"").hex() == expected
