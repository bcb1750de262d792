"""What agent and vault say to each other before the network: the initdata, and that it is bound.

The agent has read the initdata and gives it on byte for byte; the vault, which alone touches the
TEE, binds what it was given, opens the network and says so. It does this before it has imported
the rest of itself, since the agent waits for it. Then the pair carries ttrpc (hub_client.py).

One message each way: 8 bytes, little-endian, one more than the size of the initdata (0: none is
there), and the TOML; the answer is one byte. The two are parted before either has read anything.
"""

from typing import Final, Protocol

from casemate.crypto.digest import Digest
from casemate.errors import HostError
from casemate.net.unix import Channel
from casemate.wire import initdata
from casemate.wire.initdata import Initdata

_SIZE: Final = 8
_BOUND: Final = b"\1"


class Binds(Protocol):
    """The part of an attester that binds."""

    def bind_init_data(self, digest: Digest) -> None: ...


def offer(channel: Channel, document: Initdata | None) -> None:
    """Give the initdata to the vault.

    Raises:
        HostError: the vault is gone.
    """
    size = 0 if document is None else len(document.raw) + 1
    try:
        channel.sendall(size.to_bytes(_SIZE, "little"))
        if document is not None:
            channel.sendall(document.raw)
    except OSError as error:
        raise _gone(error, "vault") from error


def receive(channel: Channel) -> Initdata | None:
    """Take the initdata that the agent gives; blocks until it is there.

    Raises:
        HostError: the agent is gone.
        InputError: what came is no initdata.
    """
    size = int.from_bytes(_exactly(channel, _SIZE, "agent"), "little")
    if size == 0:
        return None
    if size - 1 > initdata.LARGEST:
        raise _gone(f"{size} bytes", "agent")
    return initdata.parse(_exactly(channel, size - 1, "agent"))


def bind(document: Initdata | None, attester: Binds) -> None:
    """Bind the initdata to the TEE, once.

    Raises:
        HostError: the TEE refuses; the pod must not go on.
    """
    if document is not None:
        attester.bind_init_data(document.digest)


def told(document: Initdata | None) -> str:
    """Say what was bound, for people."""
    return "bound none" if document is None else f"bound {document.digest}"


def confirm(channel: Channel) -> None:
    """Say to the agent that the initdata is bound and the network open.

    Raises:
        HostError: the agent is gone.
    """
    try:
        channel.sendall(_BOUND)
    except OSError as error:
        raise _gone(error, "agent") from error


def await_bound(channel: Channel) -> None:
    """Block until the vault has bound the initdata; before that nobody may be served.

    Raises:
        HostError: the vault ended instead, and told why on the console.
    """
    answer = _exactly(channel, len(_BOUND), "vault")
    if answer != _BOUND:
        raise _gone(answer, "vault")


def _exactly(channel: Channel, size: int, peer: str) -> bytes:
    found = bytearray()
    while len(found) < size:
        try:
            more = channel.recv(size - len(found))
        except OSError as error:
            raise _gone(error, peer) from error
        if not more:
            raise _gone("the end of the channel", peer)
        found += more
    return bytes(found)


def _gone(got: object, peer: str) -> HostError:
    return HostError(peer, got=got, want="the process beside this one to go on")
