"""Each step of the verifier, by simulated realms that are wrong in one field."""

import json

import msgspec
import pytest

from casemate.crypto.digest import Algorithm, Digest
from casemate.errors import InputError, VerificationError
from casemate.tee.anchors import Anchors
from casemate.tee.cca import remote
from casemate.tee.cca.verifier import CHECKS
from casemate.tee.evidence import Expectation, Inputs
from casemate.tee.material import Material
from casemate.tee.options import Options
from casemate.tee.simulators import SIMULATORS
from casemate.tee.trail import Result
from casemate.tee.verifiers import VERIFIERS, trail_of, verify
from tests.tee.cca.simulated import NOW, claims_of, inputs_of, make, refused_at

DIGESTS = ["ab" * 32, "cd" * 48, "ef" * 64]
ALGORITHMS = ["ES256", "ES384", "ES512"]

ONE_FIELD_WRONG = [
    ("tag", "18", 1),
    ("tail", "00", 1),
    ("member", "44235", 1),
    ("envelope_tag", "98", 2),
    ("header", "unprotected", 2),
    ("header", "none", 2),
    ("header", "critical", 2),
    ("header", "both", 2),
    ("platform_profile", "tag:arm.com,2031:cca_platform#2.0.0", 3),
    ("implementation_id", "00" * 31, 3),
    ("instance_id", "01" * 34, 3),
    ("instance_id", "02" * 33, 3),
    ("lifecycle", "0x13000", 3),
    ("lifecycle", "-1", 3),
    ("platform_hash", "sha-384", 3),
    ("platform_nonce", "00" * 31, 3),
    ("components", "0", 3),
    ("component_value", "00" * 33, 3),
    ("component_signer", "", 3),
    ("component_hash", "md5", 3),
    ("challenge", "00" * 63, 4),
    ("personalization", "00" * 65, 4),
    ("initial_measurement", "00", 4),
    ("extensible_measurement", "", 4),
    ("extensible_count", "3", 4),
    ("realm_hash", "md5", 4),
    ("realm_key_hash", "sha-1", 4),
    ("realm_profile", "tag:arm.com,2031:realm#2.0.0", 4),
    ("store", "missing", 5),
    ("store", "twice", 5),
    ("store", "off-curve", 5),
    ("store", "algorithm", 5),
    ("store", "implementation", 6),
    ("platform_signer", "other", 7),
    ("flip", "10", 7),
    ("platform_nonce", "00" * 32, 8),
    ("realm_key", "04" + "11" * 96, 9),
    ("realm_key", "a1", 9),
    ("realm_signer", "other", 9),
    ("realm_algorithm", "ES256", 9),
    ("flip", "400", 9),
    ("lifecycle", "0x0000", 10),
    ("lifecycle", "0x1000", 10),
    ("lifecycle", "0x2000", 10),
    ("lifecycle", "0x2fff", 10),
    ("lifecycle", "0x3100", 10),
    ("lifecycle", "0x40ff", 10),
    ("lifecycle", "0x5000", 10),
    ("lifecycle", "0x6000", 10),
    ("lifecycle", "0xffff", 10),
    ("challenge", "00" * 64, 11),
    ("personalization", "11" * 64, 12),
    ("references", "platform", 13),
    ("references", "empty", 13),
    ("references", "realm", 14),
]
HARMLESS = {
    "report_data",
    "init_data",
    "form",
    "platform_algorithm",
    "config",
    "service",
    "component_kind",
    "component_version",
    "extra",
}
"""Fields of which other values are right too, or which wrong values are those of another field."""
LOCAL = CHECKS[: -len(remote.CHECKS)]
"""The others are about a service's verdict: test_remote."""
MATTERS_BY_KEY = {"drop", "retype"}


def test_right_realm_passes_every_step() -> None:
    made = make(init_data=DIGESTS[0])
    trail = trail_of("cca")
    found = claims_of(made, trail=trail)
    assert {one.result for one in trail.results[: len(LOCAL)]} == {Result.PASSED}
    assert {one.result for one in trail.results[len(LOCAL) :]} == {Result.SKIPPED}
    assert len(trail.results) == len(CHECKS)
    assert found.claims["platform"]["cca-platform-trust-anchor"] == "match"


@pytest.mark.parametrize("form", ["first", "2023"])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_form_and_algorithm_is_verified(form: str, algorithm: str) -> None:
    realm = "ES384" if form == "first" else algorithm
    for key_hash in ("sha-256", "sha-512"):
        made = make(
            form=form,
            platform_algorithm=algorithm,
            realm_algorithm=realm,
            realm_key_hash=key_hash,
        )
        assert refused_at(made) == 0


