"""A conversation with a service that verifies in our place: pure questions, asked elsewhere.

A document is fetched by one question (``want``). Where a service first gives a session, then takes
evidence, then is asked for its verdict, the protocol is a generator: it yields a question, is sent
the reply, and returns the answer. So it does no IO, and whoever holds it knows nothing of it.
"""

from collections.abc import Callable, Generator
from typing import NamedTuple

import msgspec

from casemate.tee.evidence import Answer, Inputs


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP request."""

    method: str = "GET"
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    largest: int = 1 << 20
    """Bytes of the answer that are read."""
    again: bool = True
    """It may be asked once more although the service may have acted upon it."""
    pause: float = 0.0
    """Seconds to wait before."""


class Reply(msgspec.Struct, frozen=True):
    """A whole answer, whatever its status. Header names are lower case."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str:
        """Give the first header of that (lower-case) name; empty without one."""
        return next((value for key, value in self.headers if key == name), "")


Talk = Generator[Question, Reply, Answer]
"""Raises PeerError when the service breaks its protocol, refuses, or cannot answer."""


class Conversation(NamedTuple):
    """What is said, and to whom."""

    url: str
    """The service, for people."""
    authorities: str
    """PEM certificates that its TLS chain must end in; the system's when empty."""
    talk: Talk


Converse = Callable[[bytes, Inputs], Conversation | None]
"""Evidence → a conversation about it; None when the options name no service.

Raises VerificationError or PeerError where evidence must be refused before anybody is asked.
"""
