import os
import stat
from pathlib import Path

import pytest

from casemate.errors import CasemateError
from casemate.guest.agent.copy_file import copy
from casemate.wire.pb import agent_pb2


def request(
    path: Path | str, data: bytes = b"", *, mode: int = 0o100640, size: int = -1, offset: int = 0
) -> agent_pb2.CopyFileRequest:
    return agent_pb2.CopyFileRequest(
        path=str(path),
        data=data,
        file_mode=mode,
        dir_mode=0o750,
        uid=os.getuid(),
        gid=os.getgid(),
        file_size=len(data) if size < 0 else size,
        offset=offset,
    )


def test_file_appears_whole_at_its_last_chunk(tmp_path: Path) -> None:
    target = tmp_path / "a" / "b" / "file"
    copy(request(target, b"hello ", size=11), root=tmp_path)
    assert not target.exists()
    copy(request(target, b"world", size=11, offset=6), root=tmp_path)
    assert target.read_bytes() == b"hello world"
    assert stat.S_IMODE(target.stat().st_mode) == 0o640


def test_folders_and_links_are_made(tmp_path: Path) -> None:
    copy(request(tmp_path / "d", mode=0o040711), root=tmp_path)
    copy(request(tmp_path / "d" / "l", b"../x", mode=0o120777, size=4), root=tmp_path)
    assert stat.S_IMODE((tmp_path / "d").stat().st_mode) == 0o711
    assert os.readlink(tmp_path / "d" / "l") == "../x"  # noqa: PTH115  # the text, unresolved


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "/", "", "{root}/../x", "{root}"])
def test_nothing_lands_outside(tmp_path: Path, path: str) -> None:
    root = tmp_path / "root"
    with pytest.raises(CasemateError):
        copy(request(path.format(root=root), b"x"), root=root)
    assert not (tmp_path / "x").exists()


def test_links_are_not_followed_on_the_way(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    (root / "link").symlink_to(outside)
    with pytest.raises(CasemateError):
        copy(request(root / "link" / "x", b"x"), root=root)
    assert list(outside.iterdir()) == []


def test_link_in_place_of_the_file_is_replaced_not_followed(tmp_path: Path) -> None:
    root, victim = tmp_path / "root", tmp_path / "victim"
    root.mkdir()
    victim.write_text("safe")
    (root / "f").symlink_to(victim)
    (root / "g.tmp").symlink_to(victim)
    copy(request(root / "f", b"x"), root=root)
    with pytest.raises(CasemateError):
        copy(request(root / "g", b"x"), root=root)
    assert victim.read_text() == "safe"


def test_devices_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CasemateError):
        copy(request(tmp_path / "dev", mode=0o020666), root=tmp_path)
