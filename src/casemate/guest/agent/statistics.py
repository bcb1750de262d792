"""Usage of a container in the agent API's shapes (runtime.md §5.2)."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from casemate.linux.cgroup import Usage
from casemate.wire.pb import agent_pb2

_MICRO: Final = 1000  # nanoseconds
_FIELDS: Final = ("bytes", "packets", "errors", "dropped")


def container(usage: Usage) -> agent_pb2.CgroupStats:
    """The numbers of one control group; times in nanoseconds, sizes in bytes."""
    memory = agent_pb2.MemoryData(
        usage=usage.memory, max_usage=usage.memory_peak, limit=usage.memory_limit
    )
    return agent_pb2.CgroupStats(
        cpu_stats=agent_pb2.CpuStats(
            cpu_usage=agent_pb2.CpuUsage(
                total_usage=usage.cpu_usec * _MICRO,
                usage_in_kernelmode=usage.cpu_system_usec * _MICRO,
                usage_in_usermode=usage.cpu_user_usec * _MICRO,
            ),
            throttling_data=agent_pb2.ThrottlingData(
                periods=usage.periods,
                throttled_periods=usage.throttled_periods,
                throttled_time=usage.throttled_usec * _MICRO,
            ),
        ),
        memory_stats=agent_pb2.MemoryStats(
            cache=usage.memory_stat.get("file", 0),
            usage=memory,
            swap_usage=agent_pb2.MemoryData(usage=usage.swap),
            use_hierarchy=True,
            stats=dict(usage.memory_stat),
        ),
        pids_stats=agent_pb2.PidsStats(current=usage.pids, limit=usage.pids_limit),
    )


def network(table: str | None = None) -> Iterator[agent_pb2.NetworkStats]:
    """The counters of each network card but the loopback (``/proc/net/dev``)."""
    text = Path("/proc/net/dev").read_text() if table is None else table
    for line in text.splitlines()[2:]:
        name, _, rest = line.partition(":")
        with suppress(ValueError, IndexError):
            values = [int(word) for word in rest.split()]
            counters = {f"rx_{f}": values[i] for i, f in enumerate(_FIELDS)}
            counters |= {f"tx_{f}": values[8 + i] for i, f in enumerate(_FIELDS)}
            if name.strip() != "lo":
                yield agent_pb2.NetworkStats(name=name.strip(), **counters)


def own(processes: Sequence[int | str] = ("self",), proc: Path = Path("/proc")) -> str:
    """Numbers of the guest's own processes together, as Prometheus text.

    Memory that processes share is counted once: each tells its proportional set (proc(5), Pss).
    """
    resident = sum(_number(proc / str(p) / "smaps_rollup", "Pss") for p in processes) * 1024
    threads = sum(_number(proc / str(p) / "status", "Threads") for p in processes)
    return (
        "# TYPE process_resident_memory_bytes gauge\n"
        f"process_resident_memory_bytes {resident}\n"
        "# TYPE process_threads gauge\n"
        f"process_threads {threads}\n"
    )


def _number(file: Path, row: str) -> int:
    lines = (line.split(":", 1) for line in file.read_text().splitlines() if ":" in line)
    return next(int(rest.split()[0]) for name, rest in lines if name == row)
