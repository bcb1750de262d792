"""Process 1 of the pod VM, and its only daemon: everything the guest does is composed here.

Order is security: mounts, modules, user data, initdata bound to the TEE, and only then a network.
Whatever goes wrong is told on the console, and the machine is powered off; there is no shell to
fall into and nothing to retry by hand.
"""

import gc
import os
from typing import TYPE_CHECKING, Final

from casemate.guest import lean

lean.leave_out()  # before whatever imports what it leaves out

from casemate.guest import machine  # noqa: E402
from casemate.guest.console import Console  # noqa: E402
from casemate.linux import power  # noqa: E402
from casemate.trace import Station  # noqa: E402

if TYPE_CHECKING:
    from concurrent.futures import Future

_ENVIRONMENT: Final = {"HOME": "/root", "LANG": "C.UTF-8", "TMPDIR": "/tmp"}  # noqa: S108  # ours alone


def main() -> int:
    """Run the pod; never returns, the machine ends with it."""
    gc.disable()  # until the pod is ready: collecting amid imports costs a quarter of their time
    console = None
    station = Station.BOOT
    try:
        machine.mount_all()
        console = Console.open()
        console.end(Station.BOOT, "userland")
        machine.load_modules()
        machine.harden()
        os.environ.update(_ENVIRONMENT)
        station = Station.INITDATA
        _run(console, _sealing_scratch())
    except BaseException as error:  # noqa: BLE001  # process 1 has nobody to pass it to
        (console or Console.open()).fatal(station, error)
    power.off()


def _sealing_scratch() -> "Future[bool]":
    """Begin to seal the scratch disk, if there is one: it takes as long as our imports do."""
    from concurrent.futures import Future
    from threading import Thread

    sealed: Future[bool] = Future()

    def seal() -> None:
        try:
            from casemate.guest.storage import scratch

            sealed.set_result(scratch.prepare_if_present(_load_modules))
        except Exception as error:  # noqa: BLE001  # told to whoever waits for the disk
            sealed.set_exception(error)

    Thread(target=seal, name="scratch", daemon=True).start()
    return sealed


def _load_modules() -> None:
    machine.load_modules(machine.SCRATCH_MODULES)


def _run(console: Console, sealed: "Future[bool]") -> None:
    """Import what takes time, after the console has shown a sign of life."""
    import asyncio

    from casemate.guest.pod import serve

    asyncio.run(serve(console, sealed))


if __name__ == "__main__":
    main()
