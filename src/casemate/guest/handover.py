"""What the vault does with the initdata before the network, and how the agent hears of it.

The vault is forked with the initdata that process 1 has read; the vault alone touches the TEE. It
binds them, opens the network and says so with one byte on the socket pair that only the two have.
It does this before it has imported the rest of itself, since the agent waits for it. Then the pair
carries ttrpc (hub_client.py).
"""

from typing import Final, Protocol

from casemate.crypto.digest import Digest
from casemate.errors import HostError
from casemate.net.unix import Channel
from casemate.wire.initdata import Initdata

_BOUND: Final = b"\1"


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
    try:
        answer = channel.recv(len(_BOUND))
    except OSError as error:
        raise _gone(error, "vault") from error
    if answer != _BOUND:
        raise _gone(answer or "the end of the channel", "vault")


def _gone(got: object, peer: str) -> HostError:
    return HostError(peer, got=got, want="the process beside this one to go on")
