"""Python packages of the image: wheels pinned by hash, unpacked, never run."""

import io
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from casemate.crypto.digest import sha256
from casemate.linux import program
from casemate.podvm import client
from casemate.podvm.sources import Fetched, Progress, Source, keep

_LEFT_OUT: Final = (
    "pycparser/",  # cffi compiles with it; nothing is compiled in the guest
    "cffi/",  # cryptography needs only its backend, a module of its own
    "zstandard/_cffi",  # the C backend is used
    "zstandard/backend_cffi",
    "google/protobuf/internal/testing",
)


def fetch(folder: Path, requirements: Path, *, progress: Progress) -> Fetched:
    """Fetch the wheels of ``requirements`` into ``folder``; pip checks every hash.

    Raises:
        HostError: the index cannot be reached, or a hash is wrong.
    """

    def fill(new: Path) -> Iterator[Source]:
        progress("fetching Python packages")
        program.run(
            [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes",
             "--only-binary", ":all:", "--dest", new, "--requirement", requirements],
            timeout=client.PATIENCE,
            env=client.environment(),
        )  # fmt: skip
        return _sources(new)

    return keep(folder, fill)


def contents(fetched: Fetched) -> Iterator[tuple[str, bytes]]:
    """Give every file that the guest needs of the wheels: path below site, bytes.

    Metadata, type stubs and what ``_LEFT_OUT`` names stay outside.
    """
    for source in fetched.sources:
        with zipfile.ZipFile(io.BytesIO(fetched.read(source))) as wheel:
            for name in sorted(wheel.namelist()):
                if _wanted(name):
                    yield name, wheel.read(name)


def _wanted(name: str) -> bool:
    top = name.partition("/")[0]
    return (
        not name.endswith(("/", ".pyi", "py.typed", ".c", ".h", ".pyx"))
        and not top.endswith((".dist-info", ".data"))
        and not name.startswith(_LEFT_OUT)
        and ".." not in name.split("/")
    )


def _sources(folder: Path) -> Iterator[Source]:
    for file in sorted(folder.glob("*.whl")):
        name, version, *_ = file.name.split("-")
        yield Source(
            name=name, version=version, file=file.name, sha256=sha256(file.read_bytes()).hex
        )
