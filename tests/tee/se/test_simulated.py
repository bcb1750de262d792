"""Simulated evidence: right, and wrong in each field."""

from datetime import UTC, datetime

import pytest

from casemate.errors import CasemateError, VerificationError
from casemate.tee.anchors import Anchors
from casemate.tee.evidence import Expectation, Inputs, VerifiedEvidence
from casemate.tee.material import Material
from casemate.tee.options import Options, parse
from casemate.tee.se.fake import FIELDS
from casemate.tee.se.fake_vendor import FAULTS
from casemate.tee.simulation import Simulated
from casemate.tee.simulators import SIMULATORS
from casemate.tee.trail import Trail
from casemate.tee.verifiers import trail_of, verify

NOW = datetime(2025, 6, 1, tzinfo=UTC)


def made(**fields: str) -> Simulated:
    return SIMULATORS["se"].make({k.replace("__", "."): v for k, v in fields.items()}, NOW)


def inputs_of(one: Simulated, **changes: object) -> Inputs:
    values: dict[str, object] = {
        "now": one.now,
        "anchors": Anchors.of_folder(one.roots),
        "collateral": Material.of_files(one.collateral),
        "options": Options(own=parse(one.options)),
    }
    return Inputs(**(values | changes))  # type: ignore[arg-type]


def verdict(
    one: Simulated, inputs: Inputs | None = None, trail: Trail | None = None
) -> VerifiedEvidence:
    expected = Expectation(report_data=one.report_data, init_data=one.init_data)
    (found,) = verify("se", one.evidence, expected, inputs or inputs_of(one), trail)
    return found


def refused_at(one: Simulated, inputs: Inputs | None = None) -> str:
    with pytest.raises(VerificationError) as caught:
        verdict(one, inputs)
    return caught.value.refusal.step


def test_right_evidence_is_accepted_with_upstreams_claims() -> None:
    one = made(report_data="ab" * 64)
    trail = trail_of("se")
    found = verdict(one, trail=trail)
    assert found.claims == {
        "cuid": bytes(range(16)).hex(),
        "image_phkh": found.claims["attestation_phkh"],
        "attestation_phkh": found.claims["image_phkh"],
        "tag": "0d" * 16,
        "version": 256,
        "report_data": "ab" * 64,
    }
    assert len(found.chain) == 4
    assert [step.n for step in trail.results] == list(range(1, 15))
    assert found.init_data is None


@pytest.mark.parametrize(
    ("field", "value", "step"),
    [
        pytest.param("measurement", "00", 1, marks=pytest.mark.check("se", 1)),
        ("measurement", "00" * 64, 7),
        ("user_data", "11" * 64, 13),
        ("attestation_key_hash", "00" * 32, 8),
        ("measurement_key", "00" * 64, 7),
        ("nonce", "00" * 16, 7),
        ("pld", "00" * 64, 7),
        ("ald", "00" * 64, 7),
        ("tld", "00" * 64, 7),
        ("tag", "00" * 16, 7),
        pytest.param("configured_tag", "00" * 16, 6, marks=pytest.mark.check("se", 6)),
        pytest.param("session", "another", 5, marks=pytest.mark.check("se", 5)),
        ("expired", "true", 5),
        pytest.param("other_challenge_key", "true", 4, marks=pytest.mark.check("se", 4)),
        pytest.param("other_host", "true", 8, marks=pytest.mark.check("se", 8)),
        ("request.measurement_size", "63", 2),
        ("request.additional_size", "32", 2),
        ("request.encr_measurement_key", "00" * 129, 4),
        ("request.encr_request_nonce", "00", 4),
        ("request.image_hdr_tags", "00" * 208, 4),
        ("request.magic", "1", 2),
        ("request.version", "0x200", 2),
        ("request.size", "401", 2),
        ("request.slots", "0", 2),
        ("request.slots", "2", 2),
        ("request.sealed_size", "64", 2),
        pytest.param("request.flags", "0x3000000000000000", 2, marks=pytest.mark.check("se", 2)),
        ("request.flags", "0x6000000000000000", 2),
        ("request.flags", "1", 2),
        ("request.algorithm", "2", 2),
        *((("request.flip"), str(at), 4) for at in (16, 28, 40, 60, 64, 224, 304, 399)),
        pytest.param("response.encr_measurement_key", "00", 3, marks=pytest.mark.check("se", 3)),
        ("response.encr_request_nonce", "00", 3),
        ("response.image_hdr_tags", "00" * 208, 3),
        pytest.param("init_data", "00" * 32, 14, marks=pytest.mark.check("se", 14)),
        *(("flip", str(at), 3) for at in (0, 207)),
        *(
            pytest.param("flip", str(at), 7, marks=pytest.mark.check("se", 7))
            for at in (208, 223, 224, 287, 288, 351)
        ),
    ],
)
def test_a_wrong_field_is_refused_at_its_step(field: str, value: str, step: int) -> None:
    one = SIMULATORS["se"].make({field: value}, NOW)
    assert refused_at(one).startswith(f"se.{step} ")