@pytest.mark.parametrize(("field", "value", "step"), ONE_FIELD_WRONG)
def test_one_wrong_field_is_refused_at_its_step(field: str, value: str, step: int) -> None:
    made = make(**{"init_data": DIGESTS[0], field: value})
    assert refused_at(made) == step


def test_every_field_of_the_simulator_is_tried_wrong() -> None:
    tried = {field for field, _, _ in ONE_FIELD_WRONG} | HARMLESS | MATTERS_BY_KEY
    assert tried == set(SIMULATORS["cca"].fields)


@pytest.mark.parametrize("check", LOCAL, ids=lambda one: one.name)
def test_every_step_refuses_something(check: object) -> None:
    assert getattr(check, "number", 0) in {step for _, _, step in ONE_FIELD_WRONG}


@pytest.mark.parametrize("change", ["drop", "retype"])
@pytest.mark.parametrize("form", ["first", "2023"])
def test_every_claim_is_needed_and_of_its_form(change: str, form: str) -> None:
    for key in (265, 10, 2396, 256, 2401, 2395, 2399, 2402):
        assert refused_at(make(form=form, **{change: str(key)})) == 3
    for key in (44235, 44238, 44239, 44236, 44237, 44240):
        assert refused_at(make(form=form, **{change: str(key)})) == 4
    assert refused_at(make(form=form, drop="2400")) == 0
    assert refused_at(make(form=form, retype="2400")) == 3


def test_unknown_claims_are_passed_over() -> None:
    assert refused_at(make(extra="123456")) == 0


@pytest.mark.check("cca", 1)
def test_token_of_another_form_is_refused() -> None:
    assert refused_at(make(tag="400")) == 1


@pytest.mark.check("cca", 2)
def test_algorithm_outside_the_protected_header_is_refused() -> None:
    assert refused_at(make(header="unprotected")) == 2


@pytest.mark.check("cca", 3)
def test_unknown_platform_profile_is_refused() -> None:
    assert refused_at(make(platform_profile="http://arm.com/CCA-SSD/9.0.0")) == 3


@pytest.mark.check("cca", 4)
def test_newer_platform_with_a_realm_of_the_first_form_is_refused() -> None:
    made = make(platform_profile="tag:arm.com,2023:cca_platform#1.0.0")
    assert refused_at(made) == 4


def test_older_platform_may_have_a_realm_of_the_newer_form() -> None:
    made = make(form="2023", platform_profile="http://arm.com/CCA-SSD/1.0.0")
    assert refused_at(made) == 0


@pytest.mark.check("cca", 5)
def test_simulation_is_refused_without_its_store() -> None:
    made = make()
    assert refused_at(made, Inputs(now=NOW)) == 5
    assert refused_at(made, inputs_of(make(instance_id="01" + "77" * 32))) == 5
    untrusted = Inputs(now=NOW, collateral=Material.of_files(made.roots))
    assert refused_at(made, untrusted) == 5
    assert refused_at(made, inputs_of(make())) == 7  # the same instance id, another's key


@pytest.mark.check("cca", 6)
def test_key_of_another_implementation_is_refused() -> None:
    assert refused_at(make(store="implementation")) == 6


@pytest.mark.check("cca", 7)
def test_platform_token_by_another_key_is_refused() -> None:
    assert refused_at(make(platform_signer="other")) == 7


@pytest.mark.check("cca", 8)
def test_realm_of_another_platform_is_refused() -> None:
    """Both tokens are genuine; the realm's key is not the one that the platform vouches for."""
    from casemate.tee.cca.report import Token
    from tests.tee.cca.simulated import with_token

    one, other = make(), make()
    assert one.binary is not None
    assert other.binary is not None
    spliced = Token(Token.parse(one.binary).platform, Token.parse(other.binary).realm)
    assert refused_at(with_token(one, spliced.encode())) == 8


@pytest.mark.check("cca", 9)
def test_realm_token_by_another_key_is_refused() -> None:
    assert refused_at(make(realm_signer="other")) == 9


