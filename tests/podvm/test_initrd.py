from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casemate.errors import HostError
from casemate.podvm import initrd
from casemate.podvm.initrd import Entry


def unpack(archive: bytes) -> dict[str, tuple[int, bytes]]:
    """Read a newc archive: name → mode, contents."""
    found: dict[str, tuple[int, bytes]] = {}
    at = 0
    while True:
        assert archive[at : at + 6] == b"070701"
        fields = [int(archive[at + 6 + i * 8 : at + 14 + i * 8], 16) for i in range(13)]
        name = archive[at + 110 : at + 110 + fields[11] - 1].decode()
        start = at + -(-(110 + fields[11]) // 4) * 4
        if name == "TRAILER!!!":
            return found
        found[name] = (fields[1], archive[start : start + fields[6]])
        assert fields[2:4] == [0, 0]
        assert fields[5] == 0
        at = start + -(-fields[6] // 4) * 4


def test_initrd_holds_program_and_modules_in_order(tmp_path: Path) -> None:
    for name in ("b.ko", "a.ko"):
        (tmp_path / name).write_bytes(name.encode() * 3)
    found = unpack(initrd.pack(b"program", {"modules": [tmp_path / "b.ko", tmp_path / "a.ko"]}))
    assert found["init"] == (0o100755, b"program")
    assert found["modules"][1] == b"/b.ko\n/a.ko\n"
    assert found["a.ko"][1] == b"a.ko" * 3


@given(st.dictionaries(st.text("abc/._-", min_size=1, max_size=12), st.binary(max_size=40)))
def test_archive_gives_back_what_was_put_in(files: dict[str, bytes]) -> None:
    entries = [Entry(name, 0o644, data) for name, data in files.items()]
    found = unpack(initrd.archive(entries))
    assert {name: data for name, (_, data) in found.items()} == files


def test_source_has_no_way_to_a_shell_in_production() -> None:
    source = initrd.SOURCE.read_text()
    production = source.split("#ifdef DEBUG")
    assert "busybox" not in production[0]
    assert all("busybox" not in part.split("#endif", 1)[1] for part in production[1:])


def test_list_that_the_program_would_not_read_whole_is_refused_at_build() -> None:
    assert initrd.list_of(["a/b.ko", "c"]) == b"/a/b.ko\n/c\n"
    assert len(initrd.list_of(["x" * (initrd.LONGEST_LIST - 2)])) == initrd.LONGEST_LIST
    with pytest.raises(HostError, match="16384 bytes"):
        initrd.list_of(["x" * (initrd.LONGEST_LIST - 1)])
    with pytest.raises(HostError, match="16384 bytes"):
        initrd.list_of_parts([("x" * (initrd.LONGEST_LIST - 5), 0, 1)])


def test_parts_of_files_are_offset_size_and_path() -> None:
    parts = [("usr/a", 0, 4096), ("usr/b", 8192, 12)]
    assert initrd.list_of_parts(parts) == b"0 4096 /usr/a\n8192 12 /usr/b\n"


def test_module_that_the_program_would_not_read_whole_is_refused_at_build(tmp_path: Path) -> None:
    (tmp_path / "fits.ko").write_bytes(bytes(initrd.LARGEST_MODULE))
    (tmp_path / "large.ko").write_bytes(bytes(initrd.LARGEST_MODULE + 1))
    assert "static char module[1 << 20];" in initrd.SOURCE.read_text()  # and a byte for the end
    assert len(initrd.module_bytes(tmp_path / "fits.ko")) == initrd.LARGEST_MODULE
    with pytest.raises(HostError, match=r"large\.ko: got 1048576 bytes"):
        initrd.pack(b"", {"modules": [tmp_path / "large.ko"]})
