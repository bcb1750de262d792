"""Debian packages of the image: resolved, fetched, unpacked; never installed, no script run.

apt does the work with a state folder of its own, so neither root nor the host's package state is
touched. It checks archive signatures and digests with the host's keyrings.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from casemate.crypto.digest import sha256
from casemate.errors import HostError
from casemate.linux import program
from casemate.podvm import client
from casemate.podvm.sources import Fetched, Progress, Source, keep

_INSTALLED: Final = re.compile(r"^Inst (\S+) \((\S+) ", re.MULTILINE)
_HOST_SOURCES: Final = Path("/etc/apt")


def fetch(
    folder: Path, packages: Sequence[str], kernel: str, *, suite: str, progress: Progress
) -> Fetched:
    """Fetch ``packages`` and the kernel that the metapackage ``kernel`` names into ``folder``.

    Raises:
        HostError: apt is missing, the archive cannot be reached, a package is not there.
    """

    def fill(new: Path) -> Iterator[Source]:
        state = _state(folder.parent / f".apt-{folder.name}", suite)
        progress("reading Debian's package lists")
        _apt(state, ["update"])
        progress("resolving packages")
        named = [*packages, _kernel_package(state, kernel)]
        progress(f"fetching {len(named)} Debian packages")
        _apt(state, ["download", *named], cwd=new)
        return _sources(new)

    return keep(folder, fill)


def unpack(fetched: Fetched, into: Path) -> None:
    """Unpack every package into one folder, each checked against the lock first."""
    for source in fetched.sources:
        fetched.read(source)
        program.run(["dpkg-deb", "--extract", fetched.path(source), into], timeout=client.PATIENCE)


def _state(folder: Path, suite: str) -> Path:
    for part in ("lists/partial", "cache/archives/partial", "sources.list.d"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    (folder / "status").touch()
    for link in (folder / "sources.list.d").iterdir():
        link.unlink()
    for number, file in enumerate(_host_sources(suite)):
        (folder / "sources.list.d" / f"{number}{file.suffix}").symlink_to(file)
    return folder


def _host_sources(suite: str) -> list[Path]:
    """Files of the host that name Debian's suite itself; other archives are left out."""
    parts = sorted((_HOST_SOURCES / "sources.list.d").glob("*"))
    files = [file for file in (_HOST_SOURCES / "sources.list", *parts) if file.is_file()]
    found = [file for file in files if suite in file.read_text(errors="replace").split()]
    if not found:
        raise HostError(
            str(_HOST_SOURCES),
            got=f"no archive of {suite}",
            want=f"Debian's archive of {suite} among apt's sources",
            remedy=f"Add one; the pod VM is made from Debian {suite} packages.",
        )
    return found


def _apt(state: Path, arguments: Sequence[str], cwd: Path | None = None) -> str:
    options = {
        "Dir::State": state,
        "Dir::State::status": state / "status",
        "Dir::State::lists": state / "lists",
        "Dir::Cache": state / "cache",
        "Dir::Etc::sourcelist": "/dev/null",
        "Dir::Etc::sourceparts": state / "sources.list.d",
        "APT::Architecture": "amd64",
        "APT::Architectures": "amd64",
        "APT::Install-Recommends": "false",
        "APT::Sandbox::User": "root",
        "APT::Update::Error-Mode": "any",
        "APT::Update::Post-Invoke::": "true",
        "Acquire::Languages": "none",
        "Acquire::Retries": "3",
        "Debug::NoLocking": "true",
    }
    words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    done = program.run(
        ["apt-get", "--quiet", *words, *arguments],
        timeout=client.PATIENCE,
        env=client.environment() | {"LC_ALL": "C.UTF-8"},
        cwd=cwd,
        check=False,
    )
    if done.status != 0:
        raise HostError(
            "Debian's archive",
            got=program.last_words(done.stderr),
            want=f"an answer to apt-get {arguments[0]}",
            remedy=f"Only the first build asks it. To see more, run: {done.command}",
        )
    return done.stdout.decode(errors="replace")


def _kernel_package(state: Path, metapackage: str) -> str:
    plan = _apt(state, ["--simulate", "install", metapackage])
    prefix = "linux-image-6"
    names = [name for name, _ in _INSTALLED.findall(plan) if name.startswith(prefix)]
    if len(names) != 1:
        raise HostError(metapackage, got=names, want="exactly one kernel package")
    return str(names[0])


def _sources(folder: Path) -> Iterator[Source]:
    for file in sorted(folder.glob("*.deb")):
        name, version, _ = file.stem.split("_")
        yield Source(
            name=name,
            version=version.replace("%3a", ":"),
            file=file.name,
            sha256=sha256(file.read_bytes()).hex,
        )
