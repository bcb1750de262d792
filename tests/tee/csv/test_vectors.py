"""Real CSV evidence: verdicts, claims, and single changes that must be refused."""

import hashlib

import msgspec
import pytest

from casemate.errors import VerificationError
from casemate.tee.csv.report import parse
from casemate.tee.evidence import Expectation, Inputs, VerifiedEvidence
from casemate.tee.hygon.certificate_json import HskCekJson, write_ca, write_csv
from casemate.tee.hygon.chain import owner, signed, split
from casemate.tee.hygon.roots import PINS
from casemate.tee.layouts import LAYOUTS
from casemate.tee.material import Material
from casemate.tee.trail import Result
from casemate.tee.verifiers import VERIFIERS, trail_of, verify
from tests.tee.simulated import NOW
from tests.vectors import vector

EXPECTED = Expectation(report_data=b"user data")


def files() -> dict[str, bytes]:
    return {
        "hrk.cert": vector("roots", "hygon_hrk.cert").read_bytes(),
        "hsk_cek/NZA9T14052605/hsk_cek.cert": vector("csv", "crs-hsk_cek.cert").read_bytes(),
    }


def inputs(given: dict[str, bytes]) -> Inputs:
    return Inputs(now=NOW, collateral=Material.of_files(given))


def report() -> bytes:
    return vector("csv", "crs-report-v1.bin").read_bytes()


def evidence() -> bytes:
    return vector("csv", "csv_evidence.json").read_bytes()


def verdict(raw: bytes, given: dict[str, bytes] | None = None) -> VerifiedEvidence:
    (found,) = verify("csv", raw, EXPECTED, inputs(files() if given is None else given))
    return found


def refused_at(raw: bytes, given: dict[str, bytes] | None = None) -> str:
    with pytest.raises(VerificationError) as caught:
        verdict(raw, given)
    return caught.value.refusal.step


def flip(raw: bytes, at: int) -> bytes:
    return raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]


def test_root_has_the_pinned_digest() -> None:
    root = vector("roots", "hygon_hrk.cert").read_bytes()
    assert {hashlib.sha256(root).digest()} == PINS


def test_raw_report_is_genuine_and_gives_its_claims() -> None:
    found = verdict(report())
    assert found.tee_class == "cpu"
    assert found.init_data is None
    assert found.report_data == b"user data".ljust(64, b"\0")
    claims = dict(found.claims)
    typed = claims.pop("typed")
    assert typed["sig_usage"] == 0x1002
    assert typed["debug_allowed"] is False
    assert claims == {
        "version": "1",
        "policy": {
            "nodbg": 1,
            "noks": 0,
            "es": 0,
            "nosend": 0,
            "domain": 0,
            "csv": 0,
            "csv3": 0,
            "asid_reuse": 0,
            "hsk_version": 0,
            "cek_version": 0,
            "api_major": 0,
            "api_minor": 0x40,
        },
        "user_pubkey_digest": "00" * 32,
        "vm_id": "00" * 16,
        "vm_version": "00" * 16,
        "report_data": b"user data".hex().ljust(128, "0"),
        "mnonce": "67c6697351ff4aec29cdbaabf2fbe346",
        "measure": "1178dadbf826ec7a07444ba358376d81c312cb53d703f9da83b26c1eee2ea052",
        "sig_usage": "02100000",
        "sig_algo": "04000000",
        "anonce": "9b429112",
        "serial_number": "NZA9T14052605",
        "mac_verified": True,
        "hsk_cek_from": "collateral",
    }


def test_padded_page_of_the_device_is_the_same_report() -> None:
    assert verdict(report().ljust(4096, b"\0")) == verdict(report())


def test_evidence_without_hsk_and_cek_fails_closed_and_says_what_to_do() -> None:
    for given in (files(), {"hrk.cert": files()["hrk.cert"]}, {}):
        with pytest.raises(VerificationError) as caught:
            verify("csv", evidence(), Expectation(report_data=bytes(64)), inputs(given))
        refusal = caught.value.refusal
        assert refusal.step == "csv.2 root"
        assert "KPA64911240507" in refusal.expected
        assert "hsk_cek?snumber=KPA64911240507" in refusal.remedy


