"""Reading back what a pod's keeper keeps."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from casemate.errors import MALFORMED_JSON, HostError, Refusal, VerificationError
from casemate.runtime.keeping import STREAMS, log_file
from casemate.runtime.record import Container, Pods, PodState

_PAUSE: Final = 0.1
"""Seconds between two looks at a file that may grow."""


class Output:
    """The kept output of one container."""

    def __init__(self, pods: Pods, pod: str, container: Container) -> None:
        self._pods = pods
        self._pod = pod
        self._files = {s: log_file(pods, pod, container.name, s) for s in STREAMS}

    def text(self, stream: str) -> str:
        """All that is kept of a stream now, undecodable bytes replaced.

        Raises:
            VerificationError: the pod's policy keeps its output from the host.
        """
        self._refuse_if_denied()
        return self._read(stream, 0).decode(errors="replace")

    def pieces(self, *, follow: bool) -> Iterator[tuple[str, bytes]]:
        """Give stream and data as they come; with ``follow``, until the pod has ended.

        Raises:
            VerificationError: the pod's policy keeps its output from the host.
        """
        offsets = dict.fromkeys(STREAMS, 0)
        while True:
            running = follow and runs(self._pods, self._pod)
            self._refuse_if_denied()
            for stream in STREAMS:
                if data := self._read(stream, offsets[stream]):
                    offsets[stream] += len(data)
                    yield stream, data
            if not running:
                return
            time.sleep(_PAUSE)

    def _read(self, stream: str, offset: int) -> bytes:
        try:
            with self._files[stream].open("rb") as kept:
                kept.seek(offset)
                return kept.read()
        except FileNotFoundError:
            return b""

    def _refuse_if_denied(self) -> None:
        for file in self._files.values():
            denied = file.with_suffix(f"{file.suffix}.refused")
            if denied.exists():
                raise VerificationError(_refusal(denied))


def _refusal(denied: Path) -> Refusal:
    try:
        return msgspec.json.decode(denied.read_bytes(), type=Refusal)
    except (OSError, *MALFORMED_JSON) as error:
        raise HostError(str(denied), got=error, want="why output was refused") from error


def runs(pods: Pods, pod: str) -> bool:
    """Whether a pod's containers run, and somebody keeps their output."""
    known = pods.read(pod)
    return known.state is PodState.RUNNING and (known.keeper is None or known.keeper.alive)


def ended(pods: Pods, pod: str) -> int:
    """Wait until all containers have ended; give the first one's exit code, 255 when unknown."""
    while runs(pods, pod):
        time.sleep(_PAUSE)
    code = pods.read(pod).containers[0].exit_code
    return 255 if code is None else code
