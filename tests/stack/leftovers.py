"""What a stack can leave behind: processes, mounts, loop devices."""

from pathlib import Path

from tests.sim.small_disk import SOURCE


def running_for(state: Path) -> list[str]:
    """Command lines of processes that name the state folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if str(state) in line:
            found.append(line)
    return found


def kernel_objects() -> list[str]:
    """Mounts and loop devices with a file, but for disks of tests that run beside this one."""
    mounts = Path("/proc/self/mounts").read_text().splitlines()
    loops = (str(path) for path in Path("/sys/block").glob("loop*/loop/backing_file"))
    return sorted([*(m for m in mounts if not m.startswith(SOURCE)), *loops])
