"""Simulated CSV evidence: right in both versions, wrong in any one field, never trusted unasked."""

from datetime import UTC, datetime
from typing import Any

import pytest

from casemate.errors import InputError, VerificationError
from casemate.tee.csv.fake import FIELDS
from casemate.tee.evidence import Expectation, Inputs
from casemate.tee.material import Material
from casemate.tee.options import Options
from casemate.tee.simulators import SIMULATORS
from casemate.tee.trail import Result
from casemate.tee.verifiers import verify
from tests.tee.simulated import (
    expected_of,
    inputs_of,
    refused_at,
    results,
    simulated,
    verdicts,
)

WRONG = [
    # shape
    ("magic", "00" * 15 + "01", "1 shape"),
    ("magic", b"ATTESTATION_EXT\1".hex(), "1 shape"),
    ("flags", "1", "1 shape"),
    ("flags", "2", "1 shape"),
    ("serial_number", b"../etc".hex(), "1 shape"),
    ("signer.serial_number", b"a b".hex(), "1 shape"),
    ("pek.uid_size", "255", "1 shape"),
    # root
    ("root", "other", "3 HSK"),
    ("collateral", "none", "2 root"),
    ("impostor", "hsk", "3 HSK"),
    ("impostor", "cek", "4 CEK"),
    ("hrk.version", "3", "2 root"),
    ("hrk.usage", "0x13", "2 root"),
    ("hrk.curve", "2", "2 root"),
    ("hrk.kid", "aa", "2 root"),
    ("hrk.sid", "aa", "2 root"),
    ("hrk.x", "5", "2 root"),
    ("hrk.y", "5", "2 root"),
    ("hrk.uid_size", "3", "2 root"),
    ("hrk.uid_size", "255", "2 root"),
    ("hrk.r", "0", "2 root"),
    ("hrk.s", "0", "2 root"),
    ("hrk.flip", "500", "2 root"),
    # HSK
    ("hsk.version", "3", "3 HSK"),
    ("hsk.kid", "aa", "4 CEK"),
    ("hsk.sid", "aa", "3 HSK"),
    ("hsk.usage", "0", "3 HSK"),
    ("hsk.curve", "1", "3 HSK"),
    ("hsk.x", "5", "4 CEK"),
    ("hsk.y", "5", "4 CEK"),
    ("hsk.uid_size", "3", "4 CEK"),
    ("hsk.r", "0", "3 HSK"),
    ("hsk.s", "1", "3 HSK"),
    ("hsk.flip", "3", "3 HSK"),
    ("hsk.flip", "575", "3 HSK"),
    # CEK
    ("cek.version", "3", "4 CEK"),
    ("cek.usage", "0x1002", "4 CEK"),
    ("cek.algorithm", "1", "4 CEK"),
    ("cek.curve", "1", "4 CEK"),
    ("cek.sid", "aa", "4 CEK"),
    ("cek.usage1", "0x1001", "4 CEK"),
    ("cek.algorithm1", "0", "4 CEK"),
    ("cek.r1", "0", "4 CEK"),
    ("cek.s1", "7", "4 CEK"),
    ("cek.flip", "1043", "4 CEK"),
    ("cek.x", "5", "2 root"),  # no file is the chip's that signed this PEK
    ("cek.y", "5", "2 root"),
    ("cek.uid_size", "3", "2 root"),
    ("cek.uid_size", "0xffff", "2 root"),
    # PEK: what a chip signed is how its file is found
    ("pek.r1", "0", "2 root"),
    ("pek.s1", "0", "2 root"),
    ("pek.usage1", "0x1001", "2 root"),
    ("pek_signed_by", "itself", "2 root"),
    ("pek.flip", "500", "2 root"),
    ("pek.usage", "0x1004", "5 PEK"),
    ("pek.version", "3", "5 PEK"),
    ("pek.curve", "1", "5 PEK"),
    ("pek.algorithm", "1", "5 PEK"),
    ("pek.algorithm1", "0", "5 PEK"),
    ("pek.usage2", "0x1004", "5 PEK"),
    ("pek.uid_size", "3", "7 signature"),
    ("pek.x", "5", "7 signature"),
    ("pek.y", "5", "7 signature"),
    # the report
    ("pek_beside", "other", "6 signer"),
    ("serial_number", b"OTHER1".hex(), "6 signer"),
    ("signer.serial_number", b"OTHER1".hex(), "6 signer"),
    ("report.sig_usage", "0x1004", "7 signature"),
    ("report.sig_algo", "3", "7 signature"),
    ("report.r", "0", "7 signature"),
    ("report.s", "0", "7 signature"),
    ("flip", "0", "7 signature"),
    ("flip", "179", "7 signature"),
    ("signer.mac", "00", "8 MAC"),
    ("report.policy", "0x44", "9 policy"),
    ("report.report_data", "00", "10 report data"),
    ("init_data", "11" * 32, "11 initdata"),
]
WRONG_V2 = [
    ("magic", "00" * 16, "1 shape"),
    ("flags", "0", "1 shape"),
    ("flip", "1023", "7 signature"),
    ("report.sig_usage", "0x1004", "7 signature"),
    ("report.rtmr1", "aa", "12 event log"),
    ("report.rtmr2", "aa", "12 event log"),
    ("report.rtmr3", "aa", "12 event log"),
    ("report.rtmr4", "aa", "12 event log"),
    ("event_log", "none", "12 event log"),
    ("event_log", "00", "12 event log"),
]
FREE = [
    ("report.user_pubkey_digest", "ab" * 32, "user_pubkey_digest"),
    ("report.vm_id", "ab" * 16, "vm_id"),
    ("report.vm_version", "ab" * 16, "vm_version"),
    ("report.mnonce", "ab" * 16, "mnonce"),
    ("report.measure", "ab" * 32, "measure"),
    ("report.anonce", "0xabababab", "anonce"),
]
FREE_V2 = [
    ("report.build", "7", "build"),
    ("report.rtmr_version", "7", "rtmr_version"),
    ("report.reserved0", "ab" * 14, "reserved0"),
    ("report.reserved1", "ab" * 656, "reserved1"),
    ("report.rtmr0", "ab" * 32, "rtmr0"),
]
FREE_CERTIFICATE_FIELDS = [
    *((f"{name}.reserved", "ab") for name in ("hrk", "hsk")),
    *((f"{name}.{field}", "ab") for name in ("hrk", "hsk") for field in ("reserved2", "reserved3")),
    *((f"{name}.uid", b"HYGON-SSD-XYZ".hex()) for name in ("hrk", "hsk", "cek", "pek")),
    *((f"{name}.{field}", "7") for name in ("cek", "pek") for field in ("major", "minor")),
    *((f"{name}.reserved", "7") for name in ("cek", "pek")),
    *((f"{name}.{field}", "ab") for name in ("cek", "pek") for field in ("reserved2", "reserved3")),
    *((f"{name}.reserved4", "ab") for name in ("cek", "pek")),
    *((f"{name}.{field}", "7") for name in ("cek", "pek") for field in ("algorithm2", "r2", "s2")),
    ("cek.usage2", "7"),
    ("pek.sid", "ab"),
    ("signer.reserved", "ab"),
]


