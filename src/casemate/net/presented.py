"""The certificate a server shows, without trusting it: only to tell people what was refused."""

import asyncio
import ssl

from casemate.errors import PeerError


async def presented_certificate(host: str, port: int, *, seconds: float = 5.0) -> bytes:
    """Fetch the leaf certificate (DER) that ``host:port`` shows. Nothing is verified.

    Raises:
        PeerError: unreachable, no TLS, or no certificate.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        async with asyncio.timeout(seconds):
            _, writer = await asyncio.open_connection(host, port, ssl=context)
    except (OSError, TimeoutError) as error:
        raise PeerError(f"{host}:{port}", got=str(error), want="a TLS connection") from error
    shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.transport.abort()
    if not isinstance(shown, bytes):
        raise PeerError(f"{host}:{port}", got="no certificate", want="a certificate")
    return shown
