"""What the vault does with the initdata before the network, and how the two hear of each other.

The vault is forked with the initdata that process 1 has read; the vault alone touches the TEE. It
binds them and says so with one byte on the socket pair that only the two have. It does this before
it has imported the rest of itself, since the agent waits for it. The agent opens the network then,
while the vault imports, and says so with one byte too. After that the pair carries calls
(wire/vault_call.py).
"""

from typing import Final, Protocol

from casemate.crypto.digest import Digest
from casemate.errors import HostError
from casemate.net.unix import Channel
from casemate.wire.initdata import Initdata

_BOUND: Final = b"\1"
_NETWORK: Final = b"\2"


class Binds(Protocol):
    """The part of an attester that binds."""

    def bind_init_data(self, digest: Digest) -> None: ...


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


def confirm_bound(channel: Channel) -> None:
    """Say to the agent that the initdata is bound.

    Raises:
        HostError: the agent is gone.
    """
    _say(channel, _BOUND, "agent")


def await_bound(channel: Channel) -> None:
    """Block until the vault has bound the initdata; no network before that.

    Raises:
        HostError: the vault ended instead, and told why on the console.
    """
    _hear(channel, _BOUND, "vault")


def confirm_network(channel: Channel) -> None:
    """Say to the vault that the network is open.

    Raises:
        HostError: the vault is gone.
    """
    _say(channel, _NETWORK, "vault")


def await_network(channel: Channel) -> None:
    """Block until the agent has opened the network.

    Raises:
        HostError: the agent is gone.
    """
    _hear(channel, _NETWORK, "agent")


def _say(channel: Channel, word: bytes, peer: str) -> None:
    try:
        channel.sendall(word)
    except OSError as error:
        raise _gone(error, peer) from error


def _hear(channel: Channel, word: bytes, peer: str) -> None:
    try:
        heard = channel.recv(len(word))
    except OSError as error:
        raise _gone(error, peer) from error
    if heard != word:
        raise _gone(heard or "the end of the channel", peer)


def _gone(got: object, peer: str) -> HostError:
    return HostError(peer, got=got, want="the process beside this one to go on")
