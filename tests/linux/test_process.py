import asyncio
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from casemate.errors import HostError
from casemate.linux import process, program

PYTHON = sys.executable


def test_output_and_status_come_back() -> None:
    done = program.run([PYTHON, "-c", "print('out')"], timeout=30)
    assert (done.status, done.stdout) == (0, b"out\n")


def test_standard_input_is_given() -> None:
    done = program.run(["cat"], input=b"\0bytes", timeout=30)
    assert done.stdout == b"\0bytes"


def test_bad_end_names_the_command_and_what_it_said() -> None:
    script = "import sys; print('disk is full', file=sys.stderr); sys.exit(3)"
    with pytest.raises(HostError) as caught:
        program.run([PYTHON, "-c", script], timeout=30)
    assert "disk is full" in str(caught.value)
    assert "status 3" in str(caught.value)
    assert PYTHON in caught.value.where


def test_bad_end_is_a_value_where_wished() -> None:
    assert program.run(["false"], timeout=30, check=False).status == 1


def test_missing_program_names_the_package_to_install() -> None:
    program.find("cat")
    with pytest.raises(HostError, match="apt-get install no-such-program"):
        program.run(["no-such-program"], timeout=1)


def test_command_can_be_pasted() -> None:
    done = program.run(["echo", "a b", "$c"], timeout=30)
    assert done.command.endswith("echo 'a b' '$c'")


def test_our_environment_stays_with_us(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CASEMATE_SECRET", "hidden")
    done = program.run(["env"], timeout=30, env={"ADDED": "yes"})
    assert b"hidden" not in done.stdout
    assert b"ADDED=yes" in done.stdout
    assert b"PATH=" in done.stdout


def test_slow_program_is_killed_with_its_children(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    script = f"sleep 60 & echo $! > {note}; wait"
    with pytest.raises(HostError, match=r"within 0\.5 s"):
        program.run(["sh", "-c", script], timeout=0.5)
    assert _gone(int(note.read_text()))


def test_folder_that_is_missing_is_the_hosts_mistake(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="program that starts"):
        program.run(["true"], cwd=tmp_path / "nowhere", timeout=1)


async def test_loop_goes_on_while_a_program_runs() -> None:
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.01)
            ticks += 1

    ticking = asyncio.ensure_future(tick())
    done = await process.run_async(["sleep", "0.2"], timeout=30)
    ticking.cancel()
    assert done.status == 0
    assert ticks > 2


async def test_slow_program_is_killed_from_the_loop() -> None:
    with pytest.raises(HostError, match="still running"):
        await process.run_async(["sleep", "60"], timeout=0.2)


async def test_child_is_asked_to_end() -> None:
    child = await process.Child.spawn(["sleep", "60"])
    assert child.status is None
    assert await child.terminate() == -signal.SIGTERM


async def test_child_that_does_not_listen_is_made_to_end() -> None:
    script = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "print('ready', flush=True); time.sleep(60)"
    )
    child = await process.Child.spawn([PYTHON, "-c", script])
    assert child.stdout is not None
    await child.stdout.readline()
    assert await child.terminate(grace=0.2) == -signal.SIGKILL


async def test_ending_an_ended_child_gives_its_status() -> None:
    child = await process.Child.spawn(["false"])
    await child.wait()
    assert await child.terminate() == 1


async def test_child_dies_with_a_killed_parent() -> None:
    script = (
        "import asyncio\n"
        "from casemate.linux.process import Child\n"
        "async def main():\n"
        "    child = await Child.spawn(['sleep', '60'])\n"
        "    print(child.pid, flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    parent = await process.Child.spawn([PYTHON, "-c", script])
    assert parent.stdout is not None
    pid = int(await parent.stdout.readline())
    assert await asyncio.to_thread(_became, pid, "sleep")  # setpriv has asked the kernel
    os.kill(parent.pid, signal.SIGKILL)
    await parent.wait()
    assert await asyncio.to_thread(_gone, pid)


def _became(pid: int, name: str) -> bool:
    end = time.monotonic() + 5
    while time.monotonic() < end:
        if Path(f"/proc/{pid}/comm").read_text().strip() == name:
            return True
        time.sleep(0.01)
    return False


def _gone(pid: int) -> bool:
    end = time.monotonic() + 5
    while time.monotonic() < end:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False
