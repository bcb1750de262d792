"""The initrd: one static program (init.c), the modules it loads, nothing else."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from casemate.errors import HostError

SOURCE: Final = Path(__file__).parent / "init.c"
LONGEST_LIST: Final = (16 << 10) - 1
"""Bytes of a list of files that init.c reads."""
LARGEST_MODULE: Final = (1 << 20) - 1
"""Bytes of a kernel module that init.c reads."""

_REGULAR: Final = 0o100000
_FOLDER: Final = 0o040000
_ALIGNMENT: Final = 4


@dataclass(frozen=True, slots=True)
class Entry:
    """One member of an archive: ``data`` None makes a folder."""

    name: str
    mode: int
    data: bytes | None = None


def pack(program: bytes, lists: Mapping[str, Iterable[Path]]) -> bytes:
    """Make the initrd: ``/init``, the modules, and the lists that name them in order."""
    entries = [Entry("init", 0o755, program)]
    for name, modules in lists.items():
        files = {module.name: module_bytes(module) for module in modules}
        entries.append(Entry(name, 0o644, list_of(files)))
        entries += (Entry(file, 0o644, data) for file, data in files.items())
    return archive(entries)


def module_bytes(file: Path) -> bytes:
    """Read a kernel module that init.c will load.

    Raises:
        HostError: it is larger than init.c reads.
    """
    data = file.read_bytes()
    if len(data) > LARGEST_MODULE:
        raise HostError(
            f"kernel module {file.name}",
            got=f"{len(data)} bytes",
            want=f"at most {LARGEST_MODULE} bytes",
        )
    return data


def list_of(files: Iterable[str]) -> bytes:
    """Write a list of files as init.c reads it: absolute paths, each ended by a line feed.

    Raises:
        HostError: it is longer than init.c reads.
    """
    return _bounded("".join(f"/{file}\n" for file in files))


def list_of_parts(parts: Iterable[tuple[str, int, int]]) -> bytes:
    """Write a list of parts of files as init.c reads it: offset, bytes and absolute path.

    Args:
        parts: path, offset and bytes of each.

    Raises:
        HostError: it is longer than init.c reads.
    """
    return _bounded("".join(f"{offset} {size} /{file}\n" for file, offset, size in parts))


def _bounded(text: str) -> bytes:
    written = text.encode()
    if len(written) > LONGEST_LIST:
        raise HostError(
            "list of files for the initrd's program",
            got=f"{len(written)} bytes",
            want=f"at most {LONGEST_LIST} bytes",
        )
    return written


def archive(entries: Iterable[Entry]) -> bytes:
    """Write a cpio archive of the ``newc`` form, which the kernel unpacks; root owns all, time 0.

    Spec: Linux, Documentation/driver-api/early-userspace/buffer-format.rst.
    """
    out = bytearray()
    for number, entry in enumerate(entries, start=1):
        _append(out, entry, number)
    _append(out, Entry("TRAILER!!!", 0), 0)
    return bytes(out)


def _append(out: bytearray, entry: Entry, number: int) -> None:
    kind = _FOLDER if entry.data is None else _REGULAR
    mode = (entry.mode | kind) if number else 0
    data, name = entry.data or b"", entry.name.encode() + b"\0"
    fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name), 0)
    out += b"070701" + b"".join(b"%08x" % field for field in fields) + name
    out += bytes(-len(out) % _ALIGNMENT)
    out += data
    out += bytes(-len(out) % _ALIGNMENT)
