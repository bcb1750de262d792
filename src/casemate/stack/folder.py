"""The state folder: every path of a local stack, and the record of what was started from it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from casemate import files
from casemate.errors import MALFORMED_JSON, HostError
from casemate.linux import lock
from casemate.linux.daemon import Daemon


class Service(msgspec.Struct, frozen=True, kw_only=True):
    """One daemon of the stack, as it was started."""

    name: str
    daemon: Daemon
    address: str
    """Where it listens: a URL or the path of a socket."""
    log: str
    """Path of the file that its outputs go to."""


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What ``up`` started. Ports stay the same over a restart: image names carry one."""

    trustee_port: int = 0
    registry_port: int = 0
    services: tuple[Service, ...] = ()

    def service(self, name: str) -> Service | None:
        """Give the daemon of that name, if it was started and still runs."""
        return next((s for s in self.services if s.name == name and s.daemon.alive), None)


@dataclass(frozen=True, slots=True)
class StateFolder:
    """Paths below one folder. Making one touches no disk."""

    root: Path

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def trustee(self) -> Path:
        """The Trustee's own folder: on a real site it stands on another machine."""
        return self.root / "trustee"

    @property
    def owner(self) -> Path:
        """Keys and documents of the pod's owner: on a real site, the owner's machine."""
        return self.root / "owner"

    @property
    def registry(self) -> Path:
        return self.root / "registry"

    @property
    def platform(self) -> Path:
        """The local platform's authority, which certifies attestation keys of its TPMs."""
        return self.root / "platform"

    @property
    def pods(self) -> Path:
        return self.root / "pods"

    @property
    def adaptor_socket(self) -> Path:
        return self.root / "adaptor.sock"

    @property
    def _record(self) -> Path:
        return self.root / "stack.json"

    @contextmanager
    def held(self, purpose: str) -> Iterator[None]:
        """Make the folder and hold it: one command at a time starts and stops things here.

        Raises:
            HostError: another command holds it; the message names its pid.
            OSError: the folder cannot be made.
        """
        self._make()
        with lock.hold(self.root / "lock", purpose=purpose):
            yield

    def read(self) -> Record:
        """Read the record; an empty one where nothing was ever started.

        Raises:
            HostError: the record is damaged.
        """
        try:
            return msgspec.json.decode(self._record.read_bytes(), type=Record)
        except FileNotFoundError:
            return Record()
        except MALFORMED_JSON as error:
            raise HostError(
                str(self._record),
                got=error,
                want="the record of a stack",
                remedy="Stop what still runs by hand, then remove this file.",
            ) from error

    def write(self, record: Record) -> None:
        """Replace the record: readers see the old one or the new one, never half of one."""
        files.replace(self._record, msgspec.json.encode(record))

    def _make(self) -> None:
        for folder in (self.root, self.logs, self.owner, self.pods):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.root.chmod(0o700)
