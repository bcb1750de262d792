import os
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from tarfile import DIRTYPE, LNKTYPE, PAX_FORMAT, REGTYPE, SYMTYPE, TarInfo
from tarfile import open as open_tar
from typing import Any

import pytest

from casemate.errors import HostError, PeerError
from casemate.oci.tar import TarReader
from casemate.oci.tree import Tree
from casemate.oci.unpack import LayerUnpacker, Limits, Whiteouts


def entry(
    path: str, content: bytes | None = b"x", *, target: str = "", **members: object
) -> TarInfo:
    info = TarInfo(path)
    info.type = DIRTYPE if content is None else REGTYPE
    if target:
        info.type, info.linkname = SYMTYPE, target
    elif content:
        info.size = len(content)
    info.mode, info.mtime = 0o755, 1_000
    for name, value in members.items():
        setattr(info, name, value)
    return info


def layer(entries: Iterable[TarInfo]) -> bytes:
    buffer = BytesIO()
    with open_tar(fileobj=buffer, mode="w", format=PAX_FORMAT) as archive:
        for info in entries:
            archive.addfile(info, BytesIO(b"x" * info.size))
    return buffer.getvalue()


def unpack(
    target: Path,
    *layers: Iterable[TarInfo],
    whiteouts: Whiteouts = Whiteouts.APPLY,
    limits: Limits | None = None,
) -> list[str]:
    target.mkdir(exist_ok=True)
    with Tree(target) as tree:
        for entries in layers:
            reader, writer = TarReader(), LayerUnpacker(tree, whiteouts=whiteouts, limits=limits)
            try:
                for event in reader.feed(layer(entries)):
                    writer.take(event)
                reader.finish()
                writer.finish()
            finally:
                writer.close()
    return sorted(str(path.relative_to(target)) for path in target.rglob("*"))


def test_whiteout_removes_what_lower_layers_put_there(tmp_path: Path) -> None:
    lower = [entry("a", None), entry("a/keep"), entry("a/go"), entry("b", None), entry("b/x")]
    assert unpack(tmp_path, lower, [entry("a/.wh.go"), entry(".wh.b")]) == ["a", "a/keep"]


def test_whiteout_spares_its_own_layer_in_any_order(tmp_path: Path) -> None:
    lower = [entry("a", None), entry("a/old"), entry("f")]
    upper = [entry("a/new"), entry(".wh.a"), entry("f"), entry(".wh.f")]
    assert unpack(tmp_path, lower, upper) == ["a", "a/new", "f"]


def test_opaque_marker_hides_lower_content_only(tmp_path: Path) -> None:
    lower = [entry("a", None), entry("a/old"), entry("a/sub", None), entry("a/sub/old")]
    upper = [entry("a/sub/new"), entry("a/.wh..wh..opq"), entry("a/later")]
    assert unpack(tmp_path, lower, upper) == ["a", "a/later", "a/sub", "a/sub/new"]


def test_whiteout_of_nothing_makes_nothing(tmp_path: Path) -> None:
    assert unpack(tmp_path, [entry("deep/down/.wh.x"), entry(".wh..wh.plnk")]) == []


@pytest.mark.root
def test_overlay_whiteouts_are_what_overlayfs_reads(tmp_path: Path) -> None:
    made = [entry("a", None), entry("a/.wh..wh..opq"), entry(".wh.gone")]
    assert unpack(tmp_path, made, whiteouts=Whiteouts.OVERLAY) == ["a", "gone"]
    assert (tmp_path / "gone").is_char_device()
    assert (tmp_path / "gone").stat().st_rdev == 0
    assert os.getxattr(tmp_path / "a", "trusted.overlay.opaque") == b"y"


def test_absolute_link_is_followed_inside_the_tree(tmp_path: Path) -> None:
    made = [entry("real", None), entry("link", target="/real"), entry("link/file")]
    assert unpack(tmp_path / "t", made) == ["link", "real", "real/file"]


def test_links_that_go_round_are_refused(tmp_path: Path) -> None:
    made = [entry("a", target="b"), entry("b", target="a"), entry("a/file")]
    with pytest.raises(PeerError, match="go round"):
        unpack(tmp_path, made)


def test_folder_mtime_survives_files_made_in_it(tmp_path: Path) -> None:
    unpack(tmp_path, [entry("a", None), entry("a/x")], [entry("a/y")])
    assert (tmp_path / "a").stat().st_mtime == 1_000


def test_hard_link_into_a_lower_layer(tmp_path: Path) -> None:
    unpack(tmp_path, [entry("a")], [entry("b", b"", type=LNKTYPE, linkname="a")])
    assert (tmp_path / "b").stat().st_ino == (tmp_path / "a").stat().st_ino


@pytest.mark.parametrize("target", ["", ".", "nothing", "folder", "../out", "missing/x"])
def test_hard_link_to_no_file_is_refused(target: str, tmp_path: Path) -> None:
    made = [entry("folder", None), entry("b", b"", type=LNKTYPE, linkname=target)]
    with pytest.raises(PeerError):
        unpack(tmp_path, made)


@pytest.mark.root
def test_layer_cannot_speak_to_overlayfs(tmp_path: Path) -> None:
    info = entry("a")
    info.pax_headers = {
        "SCHILY.xattr.trusted.overlay.opaque": "y",
        "SCHILY.xattr.user.note": "kept",
    }
    unpack(tmp_path, [info])
    assert os.listxattr(tmp_path / "a") == ["user.note"]


def test_limits_hold(tmp_path: Path) -> None:
    with pytest.raises(PeerError, match="layer size"):
        unpack(tmp_path, [entry(str(n)) for n in range(4)], limits=Limits(entries=3))
    with pytest.raises(PeerError, match="layer size"):
        unpack(tmp_path, [entry("big", b"x" * 100)], limits=Limits(content=99))


def test_file_larger_than_the_disk_is_told_before_it_is_written(tmp_path: Path) -> None:
    head = entry("huge")
    head.size = 1 << 50
    reader = TarReader()
    with Tree(tmp_path) as tree:
        writer = LayerUnpacker(tree, limits=Limits(content=1 << 60))
        (event,) = reader.feed(head.tobuf(PAX_FORMAT))
        with pytest.raises(HostError) as caught:
            writer.take(event)
    assert "needs 1125899906842624 bytes, has " in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_deep_path_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PeerError):
        unpack(tmp_path, [entry("/".join("d" * 300))])


@pytest.mark.parametrize("owner", [{"uid": 0xFFFFFFFF}, {"gid": 1 << 40}])
def test_owner_beyond_32_bits_is_refused(owner: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(PeerError):
        unpack(tmp_path, [entry("a", **owner)])


def test_descriptors_do_not_pile_up(tmp_path: Path) -> None:
    entries = [entry(f"{n}/" + "/".join("abcdef") + "/x") for n in range(300)]
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208  # no folder of a user's
    unpack(tmp_path, entries)
    assert len(os.listdir("/proc/self/fd")) <= before  # noqa: PTH208
