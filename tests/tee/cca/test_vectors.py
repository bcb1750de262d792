"""Published tokens, with the verdict that their README gives."""

import json
from base64 import b64encode
from datetime import UTC, datetime

import msgspec
import pytest

from casemate.crypto import cbor
from casemate.crypto.cose import SignedMessage
from casemate.crypto.keys import PrivateKey
from casemate.errors import InputError, PeerError, VerificationError
from casemate.tee.anchors import Anchors
from casemate.tee.cca import reference_values
from casemate.tee.cca.configuration import Local, Remote, parse
from casemate.tee.cca.platform import Platform
from casemate.tee.cca.realm import Realm
from casemate.tee.cca.report import Token, evidence_of
from casemate.tee.evidence import Expectation, Inputs, VerifiedEvidence
from casemate.tee.trail import Result
from casemate.tee.verifiers import trail_of, verify
from tests.thorough import places
from tests.vectors import vector

CHALLENGE = "57e979ae2618de0c"


def verdict(token: str, *stores: str, report_data: bytes | None = None) -> VerifiedEvidence:
    files = {name: vector("cca", name).read_bytes() for name in stores}
    inputs = Inputs(now=datetime(2025, 6, 1, tzinfo=UTC), anchors=Anchors.of_folder(files))
    raw = vector("cca", token).read_bytes()
    expected = Expectation(report_data=report_data)
    found = verify("cca", raw, expected, inputs)
    assert verify("cca", evidence_of(raw), expected, inputs) == found  # JSON and CBOR alike
    return found[0]


def refused(token: str, *stores: str) -> str:
    with pytest.raises(VerificationError) as caught:
        verdict(token, *stores)
    return caught.value.refusal.step


def test_example_is_verified_with_every_step() -> None:
    found = verdict("cca-example-token.cbor", "tastore.json", "rvstore.json")
    assert found.report_data.hex().startswith(CHALLENGE)
    assert found.report_data.hex().endswith("8a96") or len(found.report_data) == 64
    assert found.init_data == bytes(64)
    assert found.claims["report_data"] == found.report_data.hex()
    assert found.claims["init_data"] == "00" * 64
    platform, realm = found.claims["platform"], found.claims["realm"]
    assert platform["cca-platform-lifecycle"] == 12291
    assert platform["cca-platform-lifecycle-state"] == "secured"
    assert platform["cca-platform-config"] == b64encode(bytes.fromhex("cfcfcfcf")).decode()
    assert len(platform["cca-platform-sw-components"]) == 13
    assert platform["cca-platform-reference-values"] == "match"
    assert realm["cca-realm-reference-values"] == "match"
    assert realm["cca-realm-hash-algo-id"] == "sha-512"
    assert realm["cca-realm-personalization-value"] == b64encode(bytes(64)).decode()
    assert len(realm["cca-realm-extensible-measurements"]) == 4


def test_example_serves_its_own_session_alone() -> None:
    raw = vector("cca", "cca-example-token.cbor").read_bytes()
    realm = Realm.parse(SignedMessage.parse(Token.parse(raw).realm, "x").payload)
    verdict("cca-example-token.cbor", "tastore.json", report_data=realm.challenge)
    with pytest.raises(VerificationError, match="report data"):
        verdict("cca-example-token.cbor", "tastore.json", report_data=realm.challenge[:48])


def test_stores_that_are_absent_are_skipped_and_claimed_so() -> None:
    found = verdict("cca-example-token.cbor", "tastore.json")
    assert found.claims["platform"]["cca-platform-reference-values"] == "not compared"
    assert found.claims["realm"]["cca-realm-reference-values"] == "not compared"


def test_trust_anchors_are_not_taken_from_collateral() -> None:
    from casemate.tee.material import Material

    store = {"tastore.json": vector("cca", "tastore.json").read_bytes()}
    inputs = Inputs(now=datetime(2025, 6, 1, tzinfo=UTC), collateral=Material.of_files(store))
    raw = vector("cca", "cca-example-token.cbor").read_bytes()
    with pytest.raises(VerificationError) as caught:
        verify("cca", raw, Expectation(report_data=None), inputs)
    assert caught.value.refusal.step == "cca.5 platform key"


def test_token_with_two_curves_is_verified() -> None:
    found = verdict("rct-cca-token-02.cbor", "rct-ta-02-ok.json")
    assert found.claims["report_data"] == b"AB".hex() * 32


def test_key_off_its_curve_fails_cleanly() -> None:
    assert refused("rct-cca-token-02.cbor", "rct-ta-02-bad.json") == "cca.5 platform key"


def test_token_whose_realm_key_is_not_bound_is_refused() -> None:
    assert refused("rct-bug-33-repro.cbor", "rct-ta-tfa.json") == "cca.8 binding"


def test_newer_profile_is_verified() -> None:
    found = verdict("rct-cca-token-draft-ffm-00.cbor", "rct-ta-tfa.json")
    assert found.claims["realm"]["cca-realm-profile"] == "tag:arm.com,2023:realm#1.0.0"


def test_newer_profiles_realm_is_not_the_first_ones() -> None:
    step = refused("rct-cca-token-draft-ffm-00.cbor", "rct-ta-tfa.json", "rvstore.json")
    assert step == "cca.14 realm reference values"


def test_reference_values_of_other_platforms_refuse() -> None:
    step = refused("rct-cca-token-02.cbor", "rct-ta-02-ok.json", "rct-rv.json")
    assert step == "cca.13 platform reference values"


