import os
from pathlib import Path

import pytest

from casemate.errors import InputError
from casemate.podvm.tree import File, Link, Tree


def test_modes_do_not_depend_on_the_umask(tmp_path: Path) -> None:
    tree = Tree(folders={"empty/below"})
    tree.add("usr/bin/tool", File(b"x", 0o755))
    tree.add("bin", Link("usr/bin"))
    before = os.umask(0o077)
    try:
        tree.write(tmp_path / "root")
    finally:
        os.umask(before)
    assert (tmp_path / "root/bin/tool").stat().st_mode & 0o7777 == 0o755
    assert (tmp_path / "root/empty/below").stat().st_mode & 0o7777 == 0o755
    assert (tmp_path / "root").stat().st_mode & 0o7777 == 0o755


def test_two_files_of_one_name_are_refused() -> None:
    tree = Tree()
    tree.add("a", File(b"1"))
    tree.add("a", File(b"1"))
    with pytest.raises(InputError, match="two files a"):
        tree.add("a", File(b"2"))
