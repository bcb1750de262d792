import json
from pathlib import Path

import pytest

from casemate.cli.main import run


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    (tmp_path / "aa.toml").write_text("[token_configs]\n")
    (tmp_path / "cdh.toml").write_text('socket = "x"\n')
    return [str(tmp_path / "aa.toml"), str(tmp_path / "cdh.toml")]


@pytest.mark.parametrize("form", ["toml", "annotation", "block"])
def test_every_form_reads_back(
    files: list[str], form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "out")
    assert run(["initdata", "build", *files, "--form", form, "--output", out]) == 0
    digest = capsys.readouterr().out.strip()
    assert run(["initdata", "show", out, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["digest"] == digest
    assert shown["files"]["cdh.toml"] == 'socket = "x"\n'
    assert run(["initdata", "verify", out, "--digest", digest]) == 0
    assert run(["initdata", "show", out, "--file", "aa.toml"]) == 0
    assert "[token_configs]" in capsys.readouterr().out


def test_other_digest_is_refused(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "out")
    run(["initdata", "build", *files, "--output", out])
    capsys.readouterr()
    assert run(["initdata", "verify", out, "--digest", "sha256:" + "00" * 32, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["refused"]["step"] == "initdata"


def test_difference_is_told_line_by_line(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = str(tmp_path / "old"), str(tmp_path / "new")
    run(["initdata", "build", *files, "--output", old])
    (tmp_path / "aa.toml").write_text("[other]\n")
    run(["initdata", "build", *files, "--output", new])
    capsys.readouterr()
    assert run(["initdata", "diff", old, new]) == 0
    shown = capsys.readouterr().out
    assert "-[token_configs]" in shown
    assert "+[other]" in shown
    assert "cdh.toml" not in shown
    assert run(["initdata", "diff", old, old, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"equal": True, "changes": []}


@pytest.mark.parametrize("content", [b"", b"initdata", b"H4sI!!", b"\xff\xfe", b"version = 1"])
def test_anything_else_is_your_mistake(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "bad").write_bytes(content)
    assert run(["initdata", "show", str(tmp_path / "bad")]) == 2


def test_two_files_of_one_name_are_refused(files: list[str]) -> None:
    assert run(["initdata", "build", files[0], files[0]]) == 2
