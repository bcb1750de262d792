import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casemate.errors import HostError
from casemate.guest.storage import scratch
from casemate.guest.storage.filesystem import backups, written_tables
from casemate.secret import Secret


def superblock(sectors: int, magic: bytes = b"integrt\0") -> bytes:
    return struct.pack("<8sBBHIQ", magic, 5, 15, 32, 0, sectors)


def test_size_comes_from_the_superblock_in_whole_blocks() -> None:
    assert scratch.provided_sectors(superblock(1003)) == 1000


@pytest.mark.parametrize(
    "data", [b"", superblock(0), superblock(1 << 40), superblock(8, b"notmagic")]
)
def test_superblock_of_somebody_else_is_refused(data: bytes) -> None:
    with pytest.raises(HostError):
        scratch.provided_sectors(data)


@settings(max_examples=100)
@given(st.binary(max_size=64))
def test_any_superblock_raises_only_our_error(data: bytes) -> None:
    try:
        assert scratch.provided_sectors(data) > 0
    except HostError:
        return


def test_key_is_in_the_table_and_nowhere_else(tmp_path: Path) -> None:
    key = Secret(b"\x42" * scratch.AEGIS.key)
    target = scratch._crypt(tmp_path, 8, scratch.AEGIS, key)
    assert b"42" * 16 in target.parameters.reveal()
    assert "4242" not in repr(target)


@pytest.mark.parametrize(
    ("given_", "wanted"),
    [
        ([], ["-E", "lazy_itable_init=0"]),
        (["-E", "nodiscard"], ["-E", "nodiscard,lazy_itable_init=0"]),
        (["-Enodiscard", "-m", "0"], ["-Enodiscard,lazy_itable_init=0", "-m", "0"]),
        (["-E", "a", "-E", "b"], ["-E", "a", "-E", "b,lazy_itable_init=0"]),
        (["-E", "lazy_itable_init=1"], ["-E", "lazy_itable_init=1"]),
    ],
)
def test_inode_tables_are_written_unless_the_caller_says(
    given_: list[str], wanted: list[str]
) -> None:
    assert written_tables(given_) == wanted


def test_backup_superblocks_are_found_in_the_plan() -> None:
    plan = b"""Creating filesystem with 131072 4k blocks and 32768 inodes
Superblock backups stored on blocks:
\t32768, 98304

"""
    assert backups(plan) == [32768, 98304]
    assert backups(b"nothing") == []
