"""Sessions of the handshake (trustee spec §3.6): authed, then attested, then ended by time."""

import base64
import os
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

import msgspec

from casemate.errors import HostError
from casemate.trustee.storage import Storage
from casemate.wire.kbs import EMPTY_PARAMETERS, Challenge, Request

_NONCE: Final = 32
_SWEEP: Final = 60.0  # seconds between two sweeps of ended sessions


class Authed(msgspec.Struct, frozen=True):
    """A challenge was given and has not been answered."""

    request: Request
    challenge: Challenge
    id: str
    timeout: str


class Attested(msgspec.Struct, frozen=True):
    """The challenge was answered; the token is kept for the session's rest."""

    token: str
    id: str
    timeout: str


class _Record(msgspec.Struct, frozen=True, omit_defaults=True):
    """Externally tagged, as upstream stores it: exactly one member."""

    authed: Authed | None = msgspec.field(default=None, name="Authed")
    attested: Attested | None = msgspec.field(default=None, name="Attested")


_RECORD: Final = msgspec.json.Decoder(_Record)


class Sessions:
    """Sessions over a storage. At most ``most`` at a time; ``lifetime`` is in seconds."""

    def __init__(
        self,
        storage: Storage,
        *,
        lifetime: float,
        most: int,
        clock: Callable[[], float],
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._storage = storage
        self._lifetime = lifetime
        self._most = most
        self._clock = clock
        self._random = random
        self._count = storage.sweep_sessions(now=clock())
        self._swept = clock()

    def open(
        self, request: Request, *, nonce: Callable[[str], str | None], parameters: msgspec.Raw
    ) -> tuple[Authed, float]:
        """Begin a session; give it and the time it ends (seconds since the epoch).

        Args:
            request: what was asked.
            nonce: the session's id → its nonce, or None for 32 random bytes in base64.
            parameters: ``extra-params`` of the challenge.

        Raises:
            HostError: there are too many.
        """
        now = self._clock()
        self._make_room(now)
        expires = now + self._lifetime
        name = uuid.UUID(bytes=self._random(16), version=4).hex
        text = nonce(name) or base64.b64encode(self._random(_NONCE)).decode("ascii")
        session = Authed(
            request=msgspec.structs.replace(request, extra_params=EMPTY_PARAMETERS),
            challenge=Challenge(text, parameters),
            id=name,
            timeout=datetime.fromtimestamp(expires, UTC).isoformat(),
        )
        self._put(_Record(authed=session), session.id, expires)
        self._count += 1
        return session, expires

    def find(self, name: str) -> Authed | Attested | None:
        """Give a session that has not ended."""
        found = self._storage.get_session(name, now=self._clock())
        if found is None:
            return None
        record = _RECORD.decode(found)
        return record.attested or record.authed

    def attested(self, session: Authed, token: str) -> None:
        """Move a session on; it ends when it would have ended anyway."""
        record = _Record(attested=Attested(token, session.id, session.timeout))
        self._put(record, session.id, datetime.fromisoformat(session.timeout).timestamp())

    def _put(self, record: _Record, name: str, expires: float) -> None:
        self._storage.put_session(name, msgspec.json.encode(record), expires=expires)

    def _make_room(self, now: float) -> None:
        if now - self._swept >= _SWEEP or self._count >= self._most:
            if now - self._swept >= 1 or self._count < self._most:
                self._count = self._storage.sweep_sessions(now=now)
                self._swept = now
            if self._count >= self._most:
                raise HostError(
                    "sessions",
                    got=f"{self._count} open",
                    want=f"fewer than {self._most}",
                    remedy="Wait for sessions to end, or raise sessions.most.",
                )
