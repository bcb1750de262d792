"""Reports by configfs-tsm (linux ``Documentation/ABI/testing/configfs-tsm-report``; tee §5.3).

A report is a folder: made, asked by writing ``inblob``, answered by reading ``outblob``, removed.
The kernel counts what is written in ``generation``; another number than that of our own writes
means that somebody else asked through our folder.
"""

import errno
import os
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from casemate.errors import HostError

FOLDER: Final = Path("/sys/kernel/config/tsm/report")
LARGEST_REPORT: Final = 1 << 20
"""Bytes of an answer that are read; a TDX quote has about 5 KB."""

_TRIES: Final = 3
_PASSING: Final = frozenset({errno.EBUSY, errno.EAGAIN, errno.EINTR})
_SPEC: Final = "tee §5.3"
_REMEDIES: Final = {
    errno.EACCES: "run as root",
    errno.ENXIO: "load the kernel module of the TEE (tdx_guest, sev-guest, arm-cca-guest)",
    errno.ETIMEDOUT: "the host did not answer; for TDX, its quote generation service must run",
    errno.EIO: "the host refused; for TDX, look into the log of its quote generation service",
}


class Tree(Protocol):
    """The file system: four calls, each of which raises OSError."""

    def make(self, folder: Path) -> None: ...

    def read(self, file: Path) -> bytes: ...

    def write(self, file: Path, content: bytes) -> None: ...

    def remove(self, folder: Path) -> None: ...


class Configfs:
    """The real one. An attribute is written in one call, as the kernel wants it."""

    def make(self, folder: Path) -> None:
        folder.mkdir()

    def read(self, file: Path) -> bytes:
        with file.open("rb", buffering=0) as attribute:
            pieces = []
            left = LARGEST_REPORT
            while left and (piece := attribute.read(left)):
                pieces.append(piece)
                left -= len(piece)
            return b"".join(pieces)

    def write(self, file: Path, content: bytes) -> None:
        descriptor = os.open(file, os.O_WRONLY | os.O_CLOEXEC)
        try:
            written = os.write(descriptor, content)
        finally:
            os.close(descriptor)
        if written != len(content):
            raise OSError(errno.EIO, f"{written} of {len(content)} bytes taken", str(file))

    def remove(self, folder: Path) -> None:
        folder.rmdir()


class TsmReport(NamedTuple):
    """An answer."""

    report: bytes
    """Quote, report or token."""
    auxiliary: bytes
    """Certificate table of SEV-SNP; empty elsewhere."""


class ConfigfsTsm:
    """Reports of this guest's TEE."""

    def __init__(self, folder: Path = FOLDER, *, tree: Tree | None = None) -> None:
        self._folder = folder
        self._tree = tree or Configfs()

    def provider(self) -> str:
        """Name what answers: ``tdx_guest``, ``sev_guest``, ``arm_cca_guest``.

        Raises:
            HostError: nothing does.
        """
        report = self._folder / f"casemate-{os.urandom(8).hex()}"
        try:
            self._tree.make(report)
        except OSError as error:
            raise _refused(self._folder, error, "a report folder") from error
        try:
            return self._provider(report)
        finally:
            self._remove(report)

    def report(self, provider: str, data: bytes, *, privilege: int | None = None) -> TsmReport:
        """Ask for a report that binds ``data``.

        Args:
            provider: who must answer.
            data: ``inblob``, not empty; its size is the provider's (64 bytes for all of today's).
            privilege: VMPL, for SEV-SNP.

        Raises:
            HostError: another provider, or it refuses, or somebody asks through our folder.
        """
        for remaining in reversed(range(_TRIES)):
            try:
                return self._ask(provider, data, privilege)
            except OSError as error:
                if error.errno not in _PASSING or not remaining:
                    raise _refused(self._folder, error, f"a report of {provider}") from error
        raise AssertionError  # the last try returns or raises

    def _ask(self, provider: str, data: bytes, privilege: int | None) -> TsmReport:
        tree = self._tree
        report = self._folder / f"casemate-{os.urandom(8).hex()}"
        tree.make(report)
        try:
            found = self._provider(report)
            if found != provider:
                raise HostError("configfs-tsm", got=found, want=provider, spec=_SPEC)
            writes = 1
            if privilege is not None:
                tree.write(report / "privlevel", b"%d\n" % privilege)
                writes += 1
            tree.write(report / "inblob", data)
            answer = tree.read(report / "outblob")
            auxiliary = self._auxiliary(report)
            _require_ours(tree.read(report / "generation"), writes)
        finally:
            self._remove(report)
        if not answer:
            raise HostError("configfs-tsm", got="an empty outblob", want="a report", spec=_SPEC)
        return TsmReport(answer, auxiliary)

    def _provider(self, report: Path) -> str:
        try:
            return self._tree.read(report / "provider").decode("ascii", "replace").strip()
        except OSError as error:
            raise _refused(report, error, "a provider") from error

    def _auxiliary(self, report: Path) -> bytes:
        try:
            return self._tree.read(report / "auxblob")
        except FileNotFoundError:  # TDX and CCA have none
            return b""

    def _remove(self, report: Path) -> None:
        with suppress(OSError):  # the answer counts; a folder that stays asks nothing
            self._tree.remove(report)


def _require_ours(generation: bytes, writes: int) -> None:
    text = generation.decode("ascii", "replace").strip()
    if text != str(writes):
        raise HostError(
            "configfs-tsm generation",
            got=text,
            want=f"{writes}, that of our own writes",
            spec=_SPEC,
            remedy="another process wrote into our folder; try again",
        )


def _refused(where: Path, error: OSError, want: str) -> HostError:
    return HostError(
        str(where),
        got=error.strerror or error,
        want=want,
        spec=_SPEC,
        remedy=_REMEDIES.get(error.errno or 0, ""),
    )
