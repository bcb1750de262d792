import json
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from casemate.cli.main import run
from casemate.crypto.authority import CertificateAuthority
from casemate.tee.anchors import Anchors
from casemate.tee.evidence import Expectation, Inputs
from casemate.tee.verifiers import verify
from casemate.tee.vtpm.fake import SoftwareTpm
from casemate.tee.vtpm.provenance import evidence_field

AUTHORITY = CertificateAuthority.create("platform")
EVIDENCE = SoftwareTpm(AUTHORITY).evidence(b"\x00\xff")


def claims() -> list[str]:
    anchors = Anchors(ak_authorities=(AUTHORITY.certificate_pem,))
    expected = Expectation(report_data=b"\x00\xff", init_data=None)
    inputs = Inputs(now=datetime.now(UTC), anchors=anchors)
    (found,) = verify("tpm", EVIDENCE, expected, inputs)
    return list(found.claims)


def test_every_claim_names_a_member_that_the_evidence_has() -> None:
    evidence = msgspec.json.decode(EVIDENCE)
    for claim in claims():
        member, *inner = evidence_field(claim).partition("[")[0].partition(" ")[0].split(".")
        assert member in evidence, claim
        assert not inner or inner[0] in evidence[member], claim


def test_a_claim_of_no_verifier_comes_from_nowhere() -> None:
    assert evidence_field("memory_encrypted") == ""


def test_the_report_lists_each_claim_with_its_field(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "evidence.json").write_bytes(EVIDENCE)
    (tmp_path / "ca.pem").write_bytes(AUTHORITY.certificate_pem)
    words = ["evidence", "verify", str(tmp_path / "evidence.json"), "--report-data", "00ff"]
    words += ["--ca", str(tmp_path / "ca.pem")]
    assert run(words) == 0
    table = capsys.readouterr().out
    assert "ak_certificate" in table
    assert all(f"tpm_quote.pcrs[{n}]" in table for n in range(24))
    assert run([*words, "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)["from"]) == set(claims())
