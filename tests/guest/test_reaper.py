import asyncio
import os
import subprocess
import time

from casemate.guest.reaper import Reaper, zombies


def ended() -> int:
    process = subprocess.Popen(["true"])
    for _ in range(500):
        if process.pid in set(zombies()):
            break
        time.sleep(0.01)
    process.returncode = 0  # nobody waits for it from here on
    return process.pid


def waited_for(pid: int) -> bool:
    return os.waitpid(pid, os.WNOHANG)[0] == pid


async def test_zombie_seen_twice_is_nobodys_and_reaped() -> None:
    pid = ended()
    reaper = Reaper(second_look=0.05)
    reaper.wake()
    for _ in range(100):
        await asyncio.sleep(0.05)
        if pid not in set(zombies()):
            break
    assert pid not in set(zombies())


async def test_child_with_an_owner_is_left_to_it() -> None:
    pid = ended()
    reaper = Reaper(second_look=60)
    reaper.wake()
    await asyncio.sleep(0.05)
    assert waited_for(pid)
