"""Process 1 of the pod VM: everything the guest does is composed here.

Order is security: mounts, modules, user data, initdata bound to the TEE, and only then a network.
Whatever goes wrong is told on the console, and the machine is powered off; there is no shell to
fall into and nothing to retry by hand.

Beside us run two processes that the initrd's program began and that we find as our children: one
readies the machine (kernel modules, mounts, hardening), one seals the scratch disk. The vault
(``guest/vault.py``) is forked from this one: it attests and holds what the pod is given for it;
process 1 is the agent (``guest/pod.py``). These two part as soon as what both need is imported and
the initdata are read: importing is most of what a start costs, and no secret is there yet.
"""

from casemate.guest import named_tuples

named_tuples.put_in_place()  # before functools makes the first of them

from casemate.guest import lean  # noqa: E402

lean.leave_out()  # before whatever imports what it leaves out

import os  # noqa: E402
from _socket import AF_UNIX, SOCK_STREAM, socketpair  # noqa: E402  # ``socket`` is ten times as much
from typing import TYPE_CHECKING, Final  # noqa: E402

from casemate.linux import fork  # noqa: E402

if TYPE_CHECKING:
    from casemate.guest.console import Console
    from casemate.wire.initdata import Initdata

_ENVIRONMENT: Final = {"HOME": "/root", "LANG": "C.UTF-8", "TMPDIR": "/tmp"}  # noqa: S108  # ours alone

_READYING: Final = "CASEMATE_READYING"
_SEALING: Final = "CASEMATE_SEALING"
"""The processes beside us, as ``podvm/initrd/init.c`` names them in our environment."""


def main() -> int:
    """Run the pod; never returns, the machine ends with it."""
    os.environ.update(_ENVIRONMENT)
    _run()
    from casemate.linux import power

    power.off()


def _run() -> None:
    station = "boot"
    try:
        sealing = int(os.environ.pop(_SEALING))
        import asyncio

        from casemate.guest import handover, provision
        from casemate.guest.console import Console
        from casemate.net.unix import Channel
        from casemate.trace import Station

        fork.join(int(os.environ.pop(_READYING)), "modules, mounts and kernel settings")
        console = Console.open()
        console.end(Station.BOOT, "userland")
        station = "initdata"
        given, files = provision.receive(console)
        ours, theirs = (end.detach() for end in socketpair(AF_UNIX, SOCK_STREAM))
        vault = fork.begin(lambda: _keep_vault(given.initdata, console, ours, theirs))
        os.close(theirs)
        provision.write(given, files)  # the vault reads none before it hears of the network
        from casemate.guest import pod  # while the vault binds

        beside = Channel(fileno=ours)
        handover.await_bound(beside)
        station = "connect"
        from casemate.guest import network

        network.configure()
        handover.confirm_network(beside)
        station = "serve"
        asyncio.run(pod.serve(given, console, pod.Beside(sealing, vault, beside)))
    except BaseException as error:  # noqa: BLE001  # process 1 has nobody to pass it to
        _tell(station, error)


def _keep_vault(initdata: "Initdata | None", console: "Console", ours: int, theirs: int) -> int:
    station = "initdata"
    try:
        os.close(ours)
        import asyncio

        from casemate.guest import handover
        from casemate.net.unix import Channel
        from casemate.tee import attesters
        from casemate.trace import Station

        agent = Channel(fileno=theirs)
        found = attesters.detect_and_tell()
        console.note(Station.INITDATA, found.told())
        handover.bind(initdata, found.attester)
        console.end(Station.INITDATA, handover.told(initdata))
        handover.confirm_bound(agent)
        station = "attest"
        from casemate.guest import vault

        handover.await_network(agent)
        asyncio.run(vault.serve(initdata, found.attester, console, agent))
    except BaseException as error:
        _tell(station, error)
        raise
    return 0


def _tell(station: str, error: BaseException) -> None:
    from casemate.guest.console import Console
    from casemate.trace import Station

    Console.open().fatal(Station(station), error)


if __name__ == "__main__":
    main()
