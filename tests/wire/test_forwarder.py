import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casemate.errors import PeerError
from casemate.secret import Secret
from casemate.wire import forwarder

CONFIG = forwarder.ForwarderConfig(
    pod_namespace="default",
    pod_name="app",
    server_key=Secret(b"key"),
    server_certificate=b"cert",
    client_ca=b"ca",
)


def test_what_is_encoded_is_read_back() -> None:
    assert forwarder.parse(forwarder.encode(CONFIG)) == CONFIG


def test_keys_are_accepted_in_any_letter_case() -> None:
    text = json.dumps({k.upper(): v for k, v in json.loads(forwarder.encode(CONFIG)).items()})
    assert forwarder.parse(text.encode()) == CONFIG


def test_the_key_is_not_shown() -> None:
    assert "key'" not in repr(CONFIG)
    assert "Secret(…)" in repr(CONFIG)


def test_an_old_tls_version_is_refused() -> None:
    with pytest.raises(PeerError):
        forwarder.parse(b'{"tls-min-version":"VersionTLS10"}')


@settings(max_examples=100)
@given(st.binary(max_size=200))
def test_any_bytes_raise_only_our_error(raw: bytes) -> None:
    try:
        forwarder.parse(raw)
    except PeerError:
        return