@pytest.mark.parametrize("token", ["rct-cca-token-02.cbor", "cca-example-token.cbor"])
def test_machine_of_nobody_is_refused(token: str) -> None:
    assert refused(token) == "cca.5 platform key"


def test_bare_claims_parse() -> None:
    platform = Platform.parse(vector("cca", "rct-platform-claims.cbor").read_bytes())
    assert platform.service == "https://cca_verifier.org"
    assert [one.version for one in platform.components] == ["1.0.0", "1.0.0"]
    realm = Realm.parse(vector("cca", "rct-realm-claims.cbor").read_bytes())
    assert realm.profile is None


def test_missing_challenge_fails() -> None:
    with pytest.raises(PeerError, match="cca-realm-challenge"):
        Realm.parse(vector("cca", "rct-realm-claims-missing-challenge.cbor").read_bytes())


@pytest.mark.parametrize("kind", ["numeric", "text"])
def test_spurious_keys_are_ignored(kind: str) -> None:
    raw = vector("cca", f"rct-realm-claims+spurious-{kind}-key.cbor").read_bytes()
    assert Realm.parse(raw) == Realm.parse(vector("cca", "rct-realm-claims.cbor").read_bytes())


@pytest.mark.parametrize("name", ["rvstore.json", "rct-rv.json"])
def test_reference_values_parse(name: str) -> None:
    found = reference_values.read({name: vector("cca", name).read_bytes()})
    assert found.platform
    assert found.realm


def test_claims_hold_all_that_upstreams_example_has() -> None:
    """Of another token, so only the names and forms are compared."""
    theirs = json.loads(vector("cca", "cca-claims.json").read_bytes())
    ours = verdict("rct-cca-token-02.cbor", "rct-ta-02-ok.json").claims
    for part in ("platform", "realm"):
        for name, value in theirs[part].items():
            assert isinstance(ours[part][name], type(value)), name
    component = set(theirs["platform"]["cca-platform-sw-components"][0])
    assert component >= set(ours["platform"]["cca-platform-sw-components"][0])
    assert set(ours) == set(theirs)


def test_remote_configuration_among_roots_is_refused() -> None:
    with pytest.raises(InputError, match=r"--cca-config"):
        verdict("cca-example-token.cbor", "tastore.json", "cca-config-remote.json")
    verdict("cca-example-token.cbor", "tastore.json", "cca-config-local.json")


def test_upstreams_configurations_are_read() -> None:
    remote = parse(vector("cca", "cca-config-remote.json").read_bytes(), "remote")
    assert remote == Remote(address="https://veraison.test.linaro.org:8443")
    assert isinstance(parse(vector("cca", "cca-config-local.json").read_bytes(), "local"), Local)


def test_other_configuration_is_none_of_ours() -> None:
    verdict("cca-example-token.cbor", "tastore.json", "as-config.json", "kbs-request.json")


def test_every_flipped_bit_of_what_is_signed_is_refused() -> None:
    """Each byte of both payloads, headers and signatures, one bit at a time."""
    raw = vector("cca", "rct-cca-token-02.cbor").read_bytes()
    store = {"ta": vector("cca", "rct-ta-02-ok.json").read_bytes()}
    inputs = Inputs(now=datetime(2025, 6, 1, tzinfo=UTC), anchors=Anchors.of_folder(store))
    for at in places(len(raw)):
        changed = raw[:at] + bytes([raw[at] ^ 1 << at % 8]) + raw[at + 1 :]
        with pytest.raises(VerificationError):
            verify("cca", changed, Expectation(report_data=None), inputs)


def test_published_test_key_signs_tokens_that_its_store_accepts() -> None:
    """Re-sign the example with a changed config: genuine, and no longer a known good state."""
    raw = vector("cca", "cca-example-token.cbor").read_bytes()
    stores = {n: vector("cca", n).read_bytes() for n in ("tastore.json", "rvstore.json")}
    private = json.loads(vector("cca", "cpak-priv.json").read_bytes())
    token = Token.parse(raw)
    platform = Platform.parse(SignedMessage.parse(token.platform, "x").payload)
    changed = msgspec.structs.replace(platform, config=b"\0")
    signed = _sign(changed.encode(), private)
    inputs = Inputs(now=datetime(2025, 6, 1, tzinfo=UTC), anchors=Anchors.of_folder(stores))
    trail = trail_of("cca")
    with pytest.raises(VerificationError, match="config 00"):
        verify(
            "cca", Token(signed, token.realm).encode(), Expectation(report_data=None), inputs, trail
        )
    assert trail.results[6].result is Result.PASSED


def _sign(payload: bytes, jwk: dict[str, str]) -> bytes:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    from casemate.crypto import base64url, cose

    scalar = int.from_bytes(base64url.decode(jwk["d"]), "big")
    pem = ec.derive_private_key(scalar, ec.SECP384R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return cose.sign(payload, PrivateKey.from_pem(pem))


def test_payloads_are_written_as_they_were_read() -> None:
    """The frozen types lose nothing of what real tokens hold."""
    for name in (
        "cca-example-token.cbor",
        "rct-cca-token-02.cbor",
        "rct-cca-token-draft-ffm-00.cbor",
    ):
        token = Token.parse(vector("cca", name).read_bytes())
        for part, kind in ((token.platform, Platform), (token.realm, Realm)):
            payload = SignedMessage.parse(part, "x").payload
            again = kind.parse(payload).encode()
            assert cbor.decode(again, "x") == cbor.decode(payload, "x")
