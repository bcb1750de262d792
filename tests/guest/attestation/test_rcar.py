import base64
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casemate.crypto import base64url
from casemate.crypto.digest import Algorithm
from casemate.crypto.jwk import EcTeeKey, RsaTeeKey
from casemate.errors import CasemateError, InputError, PeerError, VerificationError
from casemate.guest.attestation import rcar
from casemate.guest.attestation.settings import TeeKeyAlgorithm
from casemate.trace import Station
from casemate.wire import kbs
from tests.vectors import vector

KEY = rcar.TeeKey.generate(TeeKeyAlgorithm.EC_P256)
NONCE = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


def challenge(extra: object = "") -> bytes:
    return json.dumps({"nonce": NONCE, "extra-params": extra}).encode()


def token(**claims: object) -> str:
    parts = (b'{"alg":"ES256"}', json.dumps(claims).encode(), b"signature")
    return ".".join(base64url.encode(part) for part in parts)


def test_known_answers_of_the_specification() -> None:
    public = EcTeeKey(
        crv="P-256",
        alg="ECDH-ES+A256KW",
        x="fPJ7GI0DT36KUjgDBLUaw8CJaeJ38hs1pgtI_EdmmXg",
        y="B3dVENuO0EApPZrGn3Qw27p9reY86YIpngS3nSJ4c9E",
    )
    binding = rcar.bind(challenge(), rcar.TeeKey(KEY.private, public))
    assert binding.report_data().hex.startswith("7e4013e58f836372ce4e6a1e4e1e9446")
    assert binding.device_report_data.hex.startswith("8053ec6f805f22dd5948835dbbcf9ae4")


def test_request_names_version_and_tee() -> None:
    parsed = kbs.parse_request(rcar.request("tpm"))
    assert (parsed.version, parsed.tee) == ("0.4.0", "tpm")


def test_hash_selection_follows_upstreams_table() -> None:
    path = vector("guest", "tables", "challenge-hash-algorithm.json")
    for row in json.loads(path.read_text()):
        if row["result"] == "error":
            with pytest.raises(PeerError):
                rcar.bind(challenge(row["extra_params"]), KEY)
        else:
            assert rcar.bind(challenge(row["extra_params"]), KEY).algorithm == row["result"]


def test_hash_that_was_not_offered_is_refused() -> None:
    with pytest.raises(PeerError, match="sm3"):
        rcar.bind(challenge({"selected-hash-algorithm": "sm3"}), KEY)


@pytest.mark.parametrize(
    ("algorithm", "kind"),
    [
        (TeeKeyAlgorithm.EC_P256, EcTeeKey),
        (TeeKeyAlgorithm.EC_P521, EcTeeKey),
        (TeeKeyAlgorithm.RSA, RsaTeeKey),
    ],
)
def test_attestation_carries_the_key_it_speaks_for(algorithm: TeeKeyAlgorithm, kind: Any) -> None:
    key = rcar.TeeKey.generate(algorithm)
    body = rcar.attestation(rcar.bind(challenge(), key), b'{"svn":"1"}', initdata="version = 1")
    parsed = kbs.parse_attestation(body)
    assert isinstance(parsed.runtime_data.tee_pubkey, kind)
    assert parsed.runtime_data == kbs.RuntimeData(NONCE, key.public)
    assert bytes(parsed.tee_evidence.primary_evidence) == b'{"svn":"1"}'
    assert parsed.init_data == kbs.InitDataField("toml", "version = 1")


def test_report_data_changes_with_key_nonce_and_devices() -> None:
    binding = rcar.bind(challenge(), KEY)
    other_key = rcar.bind(challenge(), rcar.TeeKey.generate(TeeKeyAlgorithm.EC_P256))
    other_nonce = rcar.bind(challenge().replace(b"AAEC", b"BBBB"), KEY)
    seen = {
        binding.report_data().hex,
        binding.report_data("{}").hex,
        other_key.report_data().hex,
        other_nonce.report_data().hex,
        binding.device_report_data.hex,
    }
    assert len(seen) == 5


def test_token_lifetime_needs_no_common_clock() -> None:
    assert rcar.token_lifetime(token(iat=1000, exp=1300)) == 300
    assert rcar.token_lifetime(token(iat=1300, exp=1000)) == 0


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a.b",
        "a.b.c",
        token(exp=1),
        token(iat="now", exp=2),
        "ä.ä.ä",
        token(iat=1, exp=2) + "\r\nX: y",
    ],
)
def test_tokens_without_times_are_refused(text: str) -> None:
    with pytest.raises(InputError):
        rcar.token_lifetime(text)
    with pytest.raises(PeerError):
        rcar.passport(msgspec.json.encode({"token": text}), KEY)


