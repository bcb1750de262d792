"""What the node knows of its pods, on disk before each step, never half-written."""

import contextlib
import shutil
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Final

import msgspec

from casemate import files
from casemate.errors import MALFORMED_JSON, HostError, InputError, Refusal
from casemate.linux.daemon import Daemon
from casemate.trace import Span

_RECORD: Final = "pod.json"
_TRACES: Final = 50
"""Traces of removed pods that are kept."""
SHORT: Final = 12
"""Characters of an id that are shown to people."""


class PodState(StrEnum):
    """Where a pod stands."""

    CREATING = "creating"
    RUNNING = "running"
    EXITED = "exited"
    """All containers have ended; the VM is still there."""
    LOST = "lost"
    """The VM ended under its containers."""
    REFUSED = "refused"
    FAILED = "failed"


class Container(msgspec.Struct, frozen=True, kw_only=True):
    """One container of a pod. ``exit_code`` is None while it runs."""

    name: str
    id: str
    image: str
    exit_code: int | None = None
    output: str = ""
    """Why its output is not kept, if so."""


class Pod(msgspec.Struct, frozen=True, kw_only=True):
    """One pod."""

    id: str
    name: str
    namespace: str = "default"
    state: PodState = PodState.CREATING
    created: float
    agent: str = ""
    """Path of the agent's socket."""
    containers: tuple[Container, ...] = ()
    keeper: Daemon | None = None
    """The process that keeps the containers' output."""
    refusal: Refusal | None = None
    message: str = ""
    marks: Mapping[str, float] = msgspec.field(default_factory=dict)
    """Times (Unix epoch, seconds) at which parts of the road were reached; see ``road.spans``."""
    initdata_digest: str = ""


class KeptTrace(msgspec.Struct, frozen=True, kw_only=True):
    """The trace of a pod, on its own: it outlives the pod."""

    pod: str
    name: str
    spans: tuple[Span, ...]


class Pods:
    """The records below one state folder."""

    def __init__(self, state: Path) -> None:
        self._pods = state / "pods"
        self._traces = state / "traces"

    def folder(self, pod: str) -> Path:
        return self._pods / pod

    def logs(self, pod: str) -> Path:
        return self.folder(pod) / "logs"

    def write(self, pod: Pod) -> Pod:
        """Replace a pod's record; gives it back.

        Raises:
            HostError: the disk is full or not ours to write.
        """
        try:
            self.folder(pod.id).mkdir(mode=0o700, parents=True, exist_ok=True)
            files.replace(self.folder(pod.id) / _RECORD, msgspec.json.encode(pod), lasting=True)
        except OSError as error:
            raise HostError(
                str(self.folder(pod.id)), got=error.strerror or error, want="a pod's record"
            ) from error
        return pod

    def read(self, pod: str) -> Pod:
        """Read the record of a pod by its whole id.

        Raises:
            InputError: there is none.
            HostError: it is damaged.
        """
        file = self.folder(pod) / _RECORD
        try:
            return msgspec.json.decode(file.read_bytes(), type=Pod)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise _unknown(pod) from error
        except (OSError, *MALFORMED_JSON) as error:
            raise HostError(str(file), got=error, want="a pod's record") from error

    def all(self) -> list[Pod]:
        """Read every record, oldest first; pods that are removed meanwhile are left out."""
        found = []
        for file in self._pods.glob(f"*/{_RECORD}"):
            with contextlib.suppress(InputError):
                found.append(self.read(file.parent.name))
        return sorted(found, key=lambda pod: pod.created)

    def find(self, text: str) -> Pod:
        """Find a pod by its id, the beginning of it, or its name; of several, the one with a VM.

        Raises:
            InputError: none, or more than one.
        """
        found = self.matching(text)
        found = [pod for pod in found if pod.agent] or found
        if len(found) > 1:
            several = ", ".join(p.id[:SHORT] for p in found)
            raise InputError("pod", got=f"{text}: {several}", want="one pod; use its id")
        if not found:
            raise _unknown(text)
        return found[0]

    def matching(self, text: str) -> list[Pod]:
        """Give the pods of that id or name; where there is none, those whose id begins so."""
        every = self.all()
        return [p for p in every if text in {p.id, p.name}] or [
            p for p in every if text and p.id.startswith(text)
        ]

    def remove(self, pod: Pod) -> None:
        """Forget a pod and all that was kept of it."""
        shutil.rmtree(self.folder(pod.id), ignore_errors=True)

    def keep_trace(self, trace: KeptTrace) -> None:
        """Keep a trace beyond its pod; the oldest ones go."""
        self._traces.mkdir(mode=0o700, parents=True, exist_ok=True)
        kept = self._traces / f"{trace.pod}.json"
        files.replace(kept, msgspec.json.encode(trace), lasting=True)
        for file in self._newest_first()[_TRACES:]:
            file.unlink(missing_ok=True)

    def kept_trace(self, text: str) -> KeptTrace:
        """Find the trace of a removed pod; the newest of that name.

        Raises:
            InputError: none is kept.
            HostError: none of that name, but one is damaged: it may be that.
        """
        damaged = None
        for file in self._newest_first():
            try:
                trace = msgspec.json.decode(file.read_bytes(), type=KeptTrace)
            except FileNotFoundError:
                continue  # it was the oldest, and another command has kept one
            except (OSError, *MALFORMED_JSON) as error:
                damaged = damaged or HostError(
                    str(file), got=error, want="a kept trace", remedy="Remove the file."
                )
                continue
            if trace.name == text or (text and trace.pod.startswith(text)):
                return trace
        raise damaged or _unknown(text)

    def _newest_first(self) -> list[Path]:
        found = []
        for file in self._traces.glob("*.json"):
            with contextlib.suppress(FileNotFoundError):
                found.append((file.stat().st_mtime, file))
        return [file for _, file in sorted(found, reverse=True)]


def _unknown(text: str) -> InputError:
    return InputError("pod", got=text, want="a pod of this state folder", remedy="casemate pod ps")
