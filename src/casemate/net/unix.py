"""Unix sockets by path: old ones replaced, modes set, paths of any length."""

import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeAlias

from casemate.errors import HostError, InputError, PeerError

_LONGEST_ADDRESS: Final = 107
"""Bytes of a path that fit into ``sun_path`` beside its terminating zero."""

_SCHEME: Final = "unix://"


Channel: TypeAlias = socket.socket
"""One end of a pair."""


def path_of(address: str) -> Path:
    """The path in an address like ``unix:///run/agent.sock``; a bare absolute path is taken too.

    Raises:
        InputError: another scheme, or a relative path.
    """
    text = address.removeprefix(_SCHEME)
    if not text.startswith("/"):
        raise InputError("socket address", got=address, want="unix:///absolute/path")
    return Path(text)


def listen(path: Path, *, mode: int = 0o600) -> socket.socket:
    """Bind a listening stream socket at ``path``; parents are made, an old socket is replaced.

    It appears there once it listens: whoever waits for it to be there can connect.

    Raises:
        HostError: the path cannot be bound, or something other than a socket is in the way.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f".{path.name}")
        remove(fresh)
        _require_replaceable(path)
        bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            with _short(fresh) as address:
                bound.bind(address)
            fresh.chmod(mode)
            bound.listen(128)
            bound.setblocking(False)
            fresh.replace(path)
        except BaseException:
            bound.close()
            raise
    except OSError as error:
        raise HostError(f"listen on {path}", got=error, want="a socket") from error
    return bound


def connect(path: Path) -> socket.socket:
    """Connect a stream socket to ``path``, non-blocking from then on.

    Raises:
        PeerError: nobody listens there.
    """
    connected = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        with _short(path) as address:
            connected.connect(address)
    except OSError as error:
        connected.close()
        raise PeerError(f"connect to {path}", got=error, want="a listening socket") from error
    connected.setblocking(False)
    return connected


def remove(path: Path) -> None:
    """Remove the socket at ``path``, if there is one.

    Raises:
        HostError: something other than a socket is there, or no socket can be.
    """
    _require_replaceable(path)
    path.unlink(missing_ok=True)


def _require_replaceable(path: Path) -> None:
    try:
        kind = path.lstat().st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise HostError(f"listen on {path}", got=error.strerror, want="a socket") from error
    if not stat.S_ISSOCK(kind):
        raise HostError(f"listen on {path}", got="a file that is no socket", want="a free path")


@contextmanager
def _short(path: Path) -> Iterator[str]:
    """An address for ``path`` that fits: through a descriptor of its folder when it is long."""
    if len(os.fsencode(path)) <= _LONGEST_ADDRESS:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def pair() -> tuple[Channel, Channel]:
    """Give a connected pair of stream sockets, for two processes that inherit one end each."""
    return socket.socketpair()