@pytest.mark.parametrize(
    ("fault", "step"),
    [
        pytest.param("other_root", 10, marks=pytest.mark.check("se", 10)),
        ("no_intermediate", 10),
        ("long_chain", 10),
        ("other_intermediate", 10),
        pytest.param("no_signer", 9, marks=pytest.mark.check("se", 9)),
        ("two_signers", 9),
        ("expired_signer", 9),
        ("revoked_signer", 10),
        ("revoked_intermediate", 10),
        ("no_root_list", 10),
        ("no_intermediate_list", 10),
        ("stale_intermediate_list", 10),
        ("no_document", 8),
        pytest.param("forged_document", 11, marks=pytest.mark.check("se", 11)),
        ("foreign_document", 11),
        ("expired_document", 11),
        ("early_document", 11),
        ("unusable_document", 11),
        ("misattributed_document", 11),
        ("critical_document", 11),
        pytest.param("revoked_document", 12, marks=pytest.mark.check("se", 12)),
        ("no_list", 12),
        ("stale_list", 12),
        ("early_list", 12),
        ("foreign_list", 12),
        ("forged_list", 12),
    ],
)
def test_what_the_vendor_publishes_wrongly_is_refused_at_its_step(fault: str, step: int) -> None:
    assert refused_at(made(fault=fault)).startswith(f"se.{step} ")


def test_every_fault_and_field_is_tried() -> None:
    marks = test_what_the_vendor_publishes_wrongly_is_refused_at_its_step.pytestmark  # type: ignore[attr-defined]
    assert {_first(one) for one in marks[0].args[1]} == set(FAULTS)
    marks = test_a_wrong_field_is_refused_at_its_step.pytestmark  # type: ignore[attr-defined]
    tried = {_first(one) for one in marks[0].args[1]}
    right_either_way = {"cuid", "image_key_hash", "report_data", "fault"}
    assert tried | right_either_way == set(FIELDS)


def _first(parameters: object) -> object:
    return getattr(parameters, "values", parameters)[0]  # type: ignore[index]


@pytest.mark.parametrize(
    ("field", "claim", "value"),
    [("cuid", "cuid", "ff" * 16), ("image_key_hash", "image_phkh", "ee" * 32)],
)
def test_what_only_a_policy_can_judge_is_claimed(field: str, claim: str, value: str) -> None:
    assert verdict(made(**{field: value})).claims[claim] == value


@pytest.mark.check("se", 13)
@pytest.mark.parametrize("data", [b"", b"\1" * 47, bytes(range(47)), b"\1" * 64, b"\1" * 65])
def test_other_report_data_is_refused(data: bytes) -> None:
    one = made()
    with pytest.raises(VerificationError, match="report data"):
        verify("se", one.evidence, Expectation(report_data=data), inputs_of(one))


def test_freshness_is_skipped_when_nothing_is_expected() -> None:
    one, trail = made(), trail_of("se")
    verify("se", one.evidence, Expectation(report_data=None), inputs_of(one), trail)
    assert [step.n for step in trail.results if step.result == "skipped"] == [13, 14]


def test_nothing_is_accepted_without_its_root() -> None:
    one = made()
    known = {name: body for name, body in one.roots.items() if name != "se-root.pem"}
    assert refused_at(one, inputs_of(one, anchors=Anchors.of_folder(known))) == "se.10 chain"
    assert refused_at(one, inputs_of(one, anchors=Anchors())) == "se.4 seal"
    other = inputs_of(one, anchors=Anchors.of_folder(made().roots))
    assert refused_at(one, other) == "se.4 seal"


def test_a_root_that_is_published_but_not_named_is_not_trusted() -> None:
    one = made()
    known = {name: body for name, body in one.roots.items() if name != "se-root.pem"}
    published = Material.of_files({**one.collateral, "root.pem": one.roots["se-root.pem"]})
    inputs = inputs_of(one, anchors=Anchors.of_folder(known), collateral=published)
    assert refused_at(one, inputs) == "se.10 chain"


def test_host_keys_are_taken_as_they_come_only_when_told_so() -> None:
    one = made(fault="revoked_document")
    options = Options(own=parse(["se.skip_host_key_verification=true"]))
    trail = trail_of("se")
    assert verdict(one, inputs_of(one, options=options), trail).chain[0].startswith("host key")
    assert [s.n for s in trail.results if s.result == "skipped"] == [9, 10, 11, 12, 14]


@pytest.mark.parametrize(
    ("field", "value"), [("fault", "x"), ("init_data", "00"), ("nosuch", ""), ("cuid", "zz")]
)
def test_fields_that_cannot_be_meant_are_the_callers_mistake(field: str, value: str) -> None:
    with pytest.raises(CasemateError):
        SIMULATORS["se"].make({field: value}, NOW)
