"""Messages of the RCAR handshake: known answers of trustee spec §5, and hostile bytes."""

import hashlib
import json

import msgspec
import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from casemate.crypto.digest import Algorithm
from casemate.crypto.jwk import EcTeeKey
from casemate.errors import CasemateError, InputError
from casemate.wire import kbs

NONCE = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
KEY = EcTeeKey(
    crv="P-256",
    alg="ECDH-ES+A256KW",
    x="fPJ7GI0DT36KUjgDBLUaw8CJaeJ38hs1pgtI_EdmmXg",
    y="B3dVENuO0EApPZrGn3Qw27p9reY86YIpngS3nSJ4c9E",
)
RUNTIME = kbs.RuntimeData(NONCE, KEY)


def test_primary_report_data_gives_the_known_answer() -> None:
    assert kbs.report_data(RUNTIME, "").hex == (
        "7e4013e58f836372ce4e6a1e4e1e94466ff9e7595a227e599583452b064b6a91"
        "65aeef2fdc514f82ed2f5bfab8e3e1f3"
    )


def test_device_report_data_gives_the_known_answer() -> None:
    assert kbs.device_report_data(RUNTIME).hex == (
        "8053ec6f805f22dd5948835dbbcf9ae489b15bf1f60f61d4eaf5d211d87998ea"
        "cbf377431f34f96064358f630eb5e36a"
    )


@settings(max_examples=100)
@given(st.text(), st.text(), st.text(), st.sampled_from(Algorithm))
def test_report_data_is_taken_over_canonical_json(
    nonce: str, devices: str, coordinate: str, algorithm: Algorithm
) -> None:
    key = {"kty": "EC", "crv": "P-256", "alg": "ECDH-ES+A256KW", "x": coordinate, "y": ""}
    canonical = rfc8785.dumps({"additional-evidence": devices, "nonce": nonce, "tee-pubkey": key})
    runtime = kbs.RuntimeData(nonce, kbs.parse_tee_key(json.dumps(key).encode()))
    expected = hashlib.new(algorithm.value, canonical).digest()
    assert kbs.report_data(runtime, devices, algorithm).value == expected


def test_members_outside_the_key_type_are_not_bound() -> None:
    text = msgspec.json.decode(kbs.encode(KEY)) | {"kid": "1", "use": "enc"}
    assert kbs.parse_tee_key(json.dumps(text).encode()) == KEY


def test_messages_are_written_as_the_protocol_spells_them() -> None:
    attestation = kbs.Attestation(
        RUNTIME, kbs.CompositeEvidence(msgspec.Raw(b'{"svn":"1"}')), kbs.InitDataField("toml", "x")
    )
    written = json.loads(kbs.encode(attestation))
    assert written == {
        "runtime-data": {
            "nonce": NONCE,
            "tee-pubkey": {"kty": "EC", "crv": KEY.crv, "alg": KEY.alg, "x": KEY.x, "y": KEY.y},
        },
        "tee-evidence": {"primary_evidence": {"svn": "1"}, "additional_evidence": ""},
        "init-data": {"format": "toml", "body": "x"},
    }
    assert kbs.encode(kbs.Challenge("n")) == b'{"nonce":"n","extra-params":""}'
    assert kbs.encode(kbs.ErrorBody(type="t", detail="d")) == b'{"type":"t","detail":"d"}'


def test_what_one_end_writes_the_other_reads() -> None:
    request = kbs.Request("0.4.0", "tpm", kbs.OFFERED_PARAMETERS)
    assert kbs.parse_request(kbs.encode(request)) == request
    attestation = kbs.Attestation(RUNTIME, kbs.CompositeEvidence(msgspec.Raw(b"[]"), "{}"))
    assert kbs.parse_attestation(kbs.encode(attestation)) == attestation
    assert kbs.parse_challenge(b'{"nonce":"n","extra-params":""}').nonce == "n"
    assert kbs.parse_token_answer(b'{"token":"t"}').token == "t"
    error = kbs.ErrorBody(type="t", detail="d", claim="pcr11", got="a", expected="b")
    assert kbs.parse_error(kbs.encode(error)) == error


@pytest.mark.parametrize("missing", ["version", "tee", "extra-params"])
def test_a_request_without_a_member_is_refused(missing: str) -> None:
    whole = {"version": "0.4.0", "tee": "tpm", "extra-params": ""}
    del whole[missing]
    with pytest.raises(InputError, match="request"):
        kbs.parse_request(json.dumps(whole).encode())


def test_a_huge_or_deep_message_is_refused() -> None:
    with pytest.raises(InputError, match="at most"):
        kbs.parse_request(b" " * (kbs.LARGEST_MESSAGE + 1))
    deep = b'{"version":"0.4.0","tee":"tpm","extra-params":' + b"[" * 100_000 + b"]" * 100_000
    with pytest.raises(InputError):
        kbs.parse_request(deep + b"}")


PARSERS = [
    kbs.parse_request,
    kbs.parse_challenge,
    kbs.parse_attestation,
    kbs.parse_token_answer,
    kbs.parse_error,
    kbs.parse_tee_key,
]
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@settings(max_examples=150)
@given(st.sampled_from(PARSERS), st.binary() | _JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_raise_only_our_error(parse: object, data: bytes) -> None:
    assert callable(parse)
    try:
        parse(data)
    except CasemateError as error:
        assert isinstance(error, InputError)  # noqa: PT017 - either outcome is fine, others are not
