"""Reference values: registered by message, asked for by name, gone when they expire (spec §13)."""

import base64
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.trustee.site import Site, variant


def test_values_come_back_as_they_were_registered(site: Site) -> None:
    values = {"list": ["a", "b"], "one": "x", "number": 3, "flag": True, "a/b": {"c": 1}}
    answer = site.register(**values)
    assert (answer.status, answer.body) == (200, b"")
    for name, value in values.items():
        assert json.loads(site.admin("GET", f"reference-value/{name}").body) == value
    assert json.loads(site.admin("GET", "reference-value").body) == values


def test_registering_again_overwrites(site: Site) -> None:
    site.register(a=1, b=1)
    site.register(a=2)
    assert json.loads(site.admin("GET", "reference-value").body) == {"a": 2, "b": 1}


def test_an_unknown_value_is_refused(site: Site) -> None:
    answer = site.admin("GET", "reference-value/nosuch")
    assert (answer.status, variant(answer)) == (401, "RvpsError")
    assert site.admin("DELETE", "reference-value/nosuch").status == 401


def test_values_expire_after_a_year(site: Site) -> None:
    site.register(a=1)
    site.clock.now += 366 * 86400
    assert site.admin("GET", "reference-value/a").status == 401


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"{}",
        b'{"type":"in-toto","payload":"e30="}',
        b'{"type":"sample","payload":"!"}',
        b'{"type":"sample","payload":"W10="}',
        b'{"version":"0.2.0","type":"sample","payload":"e30="}',
        json.dumps({"type": "sample", "payload": base64.b64encode(b'{"": 1}').decode()}).encode(),
    ],
)
def test_other_messages_are_refused(site: Site, message: bytes) -> None:
    answer = site.admin("POST", "reference-value", message)
    assert (answer.status, variant(answer)) == (401, "RvpsError")


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.binary(max_size=80))
def test_any_bytes_are_refused_or_registered(site: Site, message: bytes) -> None:
    assert site.admin("POST", "reference-value", message).status in {200, 401}