def test_refusal_of_our_trustee_is_carried_unchanged() -> None:
    members = {
        "step": "tpm.4 pcr digest",
        "claim": "pcr11",
        "got": "aa",
        "expected": "bb",
        "rule": "default_cpu",
        "remedy": "Rebuild.",
    }
    body = json.dumps({"type": kbs.ERROR_TYPE_PREFIX + "X", "detail": "no", **members})
    error = rcar.failure(401, body.encode(), station=Station.ATTEST, claim="evidence")
    assert isinstance(error, VerificationError)
    assert msgspec.structs.asdict(error.refusal) == members


def test_refusal_of_upstreams_trustee_gets_the_same_form() -> None:
    body = json.dumps({"type": kbs.ERROR_TYPE_PREFIX + "PolicyDeny", "detail": "Access denied"})
    error = rcar.failure(401, body.encode(), station=Station.RELEASE, claim="a/b/c")
    assert isinstance(error, VerificationError)
    refusal = error.refusal
    assert (refusal.step, refusal.claim) == ("release", "a/b/c")
    assert (refusal.got, refusal.rule) == ("Access denied", "PolicyDeny")


def test_refusal_that_is_not_json_is_quoted() -> None:
    error = rcar.failure(403, b"\xff<html>", station=Station.ATTEST, claim="evidence")
    assert isinstance(error, VerificationError)
    assert "403" in error.refusal.got
    assert "<html>" in error.refusal.got


def test_endless_reasons_are_cut() -> None:
    body = json.dumps({"type": "t", "detail": "d", "got": "a" * 100_000}).encode()
    error = rcar.failure(401, body, station=Station.ATTEST, claim="evidence")
    assert isinstance(error, VerificationError)
    assert len(error.refusal.got) == 4000


def test_trouble_of_the_broker_is_no_refusal() -> None:
    error = rcar.failure(503, b"busy", station=Station.ATTEST, claim="evidence")
    assert isinstance(error, PeerError)
    assert "busy" in str(error)


@settings(max_examples=100)
@given(st.binary(max_size=200) | st.text(max_size=60).map(lambda t: json.dumps(t).encode()))
def test_any_bytes_from_the_broker_raise_only_our_errors(data: bytes) -> None:
    for step in (rcar.bind, rcar.passport):
        try:
            step(data, KEY)
        except CasemateError:
            continue
    error = rcar.failure(401, data, station=Station.ATTEST, claim="x")
    assert isinstance(error, VerificationError)


@settings(max_examples=100)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=10),
        lambda children: st.lists(children) | st.dictionaries(st.text(max_size=10), children),
        max_leaves=8,
    )
)
def test_any_json_in_extra_params_raises_only_our_errors(extra: object) -> None:
    try:
        binding = rcar.bind(challenge(extra), KEY)
    except PeerError:
        return
    assert binding.report_data().algorithm == binding.algorithm


def test_secure_execution_is_asked_by_the_verifiers_request() -> None:
    nonce = json.dumps({"request_blob": "AAAA", "measurement_size": 64})
    body = json.dumps({"nonce": nonce, "extra-params": {"selected-hash-algorithm": "sha384"}})
    binding = rcar.bind(body.encode(), KEY, "se")
    assert binding.algorithm is Algorithm.SHA512
    asked = json.loads(binding.asked("se"))
    digest = asked.pop("runtime_data_digest")
    assert base64.b64decode(digest) == binding.report_data().value
    assert asked == json.loads(nonce)
    assert binding.asked("snp", "{}") == binding.report_data("{}").value


@pytest.mark.parametrize("nonce", ["AAEC", "[]", "{", "[" * 5000])
def test_nonce_that_is_no_request_is_refused(nonce: str) -> None:
    body = json.dumps({"nonce": nonce, "extra-params": ""})
    with pytest.raises(PeerError, match="Secure Execution"):
        rcar.bind(body.encode(), KEY, "se").asked("se")


def test_evidence_of_devices_is_one_object_and_nothing_without_devices() -> None:
    assert rcar.additional_evidence({}) == ""
    found = rcar.additional_evidence({"nvidia": b'{"a":1}', "tpm": b'{"b": 2}'})
    assert found == '{"nvidia":{"a":1},"tpm":{"b": 2}}'
