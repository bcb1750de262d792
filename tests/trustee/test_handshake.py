"""The RCAR handshake: what is answered, and every way of cheating that is not (spec §3)."""

import base64
import json
import re

import pytest

from casemate.crypto.keys import Kind, PrivateKey
from casemate.tee.vtpm.fake import SoftwareTpm
from casemate.trustee.attestation.init_data import claims
from casemate.wire.initdata import build
from tests.trustee.site import Site, claims_of, refusal, variant


def test_handshake_ends_with_a_token_about_the_evidence(site: Site) -> None:
    client = site.client()
    claims = claims_of(client.token())
    assert claims["iss"] == "CoCo-Attestation-Service"
    assert claims["eat_profile"] == "tag:github.com,2024:confidential-containers/Trustee"
    assert claims["exp"] - claims["iat"] == 300
    assert set(claims["ear.verifier-id"]) == {"developer", "build"}
    cpu = claims["submods"]["cpu0"]
    assert cpu["ear.appraisal-policy-id"] == "default"
    evidence = cpu["ear.veraison.annotated-evidence"]
    assert evidence["runtime_data_claims"]["nonce"] == client.nonce
    assert evidence["sample"]["launch_digest"] == "abcde"
    assert len(cpu["ear.trustworthiness-vector"]) == 8


def test_challenge_and_cookie_have_the_protocols_form(site: Site) -> None:
    answer = site.client().auth()
    challenge = json.loads(answer.body)
    assert set(challenge) == {"nonce", "extra-params"}
    assert challenge["extra-params"] == ""
    assert len(base64.b64decode(challenge["nonce"])) == 32
    assert re.match(
        r"kbs-session-id=[0-9a-f]{32}; Expires=\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT",
        dict(answer.headers)["set-cookie"],
    )


def test_nonces_never_repeat(site: Site) -> None:
    client = site.client()
    seen = set()
    for _ in range(50):
        client.auth()
        seen.add(client.nonce)
    assert len(seen) == 50


@pytest.mark.parametrize("version", ["0.3.0", "0.4.1", "1.0.0", "", "0.4"])
def test_other_protocol_versions_are_refused_in_upstreams_words(site: Site, version: str) -> None:
    answer = site.ask("POST", "auth", {"version": version, "tee": "sample", "extra-params": {}})
    assert answer.status == 401
    assert variant(answer) == "AttestationError"
    words = f"KBS Client Protocol Version Mismatch: expect =0.4.0 while the request is {version}"
    assert refusal(answer).detail == f"Attestation error: RCAR handshake Auth failed: {words}"


@pytest.mark.parametrize(
    "body", [b"", b"{}", b'{"version":"0.4.0","tee":"sample"}', b"[" * 9999, b"\xff"]
)
def test_malformed_requests_are_refused(site: Site, body: bytes) -> None:
    answer = site.ask("POST", "auth", body)
    assert (answer.status, variant(answer)) == (401, "AttestationError")


@pytest.mark.parametrize("tee", ["csv", "sgx", "snp", "tdx"])
def test_production_listens_to_hardware(production: Site, tee: str) -> None:
    answer = production.ask("POST", "auth", {"version": "0.4.0", "tee": tee, "extra-params": ""})
    assert answer.status == 200


@pytest.mark.parametrize("tee", ["sample", "sampledevice", "tpm", "nonsense"])
def test_production_listens_to_no_tee_that_proves_too_little(production: Site, tee: str) -> None:
    answer = production.ask("POST", "auth", {"version": "0.4.0", "tee": tee, "extra-params": ""})
    assert answer.status == 401
    assert refusal(answer).claim == "tee"
    assert refusal(answer).got == tee


def test_tpm_is_listened_to_and_sample_is_not_unless_asked_for(site: Site) -> None:
    plain = site.reopened(sample=False)
    assert plain.client().auth().status == 401
    assert plain.client(SoftwareTpm(plain.platform)).auth().status == 200


def test_a_device_of_a_tee_turned_off_is_refused(site: Site) -> None:
    client = site.reopened(sample=False).client(SoftwareTpm(site.platform))
    client.auth()
    devices = json.dumps({"sample": {"svn": "1", "report_data": ""}})
    answer = client.attest(devices=devices)
    assert refusal(answer).claim == "tee"


def test_attest_again_gives_the_same_token(site: Site) -> None:
    client = site.client()
    token = client.token()
    assert json.loads(client.attest().body)["token"] == token


def test_failed_attestation_hides_nothing_behind_upstreams_words(site: Site) -> None:
    client = site.client()
    client.auth()
    answer = client.attest(b'{"svn":"1","report_data":"AAAA"}')
    assert (answer.status, variant(answer)) == (401, "AttestationError")
    body = refusal(answer)
    assert body.detail == "Attestation error: RCAR handshake Attest failed"
    assert body.step == "sample.2 report data"
    assert body.got
    assert body.expected
    assert body.remedy


def test_stale_nonce_is_refused(site: Site) -> None:
    old, new = site.client(), site.client()
    old.auth()
    new.auth()
    new.nonce = old.nonce
    answer = new.attest()
    assert (answer.status, refusal(answer).claim) == (401, "nonce")


