from pathlib import Path

import pytest

from casemate.errors import HostError
from casemate.podvm import elf, recipe, root
from casemate.podvm.root import LIBRARIES, Packages
from casemate.podvm.tree import File, Tree
from tests.sim.elf import linked_with, shared


def packages(folder: Path, libraries: dict[str, bytes]) -> Packages:
    for name, data in libraries.items():
        file = folder / "lib/x86_64-linux-gnu" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    return Packages(folder)


LIBC = {
    "ld-linux-x86-64.so.2": linked_with([]),
    "libc.so.6": linked_with(["ld-linux-x86-64.so.2"]),
    "libgcc_s.so.1": linked_with(["libc.so.6"]),
}


def test_libraries_of_libraries_come_along(tmp_path: Path) -> None:
    given = packages(tmp_path, {**LIBC, "liba.so": linked_with(["libb.so"]), "libb.so": b""})
    tree = Tree(nodes={"usr/bin/tool": File(linked_with(["liba.so", "libc.so.6"]))})
    root.add_libraries(tree, given)
    assert {f"{LIBRARIES}/liba.so", f"{LIBRARIES}/libb.so", root.LOADER} <= tree.nodes.keys()


def test_library_of_no_package_is_refused(tmp_path: Path) -> None:
    tree = Tree(nodes={"usr/bin/tool": File(linked_with(["libmissing.so"]))})
    with pytest.raises(HostError, match=r"libmissing\.so"):
        root.add_libraries(tree, packages(tmp_path, LIBC))


def test_wheel_is_unlinked_from_libraries_of_which_it_uses_nothing(tmp_path: Path) -> None:
    given = packages(
        tmp_path,
        {
            **LIBC,
            "libunused.so": shared([], has=["other"]),
            "libused.so": shared([], has=["used"]),
            "libold.so": shared([], has=["other"]),
        },
    )
    wheel = shared(
        ["libunused.so", "libused.so", "libold.so"], wants=["used"], versions=["libold.so"]
    )
    left = root.without_unused_libraries(wheel, given)
    assert elf.needed(left) == ["libused.so", "libold.so"]
    assert root.without_unused_libraries(b"text", given) == b"text"


def test_links_are_followed_inside_the_packages_only(tmp_path: Path) -> None:
    (tmp_path / "lib/x86_64-linux-gnu").mkdir(parents=True)
    (tmp_path / "lib/x86_64-linux-gnu/real.so.1").write_bytes(b"real")
    (tmp_path / "usr/lib").mkdir(parents=True)
    (tmp_path / "usr/lib/relative.so").symlink_to("x86_64-linux-gnu/real.so.1")
    (tmp_path / "usr/lib/absolute.so").symlink_to("/lib/x86_64-linux-gnu/real.so.1")
    (tmp_path / "usr/lib/outside.so").symlink_to("/etc/passwd")
    (tmp_path / "usr/lib/loop.so").symlink_to("loop.so")
    given = Packages(tmp_path)
    assert given.file("usr/lib/relative.so").data == b"real"
    assert given.file("lib/absolute.so").data == b"real"
    for bad in ("usr/lib/outside.so", "usr/lib/loop.so"):
        with pytest.raises(HostError):
            given.file(bad)


def test_image_has_no_shell_and_no_login() -> None:
    texts = " ".join((*recipe.PROGRAMS, *recipe.LINKS, *recipe.LINKS.values()))
    for unwanted in ("bin/sh", "bash", "dash", "busybox", "login", "getty", "ssh", "apt", "dpkg"):
        assert unwanted not in texts
    assert "/nonexistent" in recipe.TEXTS["etc/passwd"]
