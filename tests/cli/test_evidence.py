import json
from pathlib import Path

import pytest

from casemate.cli.main import run
from casemate.crypto.digest import sha256
from casemate.crypto.x509 import CertificateAuthority
from casemate.tee.vtpm.fake import SoftwareTpm
from tests.vectors import vector

AUTHORITY = CertificateAuthority.create("platform")
DIGEST = sha256(b"initdata")


@pytest.fixture
def evidence(tmp_path: Path) -> Path:
    tpm = SoftwareTpm(AUTHORITY)
    tpm.bind_init_data(DIGEST)
    (tmp_path / "evidence.json").write_bytes(tpm.evidence(b"\x00\xff"))
    (tmp_path / "ca.pem").write_bytes(AUTHORITY.certificate_pem)
    return tmp_path / "evidence.json"


def arguments(evidence: Path, *, nonce: str = "00ff") -> list[str]:
    ca = str(evidence.with_name("ca.pem"))
    return [
        *("evidence", "verify", str(evidence), "--ca", ca),
        *("--report-data", nonce, "--init-data", str(DIGEST), "--json"),
    ]


def test_evidence_is_shown(evidence: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["evidence", "show", str(evidence), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["certified"] is True
    assert len(shown["pcrs"]) == 24
    assert run(["evidence", "show", str(evidence)]) == 0


def test_genuine_evidence_is_verified(evidence: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments(evidence)) == 0
    assert json.loads(capsys.readouterr().out)["claims"]["ak_certified"] is True


def test_stale_evidence_exits_one_with_the_step(
    evidence: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments(evidence, nonce="00fe")) == 1
    assert "tpm.8 nonce" in capsys.readouterr().out


def test_event_log_inside_evidence_is_shown(
    evidence: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["evidence", "eventlog", str(evidence)]) == 0
    assert "EV_SEPARATOR" in capsys.readouterr().out


def test_event_log_file_is_shown_as_upstream_does(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["evidence", "eventlog", str(vector("eventlog", "CCEL_data")), "--json"]) == 0
    golden = json.loads(vector("eventlog", "CCEL_data_out.json").read_text())
    assert json.loads(capsys.readouterr().out) == golden


def test_event_log_is_replayed(evidence: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["evidence", "replay", str(evidence), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["algorithm"], len(found["registers"])) == ("SHA-256", 8)


@pytest.mark.parametrize("verb", ["show", "eventlog", "replay"])
def test_unreadable_evidence_is_the_callers_mistake(verb: str, tmp_path: Path) -> None:
    (tmp_path / "bad").write_bytes(b"{\xff")
    assert run(["evidence", verb, str(tmp_path / "bad")]) == 2
    assert run(["evidence", verb, str(tmp_path / "absent")]) == 2
