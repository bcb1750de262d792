"""Process 1 of the pod VM: everything the guest does is composed here.

Order is security: mounts, modules, user data, initdata bound to the TEE, and only then a network.
Whatever goes wrong is told on the console, and the machine is powered off; there is no shell to
fall into and nothing to retry by hand.

Three processes, all forked from this one, so that both processors import and nothing is imported
twice that two of them need: the scratch disk is sealed by one that then ends, the vault
(``guest/vault.py``) attests and holds what the pod is given for it, and process 1 is the agent.
"""

import os
from collections.abc import Callable
from typing import Final

from casemate.guest import lean

lean.leave_out()  # before whatever imports what it leaves out

from casemate.guest import machine  # noqa: E402
from casemate.guest.console import Console  # noqa: E402
from casemate.linux import fork, power  # noqa: E402
from casemate.trace import Station  # noqa: E402

_ENVIRONMENT: Final = {"HOME": "/root", "LANG": "C.UTF-8", "TMPDIR": "/tmp"}  # noqa: S108  # ours alone


def main() -> int:
    """Run the pod; never returns, the machine ends with it."""
    console = None
    station = Station.BOOT
    try:
        machine.mount_all()
        console = Console.open()
        console.end(Station.BOOT, "userland")
        loading = _beside(console, Station.BOOT, _load_modules)
        machine.harden()
        os.environ.update(_ENVIRONMENT)
        sealing = _beside(console, Station.BOOT, _seal)
        _load_shared()
        fork.join(loading, "kernel modules")
        station = Station.INITDATA
        _run(console, sealing)
    except BaseException as error:  # noqa: BLE001  # process 1 has nobody to pass it to
        (console or Console.open()).fatal(station, error)
    power.off()


def _beside(console: Console, station: Station, run: Callable[[], int]) -> int:
    """Do something in a process of its own, which tells by itself why it failed."""

    def told() -> int:
        try:
            return run()
        except BaseException as error:
            console.fatal(station, error)
            raise

    return fork.begin(told)


def _load_modules() -> int:
    machine.load_modules()
    return 0


def _seal() -> int:
    from casemate.guest.storage import sealing

    return sealing.run()


def _load_shared() -> None:
    """Import what both processes need that stay; each imports its own after they have parted."""
    from casemate.guest import shared  # noqa: F401


def _run(console: Console, sealing: int) -> None:
    import asyncio

    from casemate.guest import provision
    from casemate.net import unix

    given, attester = provision.receive(console)
    ours, theirs = unix.pair()

    def keep_vault() -> int:
        from casemate.guest.vault import serve

        asyncio.run(serve(given, attester, console, theirs))
        return 0

    with ours:
        with theirs:
            vault = _beside(console, Station.ATTEST, keep_vault)
        from casemate.guest.pod import Beside, serve

        beside = Beside(sealing=sealing, vault=vault, channel=ours)
        asyncio.run(serve(given, console, beside))


if __name__ == "__main__":
    main()
