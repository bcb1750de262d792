"""What a Veraison service's verdict must prove before it counts, and what is verified here too."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from casemate.crypto import base64url, jwt
from casemate.crypto.jwk import EcJwk
from casemate.crypto.keys import Kind, PrivateKey
from casemate.errors import InputError, VerificationError
from casemate.tee.cca.remote import Ear
from casemate.tee.evidence import Answer, Expectation, Inputs
from casemate.tee.gathering.cache import Cache
from casemate.tee.gathering.gatherer import Gatherer, Source
from casemate.tee.material import Material
from casemate.tee.trail import Result
from casemate.tee.verifiers import trail_of, verify
from tests.sim.veraison import MEDIA_TYPE, SEEN, Veraison, member_of
from tests.tee.cca.asked import options_for, outcome, service_for
from tests.tee.cca.simulated import NOW, claims_of, make, with_token

PLATFORM = "submods/CCA_SSD_PLATFORM"
REALM = "submods/CCA_REALM"
VECTOR = "ear.trustworthiness-vector"
MADE = make(init_data="ab" * 32)


async def test_realm_is_vouched_for_with_the_claims_of_local_verification() -> None:
    service = service_for(MADE)
    done = await outcome(service, MADE)
    assert done.refusal is None
    assert done.found is not None
    theirs = dict(done.found.claims)
    assert theirs.pop("remote-verifier") == {
        "address": service.url,
        "id": {"build": "simulated", "developer": "Veraison Project"},
    }
    assert theirs == claims_of(MADE).claims
    skipped = [one.n for one in done.steps if one.result is Result.SKIPPED]
    assert skipped == [5, 6, 7, 13, 14]
    assert len(done.steps) == 20
    assert "published" in done.found.chain[-1]
    (note,) = done.gathered.notes
    assert (note.source, note.name) == (Source.SERVICE, f"verdict of {service.url}")


async def test_service_is_asked_as_upstream_asks_it() -> None:
    """The challenge is the session's nonce, and the bare token goes under upstream's type."""
    service = service_for(MADE)
    await outcome(service, MADE)
    discovery, new, sent = service.asked
    assert (discovery.method, discovery.target) == ("GET", "/.well-known/veraison/verification")
    nonce = base64url.encode(MADE.report_data.ljust(64, b"\0"))
    target = f"/challenge-response/v1/newSession?nonce={nonce}"
    assert (new.method, new.target, new.body) == ("POST", target, b"")
    assert sent.body == MADE.binary
    assert dict(sent.headers)["content-type"] == MEDIA_TYPE
    media = "application/vnd.veraison.challenge-response-session+json"
    assert dict(sent.headers)["accept"] == dict(new.headers)["accept"] == media


@pytest.mark.parametrize("kind", [Kind.P256, Kind.P384, Kind.P521, Kind.ED25519])
async def test_verdict_may_be_signed_by_any_key_of_these_kinds(kind: Kind) -> None:
    assert (await outcome(service_for(MADE, kind=kind), MADE)).step == 0


async def test_token_of_the_newer_form_is_vouched_for() -> None:
    made = make(form="2023", realm_algorithm="ES512")
    assert (await outcome(service_for(made), made)).step == 0


@pytest.mark.check("cca", 15)
async def test_service_that_was_not_asked_vouches_for_nothing() -> None:
    inputs = Inputs(now=NOW, options=options_for(Veraison()))
    trail = trail_of("cca")
    with pytest.raises(VerificationError, match=r"cca\.15.*nobody asked it.*--fetch"):
        verify("cca", MADE.evidence, Expectation(report_data=None), inputs, trail)


async def test_offline_trustee_asks_no_service_and_refuses(tmp_path: Any) -> None:
    gatherer = Gatherer(Cache(tmp_path), None, clock=NOW.timestamp)
    inputs = Inputs(now=NOW, options=options_for(Veraison()))
    gathered = await gatherer.gather("cca", MADE.evidence, inputs)
    assert gathered.answer == Answer(silence="offline: no service is asked")
    assert gathered.doubtful == gathered.notes
    inputs = msgspec.structs.replace(inputs, answer=gathered.answer)
    with pytest.raises(VerificationError, match=r"cca\.15.*offline"):
        verify("cca", MADE.evidence, Expectation(report_data=None), inputs)


async def test_verdict_out_of_collateral_counts_for_nothing() -> None:
    """A kept conversation names a key of its own: nothing there makes it the service's."""
    service = service_for(MADE)
    answer = (await outcome(service, MADE)).gathered.answer
    assert answer is not None
    kept = Material.of_files({"verdict.json": msgspec.json.encode(answer)})
    inputs = Inputs(now=NOW, options=options_for(service), collateral=kept)
    with pytest.raises(VerificationError, match=r"cca\.15"):
        verify("cca", MADE.evidence, Expectation(report_data=MADE.report_data), inputs)