def test_nonce_of_an_attested_session_serves_no_second_one(site: Site) -> None:
    old, new = site.client(), site.client()
    old.token()
    new.auth()
    new.nonce = old.nonce
    assert refusal(new.attest()).claim == "nonce"


@pytest.mark.parametrize("tee", ["sample", "tpm"])
def test_replayed_evidence_is_refused(site: Site, tee: str) -> None:
    attester = SoftwareTpm(site.platform) if tee == "tpm" else None
    old, new = site.client(attester), site.client(attester)
    old.auth()
    recorded = old.evidence()
    new.key = old.key
    new.auth()
    answer = new.attest(recorded)
    assert answer.status == 401
    assert str(refusal(answer).step).startswith(tee)


@pytest.mark.parametrize("tee", ["sample", "tpm"])
def test_evidence_of_another_key_is_refused(site: Site, tee: str) -> None:
    attester = SoftwareTpm(site.platform) if tee == "tpm" else None
    client = site.client(attester)
    client.auth()
    genuine = client.evidence()
    client.key = PrivateKey.generate(Kind.P256)
    answer = client.attest(genuine)
    assert answer.status == 401
    assert "nonce" in str(refusal(answer).step) or "report data" in str(refusal(answer).step)


def test_session_ends_by_time(site: Site) -> None:
    client = site.client()
    client.auth()
    site.clock.now += 301
    answer = client.attest()
    assert (answer.status, refusal(answer).claim) == (401, "session")


def test_an_attested_session_ends_when_it_would_have_ended_anyway(site: Site) -> None:
    client = site.client()
    site.put("default/key/1", b"secret")
    client.auth()
    site.clock.now += 200
    assert client.attest().status == 200
    assert client.get("default/key/1").status == 200
    site.clock.now += 101
    assert variant(client.get("default/key/1")) == "TokenNotFound"


@pytest.mark.parametrize("cookie", ["", "kbs-session-id=", "kbs-session-id=" + "0" * 32, "x=y"])
def test_attest_without_a_session_is_refused(site: Site, cookie: str) -> None:
    client = site.client()
    client.auth()
    client.cookie = cookie
    answer = client.attest()
    assert (answer.status, refusal(answer).claim) == (401, "session")


def test_sessions_are_bounded_and_make_room_when_they_end(site: Site) -> None:
    few = site.reopened(sessions__most=3)
    assert [few.client().auth().status for _ in range(4)] == [200, 200, 200, 503]
    few.clock.now += 301
    assert few.client().auth().status == 200


def test_what_the_machine_lacks_is_not_told_to_strangers(site: Site) -> None:
    site.trustee.storage.close()
    answer = site.client().auth()
    assert answer.status == 503
    assert str(site.folder).encode() not in answer.body


def test_sessions_outlive_the_process(site: Site) -> None:
    client = site.client()
    client.auth()
    client.site = site.reopened()
    assert client.attest().status == 200


def test_what_a_stranger_says_beside_his_request_is_not_kept(site: Site) -> None:
    word = "word" * 50_000
    request = {"version": "0.4.0", "tee": "sample", "extra-params": {"x": word}}
    assert site.ask("POST", "auth", request).status == 200
    site.trustee.close()
    assert all(word.encode() not in file.read_bytes() for file in site.folder.glob("*.db*"))


@pytest.mark.parametrize(
    "text",
    [
        "version = 0x" + "f" * 4000,
        "version = " + "9" * 5000,
        "version = {" + ".".join("k" * 60) + " = {" + ".".join("k" * 60) + " = 1}}",
        "x = " + "[" * 5000,
        ".".join("k" * 5000) + " = 1",
    ],
)
def test_initdata_that_nobody_can_read_is_refused_and_no_mistake_of_ours(
    site: Site, text: str
) -> None:
    client = site.client()
    client.auth()
    assert client.attest(initdata=text).status == 401


@pytest.mark.parametrize("inner", ["a = 0x" + "f" * 4000, "a = " + "9" * 5000, "k.k = [" * 999])
def test_document_in_initdata_that_is_no_json_stays_a_text(inner: str) -> None:
    assert claims(build({"cdh.toml": inner})) == {"cdh.toml": inner}


def test_initdata_must_be_toml_and_bound(site: Site) -> None:
    client = site.client(SoftwareTpm(site.platform))
    client.auth()
    text = 'version = "0.1.0"\nalgorithm = "sha256"\n[data]\n"a.toml" = "x = 1"\n'
    answer = client.attest(initdata=text)
    assert refusal(answer).step == "tpm.11 initdata"
    answer = client.attest(initdata="not toml [")
    assert answer.status == 401


def test_devices_are_bound_to_the_same_nonce_and_key(site: Site) -> None:
    client = site.client()
    client.auth()
    from casemate.wire import kbs

    digest = kbs.device_report_data(client.runtime_data()).value
    good = json.dumps({"sample": {"svn": "1", "report_data": base64.b64encode(digest).decode()}})
    answer = client.attest(devices=good)
    assert answer.status == 200
    assert set(claims_of(json.loads(answer.body)["token"])["submods"]) == {"cpu0", "cpu1"}
    other = site.client()
    other.auth()
    assert other.attest(devices=good).status == 401