def marked(table: list[tuple[str, str, str]]) -> list[Any]:
    """Each row shows the check that it is refused by."""
    return [
        pytest.param(
            *row,
            id=f"{row[0]}={row[1][:12]}",
            marks=pytest.mark.check("csv", int(row[2].split()[0])),
        )
        for row in table
    ]


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("hsk_cek", ["true", "false"])
@pytest.mark.parametrize("restored", ["true", "false"])
def test_right_evidence_is_verified(version: str, hsk_cek: str, restored: str) -> None:
    one = simulated("csv", version=version, hsk_cek=hsk_cek, restored=restored)
    (found,) = verdicts(one)
    assert found.claims["version"] == version
    assert found.claims["serial_number"] == "SIM000000001"
    assert found.claims["mac_verified"] is (restored == "false")
    assert found.claims["hsk_cek_from"] == ("evidence" if hsk_cek == "true" else "collateral")
    assert found.report_data == one.report_data.ljust(64, b"\0")
    assert (results(one)[8] is Result.SKIPPED) is (restored == "true")


@pytest.mark.parametrize("version", ["1", "2"])
def test_report_alone_is_verified(version: str) -> None:
    one = simulated("csv", version=version, event_log="none")
    assert one.binary is not None
    loose = Options(own={"csv": {"event_log": "optional"}})
    for raw in (one.binary, one.binary.ljust(4096, b"\0")):
        (found,) = verdicts(one, raw, inputs_of(one, loose))
        assert found.claims["version"] == version
        assert found.claims["mac_verified"] is True