# The signature


def by(key: PrivateKey, **header: object) -> Callable[[dict[str, Any], PrivateKey], str]:
    def sign(claims: dict[str, Any], _own: PrivateKey) -> str:
        head = jwt.encode_header({"alg": key.algorithm, **header})
        return jwt.sign(claims, key, header=head)

    return sign


def unsigned(claims: dict[str, Any], _key: PrivateKey) -> str:
    head = base64url.encode(b'{"alg":"none"}')
    return f"{head}.{base64url.encode(json.dumps(claims).encode())}."


def with_the_public_key_as_secret(claims: dict[str, Any], key: PrivateKey) -> str:
    head = base64url.encode(b'{"alg":"HS256"}')
    signed = f"{head}.{base64url.encode(json.dumps(claims).encode())}"
    mac = hmac.new(key.public.pem(), signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{base64url.encode(mac)}"


def claims_changed(claims: dict[str, Any], key: PrivateKey) -> str:
    head, _, signature = jwt.sign(claims, key).split(".")
    return f"{head}.{base64url.encode(json.dumps(claims | {'iat': 1}).encode())}.{signature}"


@pytest.mark.check("cca", 16)
@pytest.mark.parametrize(
    "sign",
    [
        by(PrivateKey.generate(Kind.P256)),
        by(PrivateKey.generate(Kind.P384)),
        unsigned,
        with_the_public_key_as_secret,
        claims_changed,
        lambda claims, key: by(key, crit=["b64"])(claims, key),
        lambda claims, key: by(key, alg="ES384")(claims, key),
        lambda _claims, _key: "no token",
        lambda _claims, _key: "..",
    ],
)
async def test_verdict_by_another_key_or_algorithm_is_refused(sign: Any) -> None:
    assert (await outcome(service_for(MADE, sign=sign), MADE)).step == 16


async def test_configured_key_alone_counts() -> None:
    service = service_for(MADE)
    done = await outcome(service, MADE, ear_verification_key=service.jwk.decode())
    assert done.found is not None
    assert "configured" in done.found.chain[-1]
    other = msgspec.json.encode(PrivateKey.generate(Kind.P256).public.jwk()).decode()
    assert (await outcome(service, MADE, ear_verification_key=other)).step == 16


@pytest.mark.parametrize(
    ("key", "told"),
    [
        (..., "none"),
        (msgspec.to_builtins(PrivateKey.generate(Kind.RSA, bits=2048).public.jwk()), "RSA"),
        ({"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}, ""),
    ],
)
async def test_published_key_that_is_none_or_of_another_kind_is_refused(
    key: object, told: str
) -> None:
    service = service_for(MADE, discovery=member_of("ear-verification-key", key))
    done = await outcome(service, MADE)
    assert done.step == 16
    assert done.refusal is not None
    assert told in done.refusal.got


async def test_algorithm_must_be_the_one_that_the_key_names() -> None:
    service = service_for(MADE)
    jwk = service.key.public.jwk(alg="ES384")
    assert isinstance(jwk, EcJwk)
    service.discovery = member_of("ear-verification-key", msgspec.to_builtins(jwk))
    assert (await outcome(service, MADE)).step == 16


async def test_configured_key_that_is_none_is_the_operators_mistake() -> None:
    with pytest.raises(InputError, match="JWK"):
        await outcome(service_for(MADE), MADE, ear_verification_key="{}")


# Its form, and its freshness


@pytest.mark.check("cca", 17)
@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("eat_profile", "tag:github.com,2024:confidential-containers/Trustee"),
        ("eat_profile", ...),
        ("iat", ...),
        ("iat", "now"),
        ("iat", True),
        ("eat_nonce", ...),
        ("eat_nonce", ["a", "b"]),
        ("submods", ...),
        ("submods", []),
        ("submods", {"CCA_REALM": 1}),
        (f"{REALM}/ear.status", ...),
        (f"{REALM}/{VECTOR}", {"executables": "2"}),
        (f"{REALM}/{SEEN}", []),
        ("ear.verifier-id", ...),
    ],
)
async def test_verdict_of_another_form_is_refused(path: str, value: object) -> None:
    assert (await outcome(service_for(MADE, ear=member_of(path, value)), MADE)).step == 17


@pytest.mark.check("cca", 18)
@pytest.mark.parametrize(
    ("path", "value", "claim"),
    [
        ("eat_nonce", base64.urlsafe_b64encode(bytes(64)).decode(), "eat_nonce"),
        ("eat_nonce", base64.urlsafe_b64encode(b"1" * 32).decode(), "eat_nonce"),
        ("eat_nonce", "!", "eat_nonce"),
        ("iat", int(NOW.timestamp()) - 301, "iat"),
        ("iat", int(NOW.timestamp()) + 61, "iat"),
        ("exp", int(NOW.timestamp()) - 61, "exp"),
    ],
)
async def test_verdict_of_another_session_or_time_is_refused(
    path: str, value: object, claim: str
) -> None:
    done = await outcome(service_for(MADE, ear=member_of(path, value)), MADE)
    assert done.step == 18
    assert done.refusal is not None
    assert done.refusal.claim == claim


@pytest.mark.parametrize(("path", "value"), [("iat", -300), ("iat", 60), ("exp", -60)])
async def test_clocks_may_differ_a_little(path: str, value: int) -> None:
    change = member_of(path, int(NOW.timestamp()) + value)
    assert (await outcome(service_for(MADE, ear=change), MADE)).step == 0


# What it says


@pytest.mark.check("cca", 19)
@pytest.mark.parametrize(
    ("path", "value", "claim"),
    [
        (f"{PLATFORM}/ear.status", "warning", "CCA_SSD_PLATFORM ear.status"),
        (f"{PLATFORM}/ear.status", "contraindicated", "CCA_SSD_PLATFORM ear.status"),
        (f"{PLATFORM}/ear.status", "none", "CCA_SSD_PLATFORM ear.status"),
        (f"{PLATFORM}/ear.status", "splendid", "CCA_SSD_PLATFORM ear.status"),
        (f"{PLATFORM}/ear.status", 96, "CCA_SSD_PLATFORM ear.status"),
        (f"{PLATFORM}/ear.status", 1, "CCA_SSD_PLATFORM ear.status"),
        (f"{PLATFORM}/{VECTOR}/executables", 33, "CCA_SSD_PLATFORM executables"),
        (f"{PLATFORM}/{VECTOR}/hardware", 97, "CCA_SSD_PLATFORM hardware"),
        (f"{PLATFORM}/{VECTOR}/configuration", 32, "CCA_SSD_PLATFORM configuration"),
        (f"{PLATFORM}/{VECTOR}/sourced-data", -1, "CCA_SSD_PLATFORM sourced-data"),
        (f"{PLATFORM}/{VECTOR}/unheard-of", 99, "CCA_SSD_PLATFORM unheard-of"),
        (f"{PLATFORM}/{VECTOR}", ..., "CCA_SSD_PLATFORM instance-identity"),
        (f"{PLATFORM}/{VECTOR}/executables", ..., "CCA_SSD_PLATFORM executables"),
        (f"{PLATFORM}/{VECTOR}/configuration", 0, "CCA_SSD_PLATFORM configuration"),
        (f"{PLATFORM}", ..., "submods"),
        (f"{REALM}/ear.status", "contraindicated", "CCA_REALM ear.status"),
        (f"{REALM}/{VECTOR}/executables", 96, "CCA_REALM executables"),
        (f"{REALM}/{VECTOR}/file-system", 33, "CCA_REALM file-system"),
        (f"{REALM}/{VECTOR}/instance-identity", 0, "CCA_REALM instance-identity"),
        (f"{REALM}/{VECTOR}/instance-identity", 97, "CCA_REALM instance-identity"),
        (f"{REALM}", ..., "submods"),
        ("submods", {}, "submods"),
        ("submods/CCA_OTHER", {"ear.status": "affirming"}, "submods"),
        ("submods/CCA_OTHER", {"ear.status": "warning"}, "CCA_OTHER ear.status"),
    ],
)
async def test_verdict_that_does_not_affirm_all_is_refused(
    path: str, value: object, claim: str
) -> None:
    done = await outcome(service_for(MADE, ear=member_of(path, value)), MADE)
    assert done.step == 19
    assert done.refusal is not None
    assert done.refusal.claim == claim


async def test_status_may_be_a_number() -> None:
    change = member_of(f"{PLATFORM}/ear.status", 2)
    assert (await outcome(service_for(MADE, ear=change), MADE)).step == 0


@pytest.mark.parametrize(
    "fields", [{"platform_signer": "other"}, {"store": "missing"}, {"store": "implementation"}]
)
async def test_platform_that_the_service_cannot_prove_is_refused_with_its_reason(
    fields: dict[str, str],
) -> None:
    made = make(**fields)
    done = await outcome(service_for(made), made)
    assert done.step == 19
    assert done.refusal is not None
    assert done.refusal.claim.startswith("ARM_CCA ")
    assert "problem: integrity validation failed" in done.refusal.got
    assert "endorsement of this platform's key" in done.refusal.remedy


async def test_tampered_platform_token_is_contraindicated() -> None:
    assert MADE.binary is not None
    made = with_token(MADE, MADE.binary.replace(b"\x1d" * 32, b"\x1e" * 32))
    done = await outcome(service_for(MADE), made)
    assert done.step == 19
    assert done.refusal is not None
    assert "(contraindicated)" in done.refusal.got


async def test_firmware_that_the_service_does_not_know_is_refused() -> None:
    made = make(references="platform")
    done = await outcome(service_for(made), made)
    assert done.step == 19
    assert done.refusal is not None
    assert done.refusal.claim == "CCA_SSD_PLATFORM configuration"
    assert "reference value" in done.refusal.remedy


async def test_realm_that_the_service_does_not_know_is_left_to_the_policy() -> None:
    """Upstream's deployments tell Veraison of platforms, and the Trustee of realms."""
    made = make(references="realm")
    done = await outcome(service_for(made), made)
    assert done.found is not None
    assert done.found.claims["realm"]["cca-realm-reference-values"] == "not compared"
    assert done.found.claims["platform"]["cca-platform-reference-values"] == "match"
    silent = service_for(MADE, ear=member_of(f"{REALM}/{VECTOR}/executables", ...))
    for service, realm in ((service_for(made), made), (silent, MADE)):
        strict = await outcome(service, realm, realm_values="required")
        assert strict.step == 19
        assert strict.refusal is not None
        assert strict.refusal.claim == "CCA_REALM executables"
    assert (await outcome(service_for(MADE), MADE, realm_values="required")).step == 0


@pytest.mark.parametrize("status", ["contraindicated", "none", "splendid"])
async def test_realm_that_is_unknown_must_not_be_worse_than_that(status: str) -> None:
    made = make(references="realm")
    service = service_for(made, ear=member_of(f"{REALM}/ear.status", status))
    assert (await outcome(service, made)).step == 19


async def test_realm_of_whose_measurements_nothing_is_said_is_left_to_the_policy() -> None:
    silent = member_of(f"{REALM}/{VECTOR}/executables", ...)
    done = await outcome(service_for(MADE, ear=silent), MADE)
    assert done.found is not None
    assert done.found.claims["realm"]["cca-realm-reference-values"] == "not compared"


@pytest.mark.check("cca", 20)
@pytest.mark.parametrize(
    ("part", "claim"),
    [
        (PLATFORM, "cca-platform-instance-id"),
        (PLATFORM, "cca-platform-implementation-id"),
        (REALM, "cca-realm-challenge"),
        (REALM, "cca-realm-personalization-value"),
        (REALM, "cca-realm-initial-measurement"),
        (REALM, "cca-realm-extensible-measurements"),
        (REALM, "cca-realm-hash-algo-id"),
    ],
)
@pytest.mark.parametrize("seen", [..., None, "AAAA", "?", 1, [], {}, ["AAAA"] * 4])
async def test_verdict_about_another_token_is_refused(part: str, claim: str, seen: object) -> None:
    change = member_of(f"{part}/{SEEN}/{claim}", seen)
    done = await outcome(service_for(MADE, ear=change), MADE)
    assert done.step == 20
    assert done.refusal is not None
    assert claim in done.refusal.claim


@pytest.mark.parametrize(
    ("claim", "seen", "step"),
    [
        ("cca-platform-lifecycle", ..., 0),
        ("cca-platform-lifecycle", 0x3001, 20),
        ("cca-platform-sw-components", ..., 0),
        ("cca-platform-sw-components", [], 20),
        ("cca-platform-sw-components", [{}, {}], 20),
        ("cca-platform-config", "AAAA", 20),
        ("cca-platform-unheard-of", 1, 0),
    ],
)
async def test_what_else_it_says_it_saw_must_be_so_too(claim: str, seen: object, step: int) -> None:
    change = member_of(f"{PLATFORM}/{SEEN}/{claim}", seen)
    assert (await outcome(service_for(MADE, ear=change), MADE)).step == step


async def test_components_may_have_veraisons_name_for_their_description() -> None:
    made = make(component_hash="sha-256")

    def rename(ear: dict[str, Any]) -> None:
        for one in ear["submods"]["CCA_SSD_PLATFORM"][SEEN]["cca-platform-sw-components"]:
            one["measurement-description"] = one.pop("hash-algo-id", "sha-256")

    assert (await outcome(service_for(made, ear=rename), made)).step == 0


# What is verified here all the same


async def test_challenge_must_be_ours_whatever_the_service_says() -> None:
    other = Expectation(report_data=b"another session")
    done = await outcome(service_for(MADE), MADE, expected=other)
    assert done.step == 11


async def test_init_data_must_be_ours_whatever_the_service_says() -> None:
    init = make(init_data="cd" * 32).init_data
    expected = Expectation(report_data=MADE.report_data, init_data=init)
    assert (await outcome(service_for(MADE), MADE, expected=expected)).step == 12


async def test_debugging_machines_are_refused_whatever_the_service_says() -> None:
    made = make(lifecycle="0x4000")
    service = service_for(make(), ear=member_of("submods", {}))
    assert (await outcome(service, made)).step == 10
    assert (await outcome(service, made, allow_debug=True)).step == 19


@pytest.mark.parametrize(
    ("made", "step"),
    [
        (with_token(MADE, b"no token"), 1),
        (make(lifecycle="-1"), 3),
        (make(platform_nonce="00" * 32), 8),
        (make(realm_signer="other"), 9),
    ],
)
async def test_nobody_is_asked_about_a_token_that_is_refused_here(made: Any, step: int) -> None:
    service = service_for(MADE)
    assert (await outcome(service, made)).step == step
    assert service.asked == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
MEMBERS = st.sampled_from(
    ["eat_profile", "iat", "exp", "eat_nonce", "submods", "ear.verifier-id", "x"]
)


@given(st.dictionaries(MEMBERS, JSON))
def test_any_claims_at_all_are_an_ear_or_refused(claims: dict[str, Any]) -> None:
    try:
        Ear.parse(claims)
    except InputError:
        return