@pytest.mark.check("cca", 10)
@pytest.mark.parametrize(
    ("lifecycle", "plain", "debug"),
    [
        ("0x3000", 0, 0),
        ("0x30ff", 0, 0),
        ("0x4000", 10, 0),
        ("0x5001", 10, 0),
        ("0x0000", 10, 10),
        ("0x1000", 10, 10),
        ("0x2000", 10, 10),
        ("0x6000", 10, 10),
        ("0x7000", 10, 10),
    ],
)
def test_only_secured_machines_unless_debugging_is_allowed(
    lifecycle: str, plain: int, debug: int
) -> None:
    made = make(lifecycle=lifecycle)
    assert refused_at(made) == plain
    assert refused_at(made, inputs_of(made, Options(allow_debug=True))) == debug


@pytest.mark.check("cca", 11)
@pytest.mark.parametrize("size", [0, 1, 32, 48, 63, 64])
def test_report_data_is_padded_to_the_challenge(size: int) -> None:
    made = make(report_data="5a" * size)
    assert refused_at(made) == 0
    for wrong in (b"\x5a" * size + b"\1", b"\1" + b"\x5a" * size, b"\x5b" * 64):
        assert refused_at(msgspec.structs.replace(made, report_data=wrong)) == 11


@pytest.mark.check("cca", 12)
@pytest.mark.parametrize("digest", DIGESTS)
def test_init_data_is_padded_to_the_personalization_value(digest: str) -> None:
    made = make(init_data=digest)
    found = claims_of(made)
    assert found.init_data == bytes.fromhex(digest).ljust(64, b"\0")
    other = Digest(Algorithm.SHA256, b"\x99" * 32)
    assert refused_at(msgspec.structs.replace(made, init_data=other)) == 12


def test_realm_without_init_data_is_refused_where_some_was_presented() -> None:
    made = msgspec.structs.replace(make(), init_data=Digest(Algorithm.SHA256, b"\x99" * 32))
    assert refused_at(made) == 12


@pytest.mark.check("cca", 13)
@pytest.mark.parametrize(
    "change",
    [
        {"component_value": "00" * 32},
        {"component_signer": "00" * 32},
        {"component_kind": "OTHER"},
        {"component_version": "2"},
        {"components": "1"},
        {"config": "00"},
        {"implementation_id": "99" * 32},
    ],
)
def test_firmware_that_no_reference_value_knows_is_refused(change: dict[str, str]) -> None:
    good, changed = make(), make(**change)
    roots = {
        "tastore.json": changed.roots["tastore.json"],
        "rvstore.json": good.roots["rvstore.json"],
    }
    assert refused_at(changed, Inputs(now=NOW, anchors=Anchors.of_folder(roots))) == 13


@pytest.mark.check("cca", 14)
@pytest.mark.parametrize(
    "change",
    [
        {"initial_measurement": "00" * 64},
        {"extensible_measurement": "11" * 64},
        {"personalization": "11" * 64},
        {"realm_key_hash": "sha-512"},
    ],
)
def test_realm_that_no_reference_value_knows_is_refused(change: dict[str, str]) -> None:
    good, changed = make(), make(**change)
    roots = {
        "tastore.json": changed.roots["tastore.json"],
        "rvstore.json": good.roots["rvstore.json"],
    }
    assert refused_at(changed, Inputs(now=NOW, anchors=Anchors.of_folder(roots))) == 14


def test_reference_values_that_leave_members_out_compare_the_rest() -> None:
    made = make()
    store = json.loads(made.roots["rvstore.json"])
    for component in store["platform"][0]["sw-components"]:
        del component["version"], component["component-type"]
    store["realm"] = [{"initial-measurement": store["realm"][0]["initial-measurement"]}]
    roots = {**made.roots, "rvstore.json": json.dumps(store).encode()}
    assert refused_at(made, Inputs(now=NOW, anchors=Anchors.of_folder(roots))) == 0


def test_part_that_reference_values_do_not_speak_of_is_skipped() -> None:
    made = make()
    store = json.loads(made.roots["rvstore.json"])
    roots = {**made.roots, "rvstore.json": json.dumps({"platform": store["platform"]}).encode()}
    trail = trail_of("cca")
    found = claims_of(made, Inputs(now=NOW, anchors=Anchors.of_folder(roots)), trail)
    assert trail.results[13].result is Result.SKIPPED
    assert found.claims["realm"]["cca-realm-reference-values"] == "not compared"


def test_empty_list_of_realms_accepts_none() -> None:
    made = make()
    roots = {"tastore.json": made.roots["tastore.json"], "rv": b'{"realm": []}'}
    assert refused_at(made, Inputs(now=NOW, anchors=Anchors.of_folder(roots))) == 14


