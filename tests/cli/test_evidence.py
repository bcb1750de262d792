import json
from base64 import b64encode
from pathlib import Path

import pytest

from casemate.cli.main import run
from casemate.crypto.authority import CertificateAuthority
from casemate.crypto.digest import sha256
from casemate.crypto.sm3 import sm3
from casemate.tee.vtpm.fake import SoftwareTpm
from casemate.wire import aael
from casemate.wire.tpm import ALG_SM3
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


def simulated(folder: Path, *fields: str) -> Path:
    sets = [word for field in fields for word in ("--set", field)]
    out = folder / "sample.json"
    assert run(["evidence", "simulate", "sample", *sets, "-o", str(out)]) == 0
    return out


def test_evidence_is_shown_field_by_field(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = simulated(tmp_path, "report_data=00ff")
    capsys.readouterr()
    assert run(["evidence", "show", str(file), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["tee"] == "sample"
    assert {f["name"]: f["value"] for f in shown["sections"][0]["fields"]} == {
        "svn": "1",
        "report_data": "00ff",
    }
    page = tmp_path / "layout.html"
    assert run(["evidence", "show", str(file), "--html", str(page)]) == 0
    assert "Nothing was verified" in page.read_text()


def test_simulated_evidence_is_accepted_by_the_command_it_prints(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    simulated(tmp_path)
    words = capsys.readouterr().out.split()
    assert words[0] == "casemate"
    assert run(words[1:]) == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["moon"],
        ["sample", "--set", "moon=1"],
        ["sample", "--set", "report_data=xyz"],
        ["sample", "--set", "svn"],
        ["sample", "--binary"],
        ["sample", "--now", "yesterday"],
    ],
)
def test_impossible_simulation_is_the_callers_mistake(arguments: list[str], tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    assert run(["evidence", "simulate", *arguments, "-o", str(out)]) == 2
    assert not out.exists()


def test_fields_of_a_simulator_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["evidence", "simulate", "sample", "--list", "--json"]) == 0
    assert "svn" in json.loads(capsys.readouterr().out)["fields"]


def test_report_for_people_shows_the_verdict_and_each_step(evidence: Path, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    assert run([*arguments(evidence), "--html", str(page)]) == 0
    assert "tpm evidence: verified" in page.read_text()
    assert run([*arguments(evidence, nonce="00fe"), "--html", str(page)]) == 1
    text = page.read_text()
    assert "tpm evidence: refused" in text
    assert "not reached" in text


def test_refusal_as_json_has_its_parts_and_the_steps_before_it(
    evidence: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments(evidence, nonce="00fe")) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["verdict"], told["step"]) == ("refused", "tpm.8 nonce")
    assert told["remedy"]
    assert [one["result"] for one in told["steps"]] == ["passed"] * 7 + ["failed"]


def test_kept_evidence_is_appraised_under_another_policy(
    evidence: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = [word for word in arguments(evidence) if word != "--json"][3:]
    assert run(["evidence", "replay", str(evidence), *asked, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["submods"][0]["ear.status"] == "warning"
    policy = tmp_path / "stricter.rego"
    policy.write_text('package policy\n\nimport rego.v1\n\ntrust_claims := {"hardware": 97}\n')
    assert run(["evidence", "replay", str(evidence), *asked, "--policy", str(policy)]) == 1


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


@pytest.mark.parametrize("beside", [{"quote": ""}, {"serial_number": [1]}])
def test_event_log_of_tdx_and_csv_is_shown(
    beside: dict[str, object], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    event = aael.tagged_event("a", "b", "c")
    log = aael.join(None, aael.entry(4, event, ALG_SM3)) or b""
    file = tmp_path / "evidence.json"
    file.write_text(json.dumps(beside | {"cc_eventlog": b64encode(log).decode()}))
    assert run(["evidence", "eventlog", str(file), "--json"]) == 0
    (entry,) = json.loads(capsys.readouterr().out)["uefi_event_logs"]
    assert (entry["index"], entry["details"]["data"]["content"]) == (4, "c")
    assert run(["evidence", "registers", str(file), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    register = sm3(bytes(32) + sm3(event)).hex()
    assert found == {"algorithm": "SM3", "registers": {"4": register}}


@pytest.mark.parametrize("text", ['{"cc_eventlog": null}', '{"cc_eventlog": "!"}', "{}"])
def test_evidence_without_a_log_is_the_callers_mistake(text: str, tmp_path: Path) -> None:
    (tmp_path / "evidence.json").write_text(text)
    assert run(["evidence", "eventlog", str(tmp_path / "evidence.json")]) == 2


def test_event_log_is_replayed(evidence: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["evidence", "registers", str(evidence), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["algorithm"], len(found["registers"])) == ("SHA-256", 8)


@pytest.mark.parametrize("verb", ["show", "eventlog", "registers"])
def test_unreadable_evidence_is_the_callers_mistake(verb: str, tmp_path: Path) -> None:
    (tmp_path / "bad").write_bytes(b"{\xff")
    assert run(["evidence", verb, str(tmp_path / "bad")]) == 2
    assert run(["evidence", verb, str(tmp_path / "absent")]) == 2


def test_machine_says_what_it_attests_with(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AA_TPM_DEVICE", "/nonexistent")
    monkeypatch.setenv("ENABLE_SAMPLE_DEVICE", "1")
    assert run(["evidence", "detect", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["found"]
    assert {f["tee"] for f in found if f["picked"]} == {"sample", "sampledevice"}
    assert all(f["why"] for f in found)
    assert run(["evidence", "detect"]) == 0
    said = capsys.readouterr()
    assert "no /dev/csv-guest" in said.out
    assert "NO PROOF" in said.err


def test_sample_evidence_is_made_loudly(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AA_TPM_DEVICE", "/nonexistent")
    file = tmp_path / "evidence.json"
    words = ["evidence", "collect", "-o", str(file), "--json"]
    assert run([*words, "--report-data", "00ff"]) == 0
    said = capsys.readouterr()
    assert "NO PROOF" in said.err
    found = json.loads(said.out)
    assert (found["tee"], found["proves"], found["report_data"]) == ("sample", False, "00ff")
    assert json.loads(file.read_text()) == {"svn": "1", "report_data": "AP8="}
    assert run(found["verify"][1:]) == 0
    capsys.readouterr()
    assert run(words) == 0
    assert len(json.loads(capsys.readouterr().out)["report_data"]) == 64


def test_device_is_chosen_by_its_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AA_TPM_DEVICE", "/nonexistent")
    words = ["evidence", "collect", "-o", str(tmp_path / "e.json"), "--tee", "sampledevice"]
    assert run(words) == 2
    assert "evidence detect" in capsys.readouterr().err
    monkeypatch.setenv("ENABLE_SAMPLE_DEVICE", "1")
    assert run(words) == 0
    assert json.loads((tmp_path / "e.json").read_text())["svn"] == "2"