@pytest.mark.parametrize(("field", "value", "step"), marked(WRONG))
def test_wrong_field_is_refused(field: str, value: str, step: str) -> None:
    assert refused_at(simulated("csv", **{field: value})) == step


@pytest.mark.parametrize(("field", "value", "step"), marked(WRONG_V2))
def test_wrong_field_of_version_2_is_refused(field: str, value: str, step: str) -> None:
    assert refused_at(simulated("csv", version="2", **{field: value})) == step


@pytest.mark.parametrize(("field", "value", "claim"), FREE)
def test_field_that_a_policy_decides_on_is_a_claim(field: str, value: str, claim: str) -> None:
    (found,) = verdicts(simulated("csv", **{field: value}))
    assert found.claims[claim] == value.removeprefix("0x")


@pytest.mark.parametrize(("field", "value", "claim"), FREE_V2)
def test_field_of_version_2_is_a_claim(field: str, value: str, claim: str) -> None:
    (found,) = verdicts(simulated("csv", version="2", **{field: value}))
    assert str(found.claims[claim]) == value


@pytest.mark.parametrize(("field", "value"), FREE_CERTIFICATE_FIELDS)
def test_field_of_a_certificate_that_has_no_meaning_is_kept(field: str, value: str) -> None:
    assert verdicts(simulated("csv", **{field: value}))


def test_tables_name_every_field() -> None:
    named = {row[0] for row in WRONG + WRONG_V2 + FREE + FREE_V2}
    named |= {field for field, _ in FREE_CERTIFICATE_FIELDS}
    elsewhere = {"report_data", "version", "hsk_cek", "restored", "signer.pek"}
    assert set(FIELDS) - named == elsewhere


def test_another_pek_in_the_report_is_refused() -> None:
    other = simulated("csv", hsk_cek="true").binary or b""
    one = simulated("csv", **{"signer.pek": other[336:2420].hex(), "hsk_cek": "true"})
    assert refused_at(one) in {"6 signer", "1 shape"}


def test_nothing_simulated_is_trusted_without_its_root() -> None:
    for given in ({}, {"version": "2"}, {"hsk_cek": "true"}):
        one = simulated("csv", **given)
        files = Material.of_files({**one.collateral, **one.roots})
        with pytest.raises(VerificationError) as caught:
            verify("csv", one.evidence, expected_of(one), Inputs(now=one.now, collateral=files))
        assert caught.value.refusal.step == "csv.2 root"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("version", "3"),
        ("root", "maybe"),
        ("init_data", "00"),
        ("flip", "180"),
        ("hsk.kid", "00" * 17),
        ("hsk.version", "-1"),
        ("hsk.version", "0x100000000"),
        ("nobody", "1"),
    ],
)
def test_values_that_cannot_be_meant_are_input_errors(field: str, value: str) -> None:
    with pytest.raises(InputError):
        SIMULATORS["csv"].make({field: value}, datetime(2025, 6, 1, tzinfo=UTC))


def test_expectation_is_the_sessions() -> None:
    one = simulated("csv")
    for data in (b"", one.report_data[:-1], one.report_data + b"x", bytes(64)):
        assert refused_at(one, expected=Expectation(report_data=data)) == "10 report data"
    padded = one.report_data.ljust(64, b"\0")
    assert verdicts(one, expected=Expectation(report_data=padded))
    assert refused_at(one, expected=Expectation(report_data=padded + b"\0")) == "10 report data"
    assert results(one, expected=Expectation(report_data=None))[10] is Result.SKIPPED
