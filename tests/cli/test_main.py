import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import click
import pytest

from casemate.cli import failure, main
from casemate.errors import HostError, InputError, PeerError, Refusal, VerificationError

REFUSAL = Refusal(
    step="attest", claim="pcr11", got="00", expected="ff", rule="tpm.4", remedy="Measure again."
)


def casemate(*arguments: str, code: str = "") -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own; ``code`` runs instead, when given."""
    argv = [sys.executable, "-c", code] if code else [sys.executable, "-m", "casemate.cli.main"]
    if not code:
        argv = [sys.executable, "-c", "from casemate.cli.main import main; main()", *arguments]
    return subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)


def test_help_loads_no_room() -> None:
    code = (
        "import sys; from casemate.cli import main; main.run(['--help']);"
        "print([m for m in sys.modules if m.startswith('casemate.')], file=sys.stderr)"
    )
    done = casemate(code=code)
    loaded = json.loads(done.stderr.replace("'", '"'))
    assert {name.split(".")[1] for name in loaded} <= {"cli", "errors"}


def test_every_noun_stands_in_help() -> None:
    done = casemate("--help")
    assert done.returncode == 0
    assert all(noun in done.stdout for noun in main.NOUNS)


@pytest.mark.parametrize("noun", main.NOUNS)
def test_every_noun_gives_help_with_an_example(noun: str) -> None:
    command = main.root.get_command(click.Context(main.root), noun)
    assert command is not None
    with click.Context(command, info_name=noun) as context:
        assert "Example" in command.get_help(context)


@pytest.mark.parametrize("arguments", [["nonsense"], ["--nonsense"], ["status", "--nonsense"]])
def test_unknown_words_are_your_mistake(arguments: Sequence[str]) -> None:
    assert main.run(arguments) == 2


def test_usage_error_with_json_is_an_object_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["status", "--nonsense", "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["ok"] is False


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (VerificationError(REFUSAL), 1),
        (InputError("file", got="x", want="y"), 2),
        (PeerError("peer", got="x", want="y"), 2),
        (HostError("host", got="x", want="y"), 2),
        (FileNotFoundError(2, "No such file", "a.toml"), 2),
        (KeyboardInterrupt(), 130),
        (
            ExceptionGroup(
                "several", [HostError("h", got="", want=""), VerificationError(REFUSAL)]
            ),
            1,
        ),
        (ExceptionGroup("several", [FileNotFoundError(2, "No such file", "a")]), 2),
        (ExceptionGroup("several", [ValueError(), FileNotFoundError(2, "No such file", "a")]), 70),
        (ExceptionGroup("several", [ValueError(), BrokenPipeError(32, "Broken pipe")]), 70),
        (ExceptionGroup("several", [TimeoutError(), FileNotFoundError(2, "No such file")]), 70),
        (ExceptionGroup("several", [ValueError()]), 70),
    ],
)
def test_each_error_has_its_status(error: BaseException, status: int) -> None:
    assert failure.tell(error, as_json=False) == status


def test_refusal_names_all_its_members(capsys: pytest.CaptureFixture[str]) -> None:
    failure.tell(VerificationError(REFUSAL), as_json=True)
    out, err = capsys.readouterr()
    assert json.loads(out)["refused"]["claim"] == "pcr11"
    assert all(word in err for word in ("attest", "pcr11", "00", "ff", "tpm.4", "Measure again."))


def test_unexpected_error_tells_where_its_traceback_is_and_no_values(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert failure.tell(ValueError("hunter2"), as_json=True) == 70
    out, err = capsys.readouterr()
    kept = Path(json.loads(out)["traceback"])
    assert "hunter2" not in out + err + kept.read_text()
    assert kept.stat().st_mode & 0o077 == 0
    kept.unlink()


def test_reader_that_goes_away_is_no_error() -> None:
    code = "from casemate.cli.main import main; main(['--help'])"
    reading, writing = os.pipe()
    os.close(reading)
    argv = [sys.executable, "-c", code]
    with os.fdopen(writing, "w") as gone:
        done = subprocess.run(
            argv, stdout=gone, stderr=subprocess.PIPE, text=True, timeout=30, check=False
        )
    assert "Traceback" not in done.stderr
    assert done.returncode == 141
