"""Evidence of simulated TPMs: right, or wrong in one field, and refused where it shows."""

import hashlib

import msgspec
import pytest

from casemate.errors import InputError, PeerError, VerificationError
from casemate.tee import layouts
from casemate.tee.evidence import Expectation
from casemate.tee.verifiers import VERIFIERS, verify
from casemate.tee.vtpm.simulate import FIELDS
from tests.tee.azure.simulated import ACCEPTED, inputs, make, outcome, refused_at, verdict

TEE = "tpm"
DIGEST = "11" * 32
WRONG: tuple[tuple[str, str, str], ...] = (
    ("report_data", "22" * 64, ACCEPTED),
    ("report_data", "22" * 5, ACCEPTED),
    ("init_data", DIGEST, ACCEPTED),
    ("flip", "60", "signature"),
    ("flip", "0", "quote"),
    ("quote.magic", "0", "quote"),
    ("quote.type", "0x8017", "quote"),
    ("quote.tail", "00", "quote"),
    ("quote.qualified_signer", "00", ACCEPTED),
    ("quote.extra_data", bytes(range(48)).hex(), "nonce"),
    ("quote.extra_data", "", "nonce"),
    ("quote.clock", "7", ACCEPTED),
    ("quote.reset_count", "7", ACCEPTED),
    ("quote.restart_count", "7", ACCEPTED),
    ("quote.safe", "false", ACCEPTED),
    ("quote.firmware_version", "7", ACCEPTED),
    ("quote.selection", "000b:ffff7f", "selection"),
    ("quote.selection", "0004:ffffff", "selection"),
    ("quote.pcr_digest", DIGEST, "pcr digest"),
    ("pcr", f"12:{DIGEST}", "event log"),
    ("pcr", f"8:{DIGEST}", "initdata"),
    ("pcr_shown", f"12:{DIGEST}", "pcr digest"),
    ("pcr_shown", "12:1111", "pcr values"),
    ("pcr_count", "23", "pcr values"),
    ("signed_by", "another", "signature"),
    ("signature.scheme", "0x0016", "signature"),
    ("signature.hash", "0x000c", "signature"),
    ("ak_public", "00", "key"),
    ("ak_certificate", "none", "certificate"),
    ("ak_certificate", "another_authority", "certificate"),
    ("ak_certificate", "expired", "certificate"),
    ("ak_certificate", "tls", "certificate"),
    ("ak_certificate", "another_key", "key"),
    ("event_log", "none", "event log"),
    ("event_log", "cut", "event log"),
    ("event_log", "another_digest", "event log"),
    ("event_log", "no_register", "event log"),
)
NUMBERS = {check.name: check.number for check in VERIFIERS[TEE].checks}


@pytest.mark.parametrize(
    ("field", "value", "step"),
    [
        pytest.param(
            *row, marks=pytest.mark.check(TEE, NUMBERS[row[2]]) if row[2] in NUMBERS else ()
        )
        for row in WRONG
    ],
)
def test_field_that_is_wrong_is_refused_where_it_shows(field: str, value: str, step: str) -> None:
    assert outcome(make(TEE, {field: value})) == step


def test_every_field_is_set_wrong_once() -> None:
    assert {row[0] for row in WRONG} == set(FIELDS)


def test_every_step_refuses_something() -> None:
    assert {row[2] for row in WRONG} >= set(NUMBERS) - {"shape"}


def test_simulated_root_is_trusted_by_nobody_unless_configured() -> None:
    made = make(TEE, {})
    expected = Expectation(report_data=made.report_data)
    with pytest.raises(VerificationError, match=r"tpm\.2 certificate"):
        verify(TEE, made.evidence, expected, inputs(made, roots=False))
    other = make(TEE, {})
    assert refused_at(msgspec.structs.replace(made, roots=other.roots)) == "certificate"


def test_initdata_of_another_hash_is_the_callers_mistake() -> None:
    with pytest.raises(InputError):
        verdict(make(TEE, {"init_data": "11" * 48}))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("init_data", "11"),
        ("flip", "100000"),
        ("pcr", "24:00"),
        ("pcr", "0:zz"),
        ("quote.clock", "-1"),
        ("quote.type", "65536"),
        ("quote.selection", "0b:ff"),
        ("quote.selection", "zz:ff"),
        ("pcr_count", "256"),
        ("event_log", "other"),
        ("ak_certificate", "other"),
        ("nothing", ""),
    ],
)
def test_values_that_cannot_be_meant_are_the_callers_mistake(field: str, value: str) -> None:
    with pytest.raises(InputError):
        make(TEE, {field: value})


def test_layout_shows_every_byte_of_quote_and_signature() -> None:
    made = make(TEE, {})
    sections = {one.title: one.fields for one in layouts.LAYOUTS[TEE](made.evidence)}
    evidence = msgspec.json.decode(made.evidence)["tpm_quote"]
    for title, member in (
        ("TPM quote (TPMS_ATTEST)", "message"),
        ("TPM signature (TPMT_SIGNATURE)", "signature"),
    ):
        fields = sections[title]
        joined = "".join(one.value for one in fields)
        assert bytes.fromhex(joined) == msgspec.convert(evidence[member], bytes)
    assert len(sections["registers"]) == 24
    key = hashlib.sha256(bytes.fromhex(sections["endorsement"][0].value)).hexdigest()
    assert key in sections["endorsement"][0].meaning
    assert sections["event log"][0].meaning.startswith("EV_SEPARATOR")


def test_layout_draws_a_quote_alone() -> None:
    evidence = msgspec.json.decode(make(TEE, {}).evidence)["tpm_quote"]
    (section,) = layouts.LAYOUTS[TEE](msgspec.convert(evidence["message"], bytes))
    assert section.title == "TPM quote (TPMS_ATTEST)"
    with pytest.raises(PeerError):
        layouts.LAYOUTS[TEE](b"\xffTCG")


@pytest.mark.parametrize(
    ("field", "value", "title"),
    [
        ("quote.magic", "0", "TPM quote (TPMS_ATTEST)"),
        ("signature.scheme", "0", "TPM signature (TPMT_SIGNATURE)"),
        ("event_log", "cut", "event log"),
    ],
)
def test_layout_draws_what_is_refused(field: str, value: str, title: str) -> None:
    sections = {
        one.title: one.fields for one in layouts.LAYOUTS[TEE](make(TEE, {field: value}).evidence)
    }
    assert sections[title][0].meaning.startswith("unreadable")


def test_layout_without_a_log_has_no_section_for_it() -> None:
    titles = [one.title for one in layouts.LAYOUTS[TEE](make(TEE, {"event_log": "none"}).evidence)]
    assert "event log" not in titles
