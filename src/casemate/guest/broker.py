"""The one way from the guest to a trusted party: TLS to the authority that the initdata pins.

Retries cover a broker that cannot be reached or stumbles (5xx); what it refuses is final.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final
from urllib.parse import urlsplit

from casemate import __version__
from casemate.crypto.digest import sha256
from casemate.errors import InputError, PeerError, Refusal, VerificationError
from casemate.guest.configuration import reject_plain_http
from casemate.net.http import Headers, HttpClient, Response
from casemate.trace import Station

LARGEST_ANSWER: Final = 8 << 20
"""Bytes. A Trustee stores secrets of at most 2 MiB unless told otherwise."""

_PAUSE: Final = 1.0
_USER_AGENT: Final = ("user-agent", f"attestation-agent-kbs-client/{__version__}")
_log = logging.getLogger(__name__)

Sleep = Callable[[float], Awaitable[None]]


class Broker:
    """A key broker by URL. ``cert`` is the only anchor its certificate may chain to.

    Args:
        url: base URL, ``https://`` only.
        cert: PEM text of the authority.
        pinned_in: where the anchor was written, for people: ``aa.toml [token_configs.kbs] cert``.
        sleep: waits between tries, in seconds.

    Raises:
        InputError: plain HTTP, or no anchor.
    """

    def __init__(
        self, url: str, cert: str | None, *, pinned_in: str, sleep: Sleep = asyncio.sleep
    ) -> None:
        reject_plain_http(url, "URL of the key broker")
        if not cert or not cert.strip():
            raise InputError(pinned_in, got="nothing", want="the broker's authority in PEM")
        self.url = url.rstrip("/")
        self.cert = cert
        self._pinned_in = pinned_in
        self._sleep = sleep
        self._http = HttpClient(anchors_pem=cert)

    async def request(
        self,
        method: str,
        path: str,
        *,
        station: Station,
        tries: int,
        headers: Headers = (),
        body: bytes = b"",
    ) -> Response:
        """Ask for ``path`` below the base URL. Any status is returned; 5xx after the last try.

        Raises:
            PeerError: unreachable, or an answer larger than 8 MiB, at every one of ``tries``.
            VerificationError: its certificate does not chain to the pinned authority.
        """
        for left in reversed(range(tries)):
            try:
                answer = await self._once(method, path, station, headers, body)
            except PeerError as error:
                if not left:
                    raise
                _log.warning("key broker: %s; %d more tries", error, left)
            else:
                if answer.status < 500 or not left:
                    return answer
                _log.warning("key broker: status %d; %d more tries", answer.status, left)
            await self._sleep(_PAUSE)
        raise AssertionError("tries is at least 1")

    async def close(self) -> None:
        """Close idle connections."""
        await self._http.close()

    async def _once(
        self, method: str, path: str, station: Station, headers: Headers, body: bytes
    ) -> Response:
        try:
            return await self._http.request(
                method,
                f"{self.url}{path}",
                (_USER_AGENT, *headers),
                body,
                largest=LARGEST_ANSWER,
            )
        except VerificationError as error:
            raise VerificationError(await self._stranger(error.refusal, station)) from error

    async def _stranger(self, refusal: Refusal, station: Station) -> Refusal:
        """Say who answered for the broker, and whom the owner pinned."""
        got, expected = await self._issuers(refusal.got)
        return Refusal(
            step=station.value,
            claim=f"certificate of the key broker {urlsplit(self.url).netloc}",
            got=got,
            expected=f"{expected}, pinned in {self._pinned_in}",
            rule="the authority pinned in the initdata is the only one trusted",
            remedy="If this broker is the right one, put its authority into the initdata; "
            "otherwise somebody else answers for it.",
        )

    async def _issuers(self, got: str) -> tuple[str, str]:
        from datetime import UTC, datetime  # wanted by refusals alone

        from casemate.crypto.x509 import Usage, split_pem, verify_chain
        from casemate.net.presented import presented_certificate

        parts = urlsplit(self.url)
        anchors = split_pem(self.cert)
        pinned = f"a chain to the pinned authority, {_fingerprints(anchors)}"
        try:
            shown = await presented_certificate(parts.hostname or "", parts.port or 443)
            verify_chain(shown, [], anchors, at=datetime.now(UTC), usage=Usage.SERVER)
        except VerificationError as error:
            told = error.refusal
            return (
                f"{told.got}, certificate {_fingerprints([shown])}",
                f"{told.expected} ({_fingerprints(anchors)})",
            )
        except PeerError as error:
            _log.debug("who answers for the broker stays unknown: %s", error)
        return got, pinned


class Brokers:
    """One connection pool for each broker and anchor, whoever asks for it."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str | None], Broker] = {}

    def get(self, url: str, cert: str | None, *, pinned_in: str) -> Broker:
        """Give the broker; errors as making a ``Broker``."""
        key = (url.rstrip("/"), cert)
        if key not in self._known:
            self._known[key] = Broker(url, cert, pinned_in=pinned_in)
        return self._known[key]

    async def close(self) -> None:
        """Close idle connections of all."""
        for broker in self._known.values():
            await broker.close()


def _fingerprints(certificates: Sequence[bytes]) -> str:
    """Tell certificates apart that carry the same name."""
    return ", ".join(f"sha256:{sha256(der).hex[:16]}" for der in certificates)
