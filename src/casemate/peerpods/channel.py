"""The channel to a pod VM's forwarder: its keys, the connection, and the socket we offer for it.

Both ends prove themselves. What the guest receives is its own server key and the authority's
certificate; the authority's key and our client key never leave this process.
"""

import asyncio
import logging
from pathlib import Path
from typing import Final, Self

from casemate.crypto.authority import CertificateAuthority, Issued
from casemate.errors import PeerError
from casemate.net import tls, unix
from casemate.net.forward import Streams, pump
from casemate.wire.forwarder import ForwarderConfig

_log = logging.getLogger(__name__)


class ChannelKeys:
    """This adaptor's side of every channel; made at its start, kept in memory only."""

    def __init__(self, authority: CertificateAuthority, client: Issued) -> None:
        self._authority = authority
        self._context = tls.client_context(
            authority.certificate_pem,
            certificate_pem=client.certificate_pem,
            key_pem=client.key_pem,
        )

    @classmethod
    def create(cls) -> Self:
        """Make an authority for forwarders and our own client certificate (runtime.md §7.3)."""
        authority = CertificateAuthority.create("agent-protocol-forwarder")
        return cls(authority, authority.issue_client("cloud-api-adaptor"))

    @property
    def client_context(self) -> tls.Context:
        return self._context

    def forwarder_config(self, *, instance: str, pod: str, namespace: str) -> ForwarderConfig:
        """Issue a server certificate for one VM, named as its instance."""
        server = self._authority.issue_server(instance, [instance])
        return ForwarderConfig(
            pod_namespace=namespace,
            pod_name=pod,
            server_key=server.key_pem,
            server_certificate=server.certificate_pem,
            client_ca=self._authority.certificate_pem,
        )


class Channel:
    """Where one VM's forwarder is, and how it must name itself."""

    _ATTEMPT: Final = 15.0
    """Seconds for one TLS handshake; the guest's part takes about one, emulated."""
    _FIRST_PAUSE: Final = 0.1
    _LONGEST_PAUSE: Final = 2.0

    def __init__(self, context: tls.Context, *, host: str, port: int, name: str) -> None:
        self._context = context
        self._host = host
        self._port = port
        self._name = name

    async def open(self) -> Streams:
        """Connect once.

        Raises:
            PeerError: unreachable, or not the VM that we made.
        """
        try:
            async with asyncio.timeout(self._ATTEMPT):
                return await asyncio.open_connection(
                    self._host, self._port, ssl=self._context, server_hostname=self._name
                )
        except (OSError, TimeoutError) as error:
            raise PeerError(
                f"forwarder of {self._name}", got=str(error) or "no answer", want="mutual TLS 1.3"
            ) from error

    async def open_patiently(self, seconds: float) -> Streams:
        """Connect, trying again until ``seconds`` are over.

        Raises:
            PeerError: still unreachable then; the message is that of the last try.
        """
        end = asyncio.get_running_loop().time() + seconds
        pause = self._FIRST_PAUSE
        while True:
            try:
                return await self.open()
            except PeerError as error:
                if asyncio.get_running_loop().time() + pause > end:
                    raise
                _log.debug("%s: again in %.1f s", error, pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, self._LONGEST_PAUSE)


class AgentSocket:
    """The unix socket by which a runtime reaches a VM's agent: each connection gets its own TLS."""

    def __init__(self, path: Path, channel: Channel, first: Streams) -> None:
        self._path = path
        self._channel = channel
        self._first: Streams | None = first
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    async def listen(self) -> None:
        """Begin to listen at the path.

        Raises:
            HostError: the path cannot be bound.
        """
        self._server = await asyncio.start_unix_server(
            self._join, sock=unix.listen(self._path, mode=0o600)
        )

    async def close(self) -> None:
        """Stop listening, end all connections, remove the socket."""
        if self._server is not None:
            self._server.close()
        if self._first is not None:
            self._first[1].close()
        for task in list(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)
        self._path.unlink(missing_ok=True)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a connection is served by a task")
        self._open.add(task)
        try:
            inner, self._first = self._first or await self._channel.open(), None
            await pump((reader, writer), inner)
        except PeerError as error:
            _log.warning("%s", error)
        except asyncio.CancelledError:
            if task.cancelling() == 0:
                raise
        finally:
            self._open.discard(task)
            writer.close()
