"""Arm CCA on the command line: verified here, or by a Veraison service where it is named."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from casemate.cli.main import run
from casemate.tee.simulation import Simulated
from casemate.tee.simulators import SIMULATORS
from tests.sim.served import served
from tests.sim.veraison import Veraison, member_of


class Desk:
    """A realm's token, its platform's store, and a configuration that names a service."""

    def __init__(self, folder: Path, service: Veraison, printed: Any) -> None:
        self._printed = printed
        self.made: Simulated = SIMULATORS["cca"].make({}, datetime.now(UTC))
        service.roots = self.made.roots
        self.file = folder / "evidence.json"
        self.file.write_bytes(self.made.evidence)
        self.roots = folder / "roots"
        self.roots.mkdir()
        for name, body in self.made.roots.items():
            (self.roots / name).write_bytes(body)
        (folder / "rootCA.crt").write_text(service.anchors_pem)
        self.config = folder / "config.json"
        choice = {"type": "remote", "address": service.url, "ca-cert": "rootCA.crt"}
        self.config.write_text(json.dumps({"cca-verifier": choice}))

    def verify(self, *words: str | Path) -> tuple[int, dict[str, Any]]:
        self._printed.readouterr()
        report_data = ("--report-data", self.made.report_data.hex())
        asked = ("evidence", "verify", self.file, "--tee", "cca", *report_data, *words, "--json")
        status = run([*map(str, asked)])
        out = self._printed.readouterr().out
        return status, json.loads(out) if out else {}


@pytest.fixture
def service() -> Veraison:
    return Veraison()


@pytest.fixture
def desk(
    tmp_path: Path,
    service: Veraison,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Desk]:
    monkeypatch.setenv("CASEMATE_COLLATERAL", str(tmp_path / "cache"))
    with served(service):
        yield Desk(tmp_path, service, capsys)


def test_token_is_verified_here_unless_a_service_is_named(desk: Desk, service: Veraison) -> None:
    status, shown = desk.verify("--roots", desk.roots, "--fetch")
    assert (status, shown["verdict"]) == (0, "verified")
    assert service.asked == []


def test_service_is_asked_with_the_trustees_configuration(desk: Desk, service: Veraison) -> None:
    status, shown = desk.verify("--cca-config", desk.config, "--fetch")
    assert (status, shown["verdict"]) == (0, "verified")
    assert shown["claims"]["remote-verifier"]["address"] == service.url
    (note,) = shown["collateral"]
    assert note["name"] == f"verdict of {service.url}"


@pytest.mark.parametrize("words", [(), ("--offline",)])
def test_service_is_asked_only_on_request(
    desk: Desk, service: Veraison, words: tuple[str, ...]
) -> None:
    status, shown = desk.verify("--cca-config", desk.config, *words)
    assert (status, shown["step"]) == (1, "cca.15 remote verdict")
    assert service.asked == []


def test_services_refusal_is_shown_with_its_reason(desk: Desk, service: Veraison) -> None:
    service.ear = member_of("submods/CCA_SSD_PLATFORM/ear.trustworthiness-vector/executables", 33)
    status, shown = desk.verify("--cca-config", desk.config, "--fetch")
    assert (status, shown["step"]) == (1, "cca.19 verdict")
    assert shown["got"] == "33, not recognized (warning)"
    assert "reference values of this firmware" in shown["remedy"]


def test_stricter_options_go_with_the_configuration(desk: Desk, service: Veraison) -> None:
    service.ear = member_of("submods/CCA_REALM/ear.trustworthiness-vector/executables", 33)
    words = ("--cca-config", desk.config, "--fetch")
    assert desk.verify(*words)[0] == 0
    status, shown = desk.verify(*words, "--option", "cca.realm_values=required")
    assert (status, shown["step"]) == (1, "cca.19 verdict")


def test_configuration_goes_with_a_file(desk: Desk) -> None:
    words = ["evidence", "verify", "--from", "https://localhost", "--cca-config", str(desk.config)]
    assert run(words) == 2
