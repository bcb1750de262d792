import pytest

from casemate.guest.storage.filesystem import backups, written_tables


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
