"""configfs-tsm as Linux behaves (drivers/virt/coco/tsm.c): folders, attributes, generations."""

import errno
from collections.abc import Callable
from pathlib import Path

from tests.sim.devices.memory import refused

Answer = Callable[[bytes], tuple[bytes, bytes]]
"""``inblob`` → ``outblob`` and ``auxblob``."""


class FakeConfigfs:
    """The tree below ``/sys/kernel/config/tsm/report``, with one provider or none."""

    def __init__(self, provider: str | None, answer: Answer | None = None) -> None:
        self._provider = provider
        self._answer = answer or (lambda data: (data, b""))
        self.folders: dict[Path, dict[str, bytes]] = {}
        self.generations: dict[Path, int] = {}
        self.failures: list[int] = []
        """What next reads of ``outblob`` fail with."""
        self.intruder = False
        """Another process writes an ``inblob`` of its own before ours is answered."""
        self.privileges: list[bytes] = []

    def make(self, folder: Path) -> None:
        if self._provider is None:
            raise refused(errno.ENXIO)
        if folder in self.folders:
            raise refused(errno.EEXIST)
        self.folders[folder] = {}
        self.generations[folder] = 0

    def write(self, file: Path, content: bytes) -> None:
        self._within(file)
        if file.name == "inblob":
            if not 0 < len(content) <= 64:
                raise refused(errno.EINVAL)
        elif file.name == "privlevel":
            if self._provider != "sev_guest":
                raise refused(errno.EACCES)
            if not content.strip().isdigit() or int(content) > 3:
                raise refused(errno.EINVAL)
            self.privileges.append(content)
        else:
            raise refused(errno.EACCES)
        self.folders[file.parent][file.name] = content
        self.generations[file.parent] += 1

    def read(self, file: Path) -> bytes:
        attributes = self._within(file)
        match file.name:
            case "provider":
                return f"{self._provider}\n".encode()
            case "generation":
                return b"%d\n" % self.generations[file.parent]
            case "outblob" | "auxblob":
                return self._blob(file, attributes)
            case _:
                raise refused(errno.ENOENT)

    def remove(self, folder: Path) -> None:
        del self.folders[folder]

    def _blob(self, file: Path, attributes: dict[str, bytes]) -> bytes:
        if file.name == "auxblob" and self._provider != "sev_guest":
            raise refused(errno.ENOENT)
        if "inblob" not in attributes:
            raise refused(errno.EINVAL)
        if file.name == "outblob" and self.failures:
            raise refused(self.failures.pop(0))
        if self.intruder:
            self.write(file.with_name("inblob"), b"another's")
            self.intruder = False
        report, auxiliary = self._answer(attributes["inblob"].ljust(64, b"\0"))
        return report if file.name == "outblob" else auxiliary

    def _within(self, file: Path) -> dict[str, bytes]:
        if file.parent not in self.folders:
            raise refused(errno.ENOENT)
        return self.folders[file.parent]
