import asyncio
import json

import pytest

from casemate.errors import VerificationError
from casemate.guest.attestation.agent import AttestationAgent
from casemate.guest.attestation.serve import build
from casemate.guest.hub.resources import Resources
from casemate.guest.reporting import Stations
from casemate.guest.rest.api import Features, RestApi
from casemate.guest.rest.serve import serve
from casemate.net.http import HttpClient
from casemate.net.http_server import Answer, Request
from casemate.secret import Secret
from casemate.tee.sample.attester import SampleAttester
from casemate.wire.console import ConsoleEvent
from casemate.wire.resource_uri import ResourceUri
from tests.sim import broker as sim
from tests.vectors import vector


class Shelf:
    """Resources held in memory."""

    async def get(self, uri: ResourceUri) -> Secret:
        if uri.path != "default/secret/one":
            raise VerificationError(sim.refusal(str(uri)))
        return Secret(b"shh")


def agent() -> AttestationAgent:
    events: list[ConsoleEvent] = []
    return build(SampleAttester(), None, Stations(events.append))


def api(features: str = "all", resources: Resources | None = None) -> RestApi:
    return RestApi(agent(), resources or Shelf(), Features.parse(features))


async def ask(
    target: str,
    method: str = "GET",
    *,
    features: str = "all",
    body: bytes = b"",
    peer: str = "127.0.0.1",
) -> Answer:
    return await api(features).answer(Request(method, target, body, peer))


async def test_statuses_are_those_of_upstreams_table() -> None:
    for row in json.loads(vector("guest", "tables", "rest-api.json").read_text()):
        answer = await ask(row["path"], row["method"], features=row["features"], peer=row["peer"])
        assert (answer.status, row) == (row["status"], row)
        if "body" in row:
            assert answer.body.decode() == row["body"]


@pytest.mark.parametrize("path", ["/", "/info", "/cdh/resource/a/b/c", "/aa/token", "/x"])
@pytest.mark.parametrize("peer", ["10.0.2.2", "169.254.1.1", "fe80::1", "", "::ffff:10.0.0.1"])
async def test_everybody_but_this_machine_is_forbidden(path: str, peer: str) -> None:
    assert await ask(path, peer=peer) == Answer(403, b"Forbidden")


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
async def test_loopback_has_many_spellings(peer: str) -> None:
    assert (await ask("/info", peer=peer)).status == 200


async def test_info_tells_of_the_tee_only_with_attestation_on() -> None:
    assert json.loads((await ask("/info")).body)["tee"] == "sample"
    assert "tee" not in json.loads((await ask("/info", features="resource")).body)
    assert "additional_tees" not in json.loads((await ask("/info")).body)


@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
async def test_resource_comes_as_bytes_for_any_method(method: str) -> None:
    answer = await ask("/cdh/resource/default/secret/one", method)
    assert answer == Answer(200, b"shh", "application/octet-stream")


async def test_refused_resource_gives_the_reason() -> None:
    answer = await ask("/cdh/resource/default/secret/two")
    assert answer.status == 500
    assert b"the policy" in answer.body


@pytest.mark.parametrize("path", ["", "/", "/..%2f", "/a/../b", "/a b", "//a"])
async def test_paths_that_name_no_resource_are_bad_requests(path: str) -> None:
    assert (await ask(f"/cdh/resource{path}")).status == 400


async def test_evidence_is_bound_to_the_given_data() -> None:
    plain = json.loads((await ask("/aa/evidence?runtime_data=abc")).body)
    coded = json.loads((await ask("/aa/evidence?runtime_data=YWJj&encoding=base64")).body)
    assert plain == coded == {"svn": "1", "report_data": "YWJj"}


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?encoding=base64",
        "?runtime_data=abc&encoding=hex",
        "?runtime_data=%2b%2f&encoding=base64",
        "?" + "a=b&" * 20,
    ],
)
async def test_evidence_without_proper_data_is_a_bad_request(query: str) -> None:
    assert await ask(f"/aa/evidence{query}") == Answer(400, b"BAD REQUEST")


@pytest.mark.parametrize("query", ["", "?token_type=", "?token_type=other"])
async def test_unknown_token_is_a_bad_request(query: str) -> None:
    assert (await ask(f"/aa/token{query}")).status == 400


async def test_token_without_a_broker_in_the_initdata_is_our_failure() -> None:
    answer = await ask("/aa/token?token_type=kbs")
    assert answer.status == 500
    assert b"token_configs.kbs" in answer.body


async def test_measuring_says_why_it_does_not() -> None:
    body = json.dumps({"domain": "d", "operation": "o", "content": "c"}).encode()
    answer = await ask("/aa/aael", "POST", body=body)
    assert answer.status == 200
    assert json.loads(answer.body)["success"] == "false"


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"\xff", b'{"domain":1}'])
async def test_malformed_event_is_a_bad_request(body: bytes) -> None:
    assert (await ask("/aa/aael", "POST", body=body)).status == 400


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/aa/token"), ("GET", "/aa/aael"), ("GET", "/cdh/other")]
)
async def test_wrong_methods_and_routes_are_not_found(method: str, path: str) -> None:
    assert await ask(path, method) == Answer(404, b"URL NOT FOUND")


async def test_containers_reach_it_over_http_and_keep_the_connection() -> None:
    server = await serve(agent(), Shelf(), Features.ALL, port=0)
    async with HttpClient() as client:
        url = f"http://127.0.0.1:{server.port}"
        bodies = [
            (await client.request("GET", f"{url}/cdh/resource/default/secret/one")).body
            for _ in range(3)
        ]
        status = (await client.request("POST", f"{url}/aa/aael", body=bytes(2 << 20))).status
    await server.close()
    assert bodies == [b"shh"] * 3
    assert status == 413


async def test_garbage_on_the_socket_gets_an_answer_and_no_more() -> None:
    server = await serve(agent(), Shelf(), Features.ALL, port=0)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"\0\1\2 no http\r\n\r\n")
    answer = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    await server.close()
    assert answer.startswith(b"HTTP/1.1 400")
