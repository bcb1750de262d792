"""Control groups, version 2: what a group has used (cgroup-v2.rst)."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

ROOT: Final = Path("/sys/fs/cgroup")
_UNLIMITED: Final = (1 << 64) - 1


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Readings of one group. Bytes, and microseconds; no limit is 2^64 - 1."""

    cpu_usec: int
    cpu_user_usec: int
    cpu_system_usec: int
    periods: int
    throttled_periods: int
    throttled_usec: int
    memory: int
    memory_peak: int
    memory_limit: int
    swap: int
    memory_stat: Mapping[str, int]
    pids: int
    pids_limit: int
    oom_kills: int


def read(group: Path) -> Usage:
    """Read a group; what it does not account for is 0."""
    cpu = _flat(group / "cpu.stat")
    return Usage(
        cpu_usec=cpu.get("usage_usec", 0),
        cpu_user_usec=cpu.get("user_usec", 0),
        cpu_system_usec=cpu.get("system_usec", 0),
        periods=cpu.get("nr_periods", 0),
        throttled_periods=cpu.get("nr_throttled", 0),
        throttled_usec=cpu.get("throttled_usec", 0),
        memory=_number(group / "memory.current"),
        memory_peak=_number(group / "memory.peak"),
        memory_limit=_number(group / "memory.max"),
        swap=_number(group / "memory.swap.current"),
        memory_stat=_flat(group / "memory.stat"),
        pids=_number(group / "pids.current"),
        pids_limit=_number(group / "pids.max"),
        oom_kills=_flat(group / "memory.events").get("oom_kill", 0),
    )


def _number(file: Path) -> int:
    with suppress(OSError, ValueError):
        text = file.read_text().strip()
        return _UNLIMITED if text == "max" else int(text)
    return 0


def _flat(file: Path) -> dict[str, int]:
    """A file of ``key value`` lines."""
    values: dict[str, int] = {}
    with suppress(OSError, ValueError):
        for line in file.read_text().splitlines():
            key, _, value = line.partition(" ")
            values[key] = int(value)
    return values
