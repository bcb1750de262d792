"""Asking a TLS server for its attestation, on the connection that data would go over.

The certificate is trusted by nobody here: whoever gets it verifies that its key is attested. Names
and authorities of the web play no part, on purpose.
"""

import asyncio
import ssl
from typing import Final

import h11
import msgspec

from casemate.errors import InputError, PeerError
from casemate.wire.attested_key import LARGEST, PATH

_LARGEST_HEAD: Final = 64 << 10
_READ: Final = 64 << 10


class Shown(msgspec.Struct, frozen=True):
    """What a server showed: nothing of it is verified."""

    certificate: bytes
    """DER of its leaf."""
    document: bytes | None
    """The answer to our nonce; None when the server has no such route."""


def context() -> ssl.SSLContext:
    """Give a context that proves possession of the server's key, and whose it is to nobody."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.minimum_version = ssl.TLSVersion.TLSv1_3
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    return made


class Exchange:
    """One request for the attestation, without IO: bytes to send, bytes to feed, a document.

    The connection stays usable: the answer is read to its end and nothing beyond.
    """

    def __init__(self, host: str, nonce: str, *, where: str) -> None:
        self._where = where
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=_LARGEST_HEAD)
        self._target = f"{PATH}?nonce={nonce}"
        self._host = host
        self._status = 0
        self._body = bytearray()
        self.done = False

    def request(self) -> bytes:
        """Give the bytes to send."""
        head = h11.Request(
            method="GET",
            target=self._target,
            headers=[("host", self._host), ("accept", "application/json")],
        )
        try:
            return (self._http.send(head) or b"") + (self._http.send(h11.EndOfMessage()) or b"")
        except h11.LocalProtocolError as error:
            raise InputError("host name", got=self._host, want="one for a header") from error

    def feed(self, data: bytes) -> None:
        """Take what came; empty means that the server closed.

        Raises:
            PeerError: no HTTP, a larger document, or an answer that was cut.
        """
        try:
            self._http.receive_data(data)
            self._take()
        except h11.RemoteProtocolError as error:
            raise PeerError(self._where, got=str(error), want="an HTTP answer") from error

    def _take(self) -> None:
        while True:
            event = self._http.next_event()
            match event:
                case h11.Response():
                    self._status = event.status_code
                case h11.Data():
                    self._body += event.data
                    if len(self._body) > LARGEST:
                        raise PeerError(self._where, got="more bytes", want=f"at most {LARGEST}")
                case h11.EndOfMessage():
                    self.done = True
                    return
                case h11.ConnectionClosed():
                    raise PeerError(self._where, got="a closed connection", want="an attestation")
                case _:
                    if event is h11.NEED_DATA:
                        return

    @property
    def document(self) -> bytes | None:
        """The answer's body; None when the route is not there.

        Raises:
            PeerError: the server answered with another status, or would close the connection.
        """
        if self._status in {404, 405, 501}:
            return None
        if self._status != 200:
            raise PeerError(self._where, got=f"status {self._status}", want="200, or 404 for none")
        return bytes(self._body)

    @property
    def reusable(self) -> bool:
        """Whether another request may follow on this connection."""
        return self._http.our_state is h11.DONE and self._http.their_state is h11.DONE


async def ask(host: str, port: int, nonce: str, *, seconds: float = 10.0) -> Shown:
    """Connect, and ask for the attestation bound to ``nonce`` (a token of URL characters).

    Raises:
        PeerError: unreachable, no TLS 1.3, or no HTTP.
    """
    where = f"{host}:{port}"
    try:
        async with asyncio.timeout(seconds):
            reader, writer = await asyncio.open_connection(
                host, port, ssl=context(), server_hostname=host
            )
            try:
                shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
                exchange = Exchange(where, nonce, where=where)
                writer.write(exchange.request())
                while not exchange.done:
                    exchange.feed(await reader.read(_READ))
            finally:
                writer.transport.abort()
    except (OSError, TimeoutError) as error:
        got = str(error) or "no answer in time"
        raise PeerError(where, got=got, want="an attested TLS server") from error
    if not isinstance(shown, bytes):
        raise PeerError(where, got="no certificate", want="a certificate")
    return Shown(shown, exchange.document)
