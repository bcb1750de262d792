"""Real evidence: what it must prove, and where it must be refused."""

import json
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from casemate.crypto.certificate import Certificate
from casemate.crypto.pem import blocks
from casemate.errors import PeerError
from casemate.tee.anchors import Anchors
from casemate.tee.evidence import Expectation, Inputs
from casemate.tee.material import Material
from casemate.tee.options import Options, parse
from casemate.tee.snp import endorsement, roots
from casemate.tee.snp.evidence import CertificateEntry, ReportJson, SnpEvidence
from casemate.tee.snp.product import PRODUCTS
from casemate.tee.snp.report import Report
from casemate.tee.snp.vek import EndorsementKey
from tests.tee.snp.machine import NOW, refusal, step, verdict
from tests.vectors import vector

OLD = Options(own=parse(["snp.min_version=2"]))
OLD_DEBUG = Options(own=parse(["snp.min_version=2"]), allow_debug=True)


def read(name: str) -> bytes:
    return vector("snp", name).read_bytes()


@pytest.fixture(scope="module")
def authorities() -> Anchors:
    names = ("milan", "genoa", "turin")
    files = {name: vector("roots", f"{name}_ask_ark_asvk.pem").read_bytes() for name in names}
    return Anchors(material=Material.of_files(files))


def inputs(anchors: Anchors, vcek: str = "", options: Options = OLD, now: datetime = NOW) -> Inputs:
    known = Material.of_files({"vcek.der": read(vcek)}) if vcek else Material()
    return Inputs(now=now, anchors=anchors, collateral=known, options=options)


def test_pins_are_of_the_vendors_roots() -> None:
    for product in PRODUCTS[:3]:
        pem = vector("roots", f"{product.name.lower()}_ask_ark_asvk.pem").read_bytes()
        found = [Certificate.parse(der) for der in blocks(pem)]
        root = next(one for one in found if one.issuer == one.subject)
        assert roots.PINS[product.name] == {root.fingerprint}


def test_milan_report_of_version_2_is_genuine(authorities: Anchors) -> None:
    found, results = verdict(read("test-report.bin"), inputs(authorities, "test-vcek.der"))
    assert found.claims["product"] == "Milan"
    assert found.claims["reported_tcb_bootloader"] == 3
    assert found.claims["reported_tcb_tee"] == 0
    assert found.claims["reported_tcb_snp"] == 8
    assert found.claims["reported_tcb_microcode"] == 115
    assert found.claims["policy_abi_major"] == 0
    assert found.claims["policy_abi_minor"] == 31
    assert found.claims["policy_debug_allowed"] is False
    assert [name.split()[0] for name in found.chain] == ["SEV-VCEK", "SEV-Milan", "ARK-Milan"]
    assert results["9 signature"] == "passed"
    assert results["10 certified tcb"] == "passed"


@pytest.mark.check("snp", 2)
def test_version_2_is_too_old_unless_an_option_allows_it(authorities: Anchors) -> None:
    given = inputs(authorities, "test-vcek.der", Options())
    error = refusal(read("test-report.bin"), given)
    assert error.refusal.step == "snp.2 version"
    assert "too old" in error.refusal.got


def test_milan_report_that_allows_debugging_is_refused(authorities: Anchors) -> None:
    given = inputs(authorities, "gsg-vcek.der")
    assert step(read("gsg-attestation.bin"), given) == "snp.15 debug"


def test_the_same_is_genuine_where_debugging_is_allowed(authorities: Anchors) -> None:
    given = inputs(authorities, "gsg-vcek.der", OLD_DEBUG)
    found, results = verdict(read("gsg-attestation.bin"), given)
    assert found.claims["policy_debug_allowed"] is True
    assert found.claims["report_data"].startswith("0102030405")
    assert found.claims["reported_tcb_microcode"] == 68
    assert results["15 debug"] == "skipped"


def test_genoa_evidence_of_version_3_is_genuine(authorities: Anchors) -> None:
    raw = read("evidence-v3-genoa.json")
    found, results = verdict(raw, inputs(authorities, options=Options()))
    claims = found.claims
    assert (claims["version"], claims["product"]) == (3, "Genoa")
    assert claims["policy_smt_allowed"] is True
    assert claims["policy_migrate_ma"] is False
    assert claims["policy_single_socket"] is False
    assert claims["platform_smt_enabled"] is True
    assert claims["platform_tsme_enabled"] is False
    assert claims["platform_ecc_enabled"] is True
    assert claims["platform_alias_check_complete"] is True
    assert claims["reported_tcb_snp"] == 23
    assert claims["measurement"].startswith("6a6519d757e68c2e")
    assert claims["init_data"] == "00" * 32
    report = json.loads(raw)["attestation_report"]
    assert claims["report_data"] == bytes(report["report_data"]).hex()
    assert claims["chip_id"] == bytes(report["chip_id"]).hex()
    assert {name for name, result in results.items() if result == "skipped"} == {
        "8 revocation",
        "13 minimum tcb",
        "18 report data",
        "19 init data",
    }