def test_evidence_reads_as_described_and_its_report_is_signed_by_its_pek() -> None:
    found = parse(evidence())
    one = found.report
    assert one.anonce == 0x5DC7D726
    assert one.measure.hex() == "ae2a2cf1f41a485fa37bf9ae92f678783c59fbc79de7b5d237743d58f5538034"
    assert one.policy.bits == 0x45
    assert one.report_data == bytes(64)
    assert (one.sig_usage, one.sig_algo) == (0x1002, 4)
    assert one.restored
    assert found.pek == one.pek
    assert found.hsk_cek is None
    assert found.event_log is not None
    assert signed(owner(one.pek), one.signature, one.signed)


@pytest.mark.check("csv", 5)
def test_pek_of_another_machine_is_refused_under_this_chain() -> None:
    pair = split(files()["hsk_cek/NZA9T14052605/hsk_cek.cert"])
    document = msgspec.json.decode(evidence())
    document["cert_chain"]["hsk_cek"] = msgspec.to_builtins(
        HskCekJson(write_ca(pair.hsk.raw), write_csv(pair.cek.raw))
    )
    assert refused_at(msgspec.json.encode(document)) == "csv.5 PEK"


@pytest.mark.parametrize("at", range(0, 180, 7))
def test_flipped_bit_of_what_is_signed_is_refused(at: int) -> None:
    assert refused_at(flip(report(), at)) == "csv.7 signature"


@pytest.mark.parametrize("at", [192, 264])
def test_signature_number_of_zero_is_refused(at: int) -> None:
    raw = report()
    assert refused_at(raw[:at] + bytes(72) + raw[at + 72 :]) == "csv.7 signature"


@pytest.mark.parametrize(
    ("at", "step"),
    [
        (0, "csv.3 HSK"),  # version
        (36, "csv.3 HSK"),  # usage
        (300, "csv.3 HSK"),  # identity, past its end
        (832 + 8, "csv.4 CEK"),  # usage
        (832 + 420, "csv.4 CEK"),  # sid
        (832 + 1043, "csv.4 CEK"),  # reserved
        (832 + 1060, "csv.4 CEK"),  # its signature
    ],
)
def test_flipped_bit_of_a_certificate_is_refused(at: int, step: str) -> None:
    given = files()
    name = "hsk_cek/NZA9T14052605/hsk_cek.cert"
    assert refused_at(report(), given | {name: flip(given[name], at)}) == step


def test_root_that_is_not_the_pinned_one_is_refused() -> None:
    given = files()
    assert refused_at(report(), given | {"hrk.cert": flip(given["hrk.cert"], 800)}) == "csv.2 root"
    del given["hrk.cert"]
    assert refused_at(report(), given) == "csv.2 root"


@pytest.mark.check("csv", 8)
def test_serial_number_that_the_mac_does_not_cover_is_refused() -> None:
    assert refused_at(flip(report(), 336 + 2084 + 3)) == "csv.8 MAC"


def test_every_step_of_real_evidence_is_accounted_for() -> None:
    trail = trail_of("csv")
    verify("csv", report(), EXPECTED, inputs(files()), trail)
    outcome = {step.n: step.result for step in trail.results}
    assert outcome == dict.fromkeys(range(1, 11), Result.PASSED) | {
        11: Result.SKIPPED,
        12: Result.SKIPPED,
    }


def test_plan_wants_what_is_missing_and_nothing_else() -> None:
    plan = VERIFIERS["csv"].plan
    assert [want.url for want in plan(evidence(), inputs({}))] == [
        "https://cert.hygon.cn/hrk",
        "https://cert.hygon.cn/hsk_cek?snumber=KPA64911240507",
    ]
    assert plan(report(), inputs(files())) == ()


def test_layouts_of_real_evidence() -> None:
    titles = [section.title for section in LAYOUTS["csv"](report())]
    assert titles[1] == "CSV report, its signer (mask taken off here)"
    fields = {field.name: field for field in LAYOUTS["csv"](evidence())[1].fields}
    assert fields["policy"].value == "0x45"
    assert fields["measure"].offset == 144
