"""Routes, statuses and metrics (spec §2.1, §2.2, §17)."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.trustee.site import Site, refusal, variant


@pytest.mark.parametrize("path", ["/", "/kbs", "/kbs/v0", "/kbs/v1/auth", "/x", "/healthz/"])
def test_outside_the_api_there_is_nothing(site: Site, path: str) -> None:
    answer = site.ask("GET", path)
    assert (answer.status, answer.body) == (404, b"")


@pytest.mark.parametrize("method", ["PATCH", "HEAD", "OPTIONS"])
def test_other_methods_are_not_allowed(site: Site, method: str) -> None:
    assert site.ask(method, "auth").status == 405


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "auth"), ("PUT", "resource-policy"), ("GET", "nosuch/x"), ("POST", "nebula-ca")],
)
def test_anything_else_is_a_plugin_that_is_not_there(site: Site, method: str, path: str) -> None:
    answer = site.ask(method, path)
    name = path.partition("/")[0]
    assert (answer.status, variant(answer)) == (404, "PluginNotFound")
    assert refusal(answer).detail == f"Plugin {name} not found"


def test_health_and_metrics_need_nobody(site: Site) -> None:
    assert site.ask("GET", "/healthz").status == 200
    assert site.ask("POST", "/metrics").status == 405
    site.put("default/key/1", b"x")
    client = site.client()
    client.token()
    client.get("default/key/1")
    client.get("default/key/none")
    lines = site.ask("GET", "/metrics").body.decode().splitlines()
    for line in (
        "kbs_auth_requests_total 1.0",
        "kbs_auth_successes_total 1.0",
        "kbs_attestation_requests_total 1.0",
        'kbs_attestation_successes_total{tee_type="sample"} 1.0',
        'kbs_resource_reads_total{resource_path="default/key/1"} 1.0',
        'kbs_resource_writes_total{resource_path="default/key/1"} 1.0',
        "kbs_policy_evaluations_total 2.0",
        "kbs_policy_approvals_total 2.0",
        "kbs_http_requests_total 5.0",
    ):
        assert line in lines


def test_what_the_trustees_machine_lacks_is_not_told_to_strangers(site: Site) -> None:
    site.trustee.storage.close()
    answer = site.ask("GET", "resource/default/key/1", cookie="kbs-session-id=x")
    assert answer.status == 500
    assert str(site.folder).encode() not in answer.body
    assert b"unable to serve this now" in answer.body


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.sampled_from(["GET", "POST", "PUT", "DELETE"]),
    st.text(max_size=40),
    st.binary(max_size=60),
    st.text(max_size=40),
)
def test_any_request_gets_an_answer(
    site: Site, method: str, path: str, body: bytes, header: str
) -> None:
    answer = site.ask(method, path, body, cookie=header, authorization=header)
    assert 200 <= answer.status < 500
    answer = site.ask("POST", "attest", body, cookie=f"kbs-session-id={header}")
    assert answer.status == 401
