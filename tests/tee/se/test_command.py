"""``casemate evidence verify --tee se`` on a kept pair, with an operator's two folders."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from casemate.cli.main import run
from tests.tee.se.test_simulated import made


def written(folder: Path, files: Mapping[str, bytes]) -> Path:
    folder.mkdir()
    for name, body in files.items():
        (folder / name).write_bytes(body)
    return folder


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    one = made()
    (tmp_path / "pair.json").write_bytes(one.evidence)
    return [
        *("evidence", "verify", str(tmp_path / "pair.json"), "--tee", "se", "--json"),
        *("--now", "2025-06-01T00:01:00Z", "--report-data", one.report_data.hex()),
        *("--roots", str(written(tmp_path / "roots", one.roots))),
        *("--collateral", str(written(tmp_path / "published", one.collateral))),
    ]


def test_a_kept_pair_is_verified(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["verdict"] == "verified"
    assert shown["claims"]["version"] == 256
    assert shown["from"]["cuid"] == "cuid"
    assert len(shown["steps"]) == 14


def test_a_pair_that_has_ended_says_so(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    arguments[arguments.index("--now") + 1] = "2025-06-01T00:06:00Z"
    assert run(arguments) == 1
    shown = json.loads(capsys.readouterr().out)
    assert (shown["verdict"], shown["step"]) == ("refused", "se.5 session")


def test_a_pair_is_refused_without_the_trustees_key(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    at = arguments.index("--roots")
    assert run(arguments[:at] + arguments[at + 2 :]) == 1
    assert json.loads(capsys.readouterr().out)["step"] == "se.4 seal"
