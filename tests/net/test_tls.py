import asyncio
import ssl

import pytest

from casemate.crypto.authority import CertificateAuthority
from casemate.errors import InputError
from casemate.net import tls
from casemate.secret import Secret

OURS = CertificateAuthority.create("ours")
OTHERS = CertificateAuthority.create("others")


async def _talk(
    server: ssl.SSLContext,
    client: ssl.SSLContext,
    name: str = "podvm-a",
    sessions: list[ssl.SSLSession] | None = None,
) -> bytes:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.read(5))
        await writer.drain()
        writer.close()

    listener = await asyncio.start_server(echo, "127.0.0.1", 0, ssl=server)
    port = listener.sockets[0].getsockname()[1]
    try:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=client, server_hostname=name
        )
        try:
            writer.write(b"hello")
            said = await reader.read()
            if sessions is not None:
                sessions.append(writer.get_extra_info("ssl_object").session)
            return said
        finally:
            writer.close()
    finally:
        listener.close()


def _server() -> ssl.SSLContext:
    leaf = OURS.issue_server("podvm-a", ["podvm-a"])
    return tls.server_context(
        leaf.certificate_pem, leaf.key_pem, client_ca_pem=OURS.certificate_pem
    )


def _client(authority: CertificateAuthority = OURS) -> ssl.SSLContext:
    leaf = authority.issue_client("adaptor")
    return tls.client_context(
        OURS.certificate_pem, certificate_pem=leaf.certificate_pem, key_pem=leaf.key_pem
    )


async def test_both_sides_that_prove_themselves_talk() -> None:
    assert await _talk(_server(), _client()) == b"hello"


async def test_no_connection_can_go_on_without_its_certificates() -> None:
    sessions: list[ssl.SSLSession] = []
    await _talk(_server(), _client(), sessions=sessions)
    assert [session.has_ticket for session in sessions] == [False]


async def test_a_server_of_another_name_is_refused() -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        await _talk(_server(), _client(), name="podvm-b")


@pytest.mark.parametrize(
    "client", [_client(OTHERS), tls.client_context(OURS.certificate_pem)], ids=["other", "none"]
)
async def test_a_client_without_our_certificate_hears_nothing(client: ssl.SSLContext) -> None:
    try:
        heard = await _talk(_server(), client)
    except OSError:
        return  # an alert; or, as the race has it, an end without data
    assert heard == b""


async def test_a_server_of_another_authority_is_refused() -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        await _talk(_server(), tls.client_context(OTHERS.certificate_pem))


def test_a_key_of_another_certificate_is_refused() -> None:
    leaf, other = OURS.issue_server("a", ["a"]), OURS.issue_server("b", ["b"])
    with pytest.raises(InputError):
        tls.server_context(leaf.certificate_pem, other.key_pem)


def test_nonsense_is_refused() -> None:
    with pytest.raises(InputError):
        tls.server_context(b"no", Secret(b"no"))
    with pytest.raises(InputError):
        tls.client_context(b"no")
