"""A file tree in memory: what the root file system will hold, before it becomes an image."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from casemate.errors import InputError


@dataclass(frozen=True, slots=True)
class File:
    """A regular file; ``mode`` holds permission bits only. Owner is root."""

    data: bytes
    mode: int = 0o644


@dataclass(frozen=True, slots=True)
class Link:
    """A symbolic link."""

    target: str


@dataclass(slots=True)
class Tree:
    """Nodes by path, without a leading slash; folders follow from the paths and ``folders``."""

    nodes: dict[str, File | Link] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)

    def add(self, path: str, node: File | Link) -> None:
        """Add a node.

        Raises:
            InputError: another one is there already.
        """
        if self.nodes.get(path, node) != node:
            raise InputError("root file system", got=f"two files {path}", want="one")
        self.nodes[path] = node

    def files(self) -> Iterator[tuple[str, File]]:
        """Give the regular files, in order of paths."""
        for path, node in sorted(self.nodes.items()):
            if isinstance(node, File):
                yield path, node

    @property
    def size(self) -> int:
        """Bytes of all regular files."""
        return sum(len(file.data) for _, file in self.files())

    def write(self, folder: Path) -> None:
        """Write everything below ``folder``, with exact modes whatever the umask."""
        for name in sorted(self.folders):
            (folder / name).mkdir(parents=True, exist_ok=True)
        for path, node in sorted(self.nodes.items()):
            place = folder / path
            place.parent.mkdir(parents=True, exist_ok=True)
            _write(place, node)
        for place in (folder, *(p for p in folder.rglob("*") if p.is_dir() and not p.is_symlink())):
            place.chmod(0o755)


def _write(place: Path, node: File | Link) -> None:
    if isinstance(node, Link):
        place.symlink_to(node.target)
        return
    place.write_bytes(node.data)
    place.chmod(node.mode)
