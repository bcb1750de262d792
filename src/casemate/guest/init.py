"""Process 1 of the pod VM: everything the guest does is composed here.

Order is security: mounts, modules, user data, initdata bound to the TEE, and only then a network.
Whatever goes wrong is told on the console, and the machine is powered off; there is no shell to
fall into and nothing to retry by hand.

The kernel modules are loaded beside us, by a process that the initrd's program began and that we
find as our child. Two more are forked from this one: one seals the scratch disk and ends. The vault
(``guest/vault.py``) attests and holds what the pod is given for it; process 1 is the agent
(``guest/pod.py``). These two part before anything is imported, since importing is most of what a
start costs and there are two processors.
"""

import os
from _socket import AF_UNIX, SOCK_STREAM, socketpair  # ``socket`` is a tenth of a second, emulated
from collections.abc import Callable
from typing import Final

from casemate.guest import lean

lean.leave_out()  # before whatever imports what it leaves out

from casemate.linux import fork  # noqa: E402

_ENVIRONMENT: Final = {"HOME": "/root", "LANG": "C.UTF-8", "TMPDIR": "/tmp"}  # noqa: S108  # ours alone

_LOADING: Final = "CASEMATE_LOADING"
"""The process that loads the modules, as ``podvm/initrd/init.c`` names it in our environment."""


def main() -> int:
    """Run the pod; never returns, the machine ends with it."""
    os.environ.update(_ENVIRONMENT)
    ours, theirs = (end.detach() for end in socketpair(AF_UNIX, SOCK_STREAM))
    vault = fork.begin(lambda: _keep_vault(ours, theirs))
    os.close(theirs)
    _be_agent(ours, vault)
    from casemate.linux import power

    power.off()


def _keep_vault(ours: int, theirs: int) -> int:
    """Be the vault; what the agent does not import first: it makes the rest quick meanwhile."""
    station = "initdata"
    try:
        os.close(ours)
        import casemate.crypto.native  # noqa: F401
        from casemate.guest import handover, network
        from casemate.guest.console import Console
        from casemate.net.unix import Channel
        from casemate.tee import attesters
        from casemate.trace import Station

        agent = Channel(fileno=theirs)
        given = handover.receive(agent)
        found = attesters.detect_and_tell()
        console = Console.open()
        console.note(Station.INITDATA, found.told())
        handover.bind(given, found.attester)
        network.configure()  # the vault is the first that needs it
        console.end(Station.INITDATA, handover.told(given))
        handover.confirm(agent)
        station = "attest"
        import asyncio

        from casemate.guest import vault

        asyncio.run(vault.serve(given, found.attester, console, agent))
    except BaseException as error:
        _tell(station, error)
        raise
    return 0


def _be_agent(channel: int, vault: int) -> None:
    station = "boot"
    try:
        from casemate.guest import machine
        from casemate.guest.console import Console
        from casemate.trace import Station

        machine.mount_all()
        console = Console.open()
        console.end(Station.BOOT, "userland")
        fork.join(int(os.environ.pop(_LOADING)), "kernel modules")
        sealing = _beside(_seal, channel)
        machine.harden()
        from casemate.guest import handover, provision
        from casemate.net.unix import Channel

        station = "initdata"
        given = provision.receive(console)
        beside = Channel(fileno=channel)
        handover.offer(beside, given.initdata)
        import asyncio  # while the vault binds

        from casemate.guest import pod

        handover.await_bound(beside)
        station = "serve"
        asyncio.run(pod.serve(given, console, pod.Beside(sealing, vault, beside)))
    except BaseException as error:  # noqa: BLE001  # process 1 has nobody to pass it to
        _tell(station, error)


def _beside(run: Callable[[], int], channel: int) -> int:
    """Do something in a process of its own, which tells by itself why it failed.

    The channel is for agent and vault alone.
    """

    def told() -> int:
        try:
            os.close(channel)
            return run()
        except BaseException as error:
            _tell("boot", error)
            raise

    return fork.begin(told)


def _tell(station: str, error: BaseException) -> None:
    from casemate.guest.console import Console
    from casemate.trace import Station

    Console.open().fatal(Station(station), error)


def _seal() -> int:
    from casemate.guest.storage import sealing

    return sealing.run()


if __name__ == "__main__":
    main()
