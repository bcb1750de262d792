"""Where a registry sends us to upload, and what goes along."""

from collections.abc import AsyncIterator

import pytest

from casemate.crypto.digest import sha256
from casemate.errors import PeerError
from casemate.net.http import HttpClient
from casemate.net.http_server import Answer, Request, Server
from casemate.oci.credentials import parse
from casemate.oci.manifest import Descriptor
from casemate.oci.reference import Reference
from casemate.oci.registry import Registry, upload_url

LAYER = Descriptor(media_type="application/octet-stream", digest=str(sha256(b"layer")), size=5)


async def content() -> AsyncIterator[bytes]:
    yield b"layer"


def credentials(host: str) -> bytes:
    return b'{"auths": {"%s": {"auth": "bWU6aHVudGVyMg=="}}}' % host.encode()


async def upload(location: str) -> list[Request]:
    """Push a layer to a registry that wants a password and names ``location``; gives all asked."""
    asked: list[Request] = []

    async def reply(request: Request) -> Answer:
        asked.append(request)
        if "authorization" not in dict(request.headers) and request.method == "POST":
            return Answer(401, b"", headers=(("www-authenticate", 'Basic realm="r"'),))
        if request.method == "POST":
            port = foreign.port if "FOREIGN" in location else ours.port
            where = location.replace("FOREIGN", "HERE").replace("HERE", f"127.0.0.1:{port}")
            return Answer(202, b"", headers=(("location", where),))
        return Answer(201, b"")

    ours, foreign = Server(reply), Server(reply)
    host = f"127.0.0.1:{await ours.listen('127.0.0.1', 0)}"
    await foreign.listen("127.0.0.1", 0)
    try:
        async with HttpClient(timeout=5) as http:
            registry = Registry(
                http,
                Reference.parse(f"{host}/demo/app:1"),
                credentials=parse(credentials(host)),
                plain_http=True,
            )
            await registry.put_blob(LAYER, content)
    finally:
        await ours.close()
        await foreign.close()
    return asked


@pytest.mark.parametrize("location", ["/v2/upload/1", "http://HERE/v2/upload/1"])
async def test_password_goes_along_to_the_registry_itself(location: str) -> None:
    assert "authorization" in dict((await upload(location))[-1].headers)


async def test_password_stays_here_when_the_upload_goes_to_another_host() -> None:
    last = (await upload("http://FOREIGN/v2/upload/1"))[-1]
    assert last.method == "PUT"
    assert last.body == b"layer"
    assert "authorization" not in dict(last.headers)


def test_upload_never_falls_back_to_plain_http() -> None:
    asked = "https://registry.example/v2/demo/app/blobs/uploads/"
    assert upload_url(asked, "/v2/up/1") == "https://registry.example/v2/up/1"
    assert upload_url(asked, "https://store.example/1") == "https://store.example/1"
    with pytest.raises(PeerError, match="https to stay https"):
        upload_url(asked, "http://registry.example/v2/up/1")
