"""A server that shows a certificate and then says nothing: for attacks and tests."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from casemate.net.ports import LOOPBACK
from casemate.net.tls import server_context
from casemate.secret import Secret


@asynccontextmanager
async def listen(certificate_pem: bytes, key_pem: Secret) -> AsyncIterator[int]:
    """Listen on a free port of the loopback interface; gives the port."""

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    context = server_context(certificate_pem, key_pem)
    server = await asyncio.start_server(silent, LOOPBACK, 0, ssl=context)
    async with server:
        yield int(server.sockets[0].getsockname()[1])