def test_genoa_evidence_serves_its_own_session_only(authorities: Anchors) -> None:
    given = inputs(authorities, options=Options())
    raw = read("evidence-v3-genoa.json")
    own = bytes(json.loads(raw)["attestation_report"]["report_data"])
    verdict(raw, given, Expectation(report_data=own))
    other = Expectation(report_data=bytes(64))
    assert step(raw, given, other) == "snp.18 report data"


def test_nothing_is_genuine_without_amds_authorities() -> None:
    assert step(read("evidence-v3-genoa.json"), inputs(Anchors())) == "snp.7 chain"


@pytest.mark.parametrize("years", [-1, 8])
def test_certificate_is_valid_in_its_time_only(authorities: Anchors, years: int) -> None:
    issued = datetime(2023, 1, 24, 17, 58, 26, tzinfo=UTC)
    given = inputs(authorities, "test-vcek.der", now=issued + timedelta(days=366 * years))
    assert step(read("test-report.bin"), given) == "snp.7 chain"


def test_byte_42_changed_breaks_the_signature(authorities: Anchors) -> None:
    raw = bytearray(read("test-report.bin"))
    raw[42] += 1
    given = inputs(authorities, "test-vcek.der")
    assert step(bytes(raw), given) == "snp.9 signature"


def test_reported_tcb_changed_is_not_the_certified_one(authorities: Anchors) -> None:
    raw = bytearray(read("test-report.bin"))
    raw[0x180] += 1
    given = inputs(authorities, "test-vcek.der")
    assert step(bytes(raw), given) == "snp.9 signature"
    vek = EndorsementKey.parse(Certificate.parse(read("test-vcek.der")))
    with pytest.raises(Exception, match=r"reported_tcb\.bootloader"):
        endorsement.verify_tcb(Report.parse(bytes(raw)), vek)


def test_certificate_changed_breaks_the_chain(authorities: Anchors) -> None:
    der = bytearray(read("test-vcek.der"))
    der[42] += 1
    evidence = evidence_with(bytes(der))
    assert step(evidence, inputs(authorities)) in {"snp.4 endorsement key", "snp.7 chain"}


def evidence_with(vcek: bytes) -> bytes:
    report = ReportJson.of(Report.parse(read("test-report.bin")))
    return SnpEvidence(report, [CertificateEntry.of("VCEK", vcek)]).encode()


@pytest.mark.parametrize("name", ["test-vcek-invalid-legacy.der", "test-vcek-invalid-new.der"])
def test_foreign_signature_fails_under_every_root(authorities: Anchors, name: str) -> None:
    vek = EndorsementKey.parse(Certificate.parse(read(name)))
    assert vek.hw_id == bytes(range(64))
    assert step(evidence_with(read(name)), inputs(authorities)) == "snp.7 chain"


def test_vcek_is_not_valid_under_the_authority_of_vleks() -> None:
    pem = vector("roots", "milan_ask_ark_asvk.pem").read_bytes()
    ask, ark, asvk = (Certificate.parse(der) for der in blocks(pem))
    vcek = Certificate.parse(read("test-vcek.der"))
    assert vcek.signed_by(ask)
    assert not vcek.signed_by(asvk)
    anchors = Anchors(material=Material([asvk, ark]))
    assert step(read("test-report.bin"), inputs(anchors, "test-vcek.der")) == "snp.7 chain"


def test_another_chips_certificate_does_not_serve(authorities: Anchors) -> None:
    assert step(evidence_with(read("gsg-vcek.der")), inputs(authorities)) == "snp.9 signature"


def test_report_without_its_chips_certificate_is_refused(authorities: Anchors) -> None:
    given = inputs(authorities, "gsg-vcek.der")
    assert step(read("test-report.bin"), given) == "snp.4 endorsement key"


@pytest.mark.parametrize("offset", [0x4C, 0x18B, 0x1F8, 0x29F, 0x330, 0x49F])
def test_reserved_byte_is_refused_before_anything_else(authorities: Anchors, offset: int) -> None:
    raw = bytearray(read("test-report.bin"))
    raw[offset] = 1
    assert step(bytes(raw), inputs(authorities, "test-vcek.der")) == "snp.3 report"


def test_real_reports_read_and_write_to_the_same_bytes() -> None:
    for name in ("test-report.bin", "gsg-attestation.bin"):
        raw = read(name)
        assert Report.parse(raw).encode() == raw


def test_real_evidence_reads_and_writes_to_the_same_json() -> None:
    raw = read("evidence-v3-genoa.json")
    found = SnpEvidence.parse(raw)
    assert (
        ReportJson.of(Report.parse(found.attestation_report.encode())) == found.attestation_report
    )
    written = msgspec.json.decode(found.encode())
    report = written["attestation_report"]
    assert (report.pop("launch_mit_vector"), report.pop("current_mit_vector")) == (None, None)
    assert written == json.loads(raw)


def test_certificates_that_are_none_are_refused() -> None:
    with pytest.raises(PeerError):
        EndorsementKey.parse(
            Certificate.parse(blocks(vector("roots", "milan_ask_ark_asvk.pem").read_bytes())[0])
        )
