"""Namespaces that outlive whoever made them: kept by a mount on a file."""

import threading
from pathlib import Path
from types import MappingProxyType
from typing import Final

from casemate.errors import HostError
from casemate.linux import libc

_KINDS: Final = MappingProxyType({"ipc": libc.CLONE_NEWIPC, "uts": libc.CLONE_NEWUTS})


def persist(kind: str, file: Path, *, hostname: str = "") -> None:
    """Make a namespace of ``kind`` (ipc, uts) and keep it at ``file``.

    It is made by a thread of its own, which alone enters it. ``hostname`` names a uts namespace.

    Raises:
        HostError: the kernel refuses, or the file cannot be made.
    """
    failures: list[OSError] = []

    def make() -> None:
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()
            libc.unshare(_KINDS[kind])
            if hostname and kind == "uts":
                libc.sethostname(hostname)
            libc.mount(f"/proc/thread-self/ns/{kind}", str(file), "", libc.MS_BIND, "")
        except OSError as error:
            failures.append(error)

    thread = threading.Thread(target=make, name=f"{kind} namespace")
    thread.start()
    thread.join()
    if failures:
        raise HostError(f"{kind} namespace", got=failures[0], want="one of our own")