def test_several_stores_count_together() -> None:
    one, other = make(), make(instance_id="01" + "42" * 32, config="01")
    roots = {f"{i}/{n}": body for i, m in enumerate((one, other)) for n, body in m.roots.items()}
    inputs = Inputs(now=NOW, anchors=Anchors.of_folder(roots))
    assert [refused_at(made, inputs) for made in (one, other)] == [0, 0]


def test_reference_values_in_collateral_can_only_restrict() -> None:
    made = make()
    anchors = Anchors.of_folder({"tastore.json": made.roots["tastore.json"]})
    for fault, step in (("platform", 13), ("realm", 14)):
        bad = Material.of_files({"rv": make(references=fault).roots["rvstore.json"]})
        assert refused_at(made, Inputs(now=NOW, anchors=anchors, collateral=bad)) == step
        both = Inputs(now=NOW, anchors=Anchors.of_folder(made.roots), collateral=bad)
        assert refused_at(made, both) == 0  # the operator's own store decides


@pytest.mark.parametrize(
    "store",
    [
        b'[{"instance-id": 1}]',
        b'[{"instance-id": "zz", "implementation-id": "", "pkey": {}}]',
        b'[{"instance-id": "',
        b'{"platform": 1}',
        b'{"realm": [{"initial-measurement": "zz"}]}',
        b'{"platform": [{"sw-components": "',
        b'{"cca-verifier": {}}',
        b'{"cca-verifier": {"type": "other"}}',
    ],
)
def test_store_that_cannot_be_read_is_the_operators_mistake(store: bytes) -> None:
    made = make()
    roots = {"tastore.json": made.roots["tastore.json"], "store": store}
    with pytest.raises(InputError) as caught:
        claims_of(made, Inputs(now=NOW, anchors=Anchors.of_folder(roots)))
    assert not isinstance(caught.value, VerificationError)


@pytest.mark.parametrize(
    "pkey",
    [
        {},
        {"kty": "oct", "k": "AA"},
        {"kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA"},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
        {"kty": "OKP", "crv": "Ed25519", "x": "AA"},
    ],
)
def test_entry_with_another_key_refuses_its_machine_alone(pkey: dict[str, str]) -> None:
    made, other = make(), make(instance_id="01" + "42" * 32)
    entries = json.loads(made.roots["tastore.json"]) + json.loads(other.roots["tastore.json"])
    entries[0]["pkey"] = pkey
    roots = {"tastore.json": json.dumps(entries).encode(), "rv": other.roots["rvstore.json"]}
    inputs = Inputs(now=NOW, anchors=Anchors.of_folder(roots))
    assert refused_at(made, inputs) == 5
    assert refused_at(other, inputs) == 0


def test_edwards_key_of_a_store_signs_no_token() -> None:
    made = make()
    entries = json.loads(made.roots["tastore.json"])
    x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
    entries[0]["pkey"] = {"kty": "OKP", "crv": "Ed25519", "x": x}
    roots = {"tastore.json": json.dumps(entries).encode()}
    assert refused_at(made, Inputs(now=NOW, anchors=Anchors.of_folder(roots))) == 7


def test_freshness_and_init_data_are_skipped_only_when_nothing_was_expected() -> None:
    made = make()
    trail = trail_of("cca")
    assert made.binary is not None
    verify("cca", made.binary, Expectation(report_data=None), inputs_of(made), trail)
    skipped = [one.n for one in trail.results if one.result is Result.SKIPPED]
    assert skipped == [11, 12, *(check.number for check in remote.CHECKS)]


def test_each_claim_says_where_it_came_from() -> None:
    found = claims_of(make(form="2023")).claims
    source = VERIFIERS["cca"].source
    assert source("report_data") == "token[44241] payload[10]"
    ours = {"cca-platform-trust-anchor", "cca-platform-reference-values"}
    for part in ("platform", "realm"):
        for name in found[part].keys() - ours - {"cca-realm-reference-values"}:
            assert source(f"{part}.{name}").startswith("token[")
    assert source("nothing") == ""


@pytest.mark.parametrize(
    "fields",
    [
        {"nothing": "1"},
        {"platform_algorithm": "RS256"},
        {"form": "1999"},
        {"init_data": "00"},
        {"flip": "1000000"},
        {"lifecycle": "high"},
    ],
)
def test_simulator_refuses_what_cannot_be_meant(fields: dict[str, str]) -> None:
    with pytest.raises(InputError):
        make(**fields)
