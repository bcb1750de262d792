"""DCU evidence: right, several devices, wrong in any one field, and unreadable."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from casemate.crypto.vendor_chain import ChainMemory
from casemate.errors import InputError, PeerError, VerificationError
from casemate.tee.evidence import Expectation, Inputs
from casemate.tee.hygondcu.claims import evidence_field
from casemate.tee.hygondcu.fake import FIELDS
from casemate.tee.hygondcu.report import FORM, MOST_REPORTS, Report, parse, to_json
from casemate.tee.layouts import LAYOUTS
from casemate.tee.material import Material
from casemate.tee.options import Options
from casemate.tee.trail import Result
from casemate.tee.verifiers import VERIFIERS, verify
from tests.tee.simulated import (
    NOW,
    changed,
    expected_of,
    inputs_of,
    paths,
    refused_at,
    results,
    simulated,
    verdicts,
)

TEE = "hygondcu"
WRONG = [
    ("reports", "2", "twice", "true", "2 chips"),
    ("root", "other", "4 HSK"),
    ("collateral", "none", "3 root"),
    ("impostor", "hsk", "4 HSK"),
    ("impostor", "cek", "5 CEK"),
    ("hrk.version", "3", "3 root"),
    ("hrk.usage", "0x13", "3 root"),
    ("hrk.curve", "2", "3 root"),
    ("hrk.kid", "aa", "3 root"),
    ("hrk.sid", "aa", "3 root"),
    ("hrk.x", "5", "3 root"),
    ("hrk.y", "5", "3 root"),
    ("hrk.uid_size", "3", "3 root"),
    ("hrk.r", "0", "3 root"),
    ("hrk.s", "0", "3 root"),
    ("hrk.flip", "1", "3 root"),
    ("hsk.version", "3", "4 HSK"),
    ("hsk.kid", "aa", "5 CEK"),
    ("hsk.sid", "aa", "4 HSK"),
    ("hsk.usage", "0", "4 HSK"),
    ("hsk.curve", "1", "4 HSK"),
    ("hsk.x", "5", "5 CEK"),
    ("hsk.y", "5", "5 CEK"),
    ("hsk.uid_size", "3", "5 CEK"),
    ("hsk.r", "0", "4 HSK"),
    ("hsk.s", "1", "4 HSK"),
    ("hsk.flip", "575", "4 HSK"),
    ("cek.version", "3", "5 CEK"),
    ("cek.usage", "0x1002", "5 CEK"),
    ("cek.algorithm", "1", "5 CEK"),
    ("cek.curve", "1", "5 CEK"),
    ("cek.sid", "aa", "5 CEK"),
    ("cek.usage1", "0x1001", "5 CEK"),
    ("cek.algorithm1", "0", "5 CEK"),
    ("cek.r1", "0", "5 CEK"),
    ("cek.s1", "7", "5 CEK"),
    ("cek.flip", "1043", "5 CEK"),
    ("cek.x", "5", "3 root"),  # no file is the chip's that signed this report
    ("cek.y", "5", "3 root"),
    ("cek.uid_size", "3", "3 root"),
    ("report.r", "0", "3 root"),
    ("report.s", "0", "3 root"),
    ("flip", "0", "3 root"),
    ("flip", "251", "3 root"),
    ("report.user_data", "00", "7 report data"),
    ("init_data", "11" * 48, "8 initdata"),
]
FREE = [
    ("report.version", "7", "version", 7),
    ("report.chip_id", "ab" * 16, "chip_id", "ab" * 16),
    ("report.measure", "ab" * 32, "measure", "ab" * 32),
    ("report.reserved", "ab" * 128, "reserved", "ab" * 128),
    ("report.sig_usage", "0x20", "sig_usage", "20"),
    ("report.sig_algo", "0", "sig_algo", "0"),
]
KEPT = [
    *((f"{name}.{field}", "ab") for name in ("hrk", "hsk") for field in ("reserved", "reserved2")),
    *((f"{name}.reserved3", "ab") for name in ("hrk", "hsk", "cek")),
    *((f"{name}.uid", b"HYGON-SSD-XYZ".hex()) for name in ("hrk", "hsk", "cek")),
    *((f"cek.{field}", "7") for field in ("major", "minor", "reserved")),
    *((f"cek.{field}", "ab") for field in ("reserved2", "reserved4")),
    *((f"cek.{field}", "7") for field in ("usage2", "algorithm2", "r2", "s2")),
]


def marked(table: list[tuple[str, ...]]) -> list[Any]:
    return [
        pytest.param(
            dict(zip(row[:-1:2], row[1:-1:2], strict=True)),
            row[-1],
            id="=".join(row[:2]),
            marks=pytest.mark.check(TEE, int(row[-1].split()[0])),
        )
        for row in table
    ]


def test_right_evidence_is_verified_with_upstreams_claims() -> None:
    one = simulated(TEE)
    (found,) = verdicts(one)
    assert found.tee_class == "dcu"
    assert found.init_data is None
    assert found.report_data == one.report_data.ljust(64, b"\0")
    body = dict(found.claims["body"])
    assert body.pop("measure") == parse(one.evidence)[0].measure.hex()
    assert body == {
        "version": 1,
        "chip_id": b"DCU00000000".hex().ljust(32, "0"),
        "user_data": found.report_data.hex(),
        "reserved": "00" * 128,
        "sig_usage": "1004",
        "sig_algo": "4",
    }
    assert found.claims["report_data"] == found.report_data.hex()
    assert found.chain[-1].startswith("HRK ")


def test_each_device_has_its_own_verdict() -> None:
    one = simulated(TEE, reports="3")
    found = verdicts(one)
    assert len({each.claims["body"]["chip_id"] for each in found}) == 3
    assert one.binary is not None
    assert verdicts(one, one.binary) == found
    assert verdicts(one, inputs=inputs_of(one, memory=ChainMemory())) == found


@pytest.mark.parametrize(("given", "step"), marked(WRONG))
def test_wrong_field_is_refused(given: dict[str, str], step: str) -> None:
    assert refused_at(simulated(TEE, **given)) == step


@pytest.mark.parametrize(("field", "value", "claim", "expected"), FREE)
def test_field_that_a_policy_decides_on_is_a_claim(
    field: str, value: str, claim: str, expected: object
) -> None:
    (found,) = verdicts(simulated(TEE, **{field: value}))
    assert found.claims["body"][claim] == expected


@pytest.mark.parametrize(("field", "value"), KEPT)
def test_field_of_a_certificate_that_has_no_meaning_is_kept(field: str, value: str) -> None:
    assert verdicts(simulated(TEE, **{field: value}))


def test_tables_name_every_field() -> None:
    named = {name for row in WRONG for name in row[:-1:2]} | {row[0] for row in FREE + KEPT}
    assert set(FIELDS) - named == {"report_data"}


@pytest.mark.check(TEE, 6)
def test_one_wrong_report_of_several_refuses_all() -> None:
    one = simulated(TEE, reports="2")
    first, second = parse(one.evidence)
    swapped = msgspec.structs.replace(second, signature=first.signature)
    wrong = msgspec.json.encode(to_json((first, swapped)))
    assert refused_at(one, wrong) == "3 root"


def test_nothing_simulated_is_trusted_without_its_root() -> None:
    one = simulated(TEE)
    files = Material.of_files({**one.collateral, **one.roots})
    with pytest.raises(VerificationError) as caught:
        verify(TEE, one.evidence, expected_of(one), Inputs(now=one.now, collateral=files))
    assert caught.value.refusal.step == f"{TEE}.3 root"


@pytest.mark.check(TEE, 7)
def test_expectation_is_the_sessions() -> None:
    one = simulated(TEE, reports="2")
    for data in (b"", one.report_data[:-1], one.report_data + b"x"):
        assert refused_at(one, expected=Expectation(report_data=data)) == "7 report data"
    assert results(one, expected=Expectation(report_data=None))[7] is Result.SKIPPED


@pytest.mark.parametrize(
    ("field", "value"), [("reports", "0"), ("reports", "65"), ("init_data", "00"), ("flip", "252")]
)
def test_values_that_cannot_be_meant_are_input_errors(field: str, value: str) -> None:
    with pytest.raises(InputError):
        simulated(TEE, **{field: value})


def test_plan_asks_for_each_chip_and_the_root() -> None:
    plan, one = VERIFIERS[TEE].plan, simulated(TEE, reports="2")
    options = Options(own={TEE: {"url": "https://mirror.test"}})
    found = plan(one.evidence, Inputs(now=NOW, options=options))
    assert [want.url for want in found] == [
        "https://mirror.test/hrk",
        "https://mirror.test/hsk_cek?snumber=DCU00000000",
        "https://mirror.test/hsk_cek?snumber=DCU00000001",
    ]
    assert found[1].fallbacks == ("DCU00000000_hsk_cek.cert",)
    assert plan(one.evidence, inputs_of(one)) == ()
    unreadable = simulated(TEE, report__chip_id=b"../../x".hex())
    assert "snumber=2e2e2f" in plan(unreadable.evidence, Inputs(now=NOW))[1].url
    with pytest.raises(VerificationError):
        plan(b"{}", Inputs(now=NOW))


DOCUMENT = msgspec.json.decode(simulated(TEE, reports="2").evidence)


def refused(raw: bytes) -> None:
    with pytest.raises(VerificationError) as caught:
        verify(TEE, raw, Expectation(report_data=None), Inputs(now=NOW))
    assert caught.value.refusal.step == f"{TEE}.1 shape"


@pytest.mark.check(TEE, 1)
@pytest.mark.parametrize("path", paths(DOCUMENT))
def test_mistyped_or_missing_member_is_refused(path: str) -> None:
    wrong_values: tuple[object, ...] = (None, -1, 1 << 32, "x", [], {}, [256], True, 1.5)
    for value in wrong_values:
        refused(msgspec.json.encode(changed(DOCUMENT, path, value)))
    head, _, name = path.rpartition(".")
    inner: Any = DOCUMENT
    for part in head.split(".") if head else []:
        inner = inner[int(part) if part.isdigit() else part]
    if isinstance(inner, dict):
        kept = {key: value for key, value in inner.items() if key != name}
        refused(msgspec.json.encode(changed(DOCUMENT, head, kept) if head else kept))
    elif name != "0":
        return
    whole = inner[name] if isinstance(inner, dict) else None
    if isinstance(whole, list) and name != "attestation_reports":
        refused(msgspec.json.encode(changed(DOCUMENT, path, whole[:-1])))
        refused(msgspec.json.encode(changed(DOCUMENT, path, [*whole, 0])))


def test_too_many_reports_are_refused() -> None:
    one = DOCUMENT["attestation_reports"][0]
    refused(msgspec.json.encode({"attestation_reports": [one] * (MOST_REPORTS + 1)}))
    refused(bytes(FORM.size * (MOST_REPORTS + 1)))


def test_cut_evidence_is_refused() -> None:
    raw = simulated(TEE).evidence
    for size in range(0, len(raw), 97):
        refused(raw[:size])
    for size in (0, 1, FORM.size - 1, FORM.size + 1, FORM.size * 2 - 1):
        refused(bytes(size))


@pytest.mark.parametrize(
    "raw",
    [
        b"[" * 10_000,
        b'{"attestation_reports":' * 10_000,
        b'{"attestation_reports":' + b"[" * 10_000 + b"]" * 10_000 + b"}",
        b"\xff" * 5000,
        bytes(64 << 20),
    ],
    ids=lambda raw: f"{raw[:12]!r}x{len(raw)}",
)
def test_nested_or_huge_evidence_is_refused(raw: bytes) -> None:
    refused(raw)


@given(st.binary(max_size=1200) | st.lists(st.binary(min_size=396, max_size=396)).map(b"".join))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    for read in (parse, LAYOUTS[TEE]):
        try:
            read(raw)
        except PeerError:
            continue


@given(st.binary(min_size=396, max_size=396))
def test_any_report_survives_json(raw: bytes) -> None:
    report = Report.parse(raw)
    assert FORM.encode(FORM.parse(raw)) == raw
    assert parse(msgspec.json.encode(to_json((report,)))) == (report,)


def test_every_claim_has_its_place_in_the_evidence() -> None:
    (found,) = verdicts(simulated(TEE))
    names = [f"body.{name}" for name in found.claims["body"]]
    names += [f"typed.{name}" for name in found.claims["typed"]] + ["report_data"]
    assert all("signed by CEK" in evidence_field(name) for name in names)
    assert evidence_field("body") == ""
    assert evidence_field("nobody.x") == ""


def test_layout_shows_each_report() -> None:
    sections = LAYOUTS[TEE](simulated(TEE, reports="2").evidence)
    assert [section.title for section in sections] == [
        "report 0: chip DCU00000000",
        "report 1: chip DCU00000001",
    ]
