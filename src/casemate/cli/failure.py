"""How a failed command ends: what is told, to whom, and with which exit status."""

import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import click

from casemate.cli.output import json_bytes
from casemate.errors import CasemateError, Refusal, VerificationError

REFUSED: Final = 1
MISTAKE: Final = 2
OUR_MISTAKE: Final = 70
INTERRUPTED: Final = 130
_BROKEN_PIPE: Final = 141


def wants_json(arguments: Sequence[str]) -> bool:
    """Tell whether ``--json`` was asked for, also where the rest of the line cannot be parsed."""
    ours = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return "--json" in ours


def tell(error: BaseException, *, as_json: bool) -> int:
    """Tell why a command failed; give the exit status that says the same."""
    if isinstance(error, BaseExceptionGroup) and (inner := _only(error)) is not None:
        return tell(inner, as_json=as_json)
    if (silent := _silent(error)) is not None:
        return silent
    status, text, document = _account(error)
    if as_json:
        print(json_bytes({"ok": False, **document}).decode(), flush=True)
    click.echo(text, err=True)
    return status


def _silent(error: BaseException) -> int | None:
    """Give the status of an end that needs no words."""
    match error:
        case SystemExit():
            return error.code if isinstance(error.code, int) else OUR_MISTAKE
        case click.exceptions.Exit():
            return error.exit_code
        case BrokenPipeError():
            return _reader_gone()
        case _:
            return None


def _account(error: BaseException) -> tuple[int, str, dict[str, Any]]:
    """Give an error's exit status, its words for a person, its members for a program."""
    match error:
        case KeyboardInterrupt() | click.Abort():
            return INTERRUPTED, "interrupted", {"error": "interrupted"}
        case VerificationError():
            return REFUSED, _refused(error.refusal), {"refused": _members(error.refusal)}
        case CasemateError():
            return MISTAKE, f"error: {error}", _document(error)
        case click.ClickException():
            text = error.format_message()
            return MISTAKE, f"error: {text}{_where_help_is(error)}", {"error": text}
        case OSError(strerror=str(text)):
            text = f"{error.filename}: {text}" if error.filename else text
            return MISTAKE, f"error: {text}", {"error": text}
        case _:
            return _unexpected(error)


def _only(group: BaseExceptionGroup[BaseException]) -> BaseException | None:
    """Of several errors raised at once, the one to tell: a refusal before any other."""
    leaves = _leaves(group)
    ours = [e for e in leaves if isinstance(e, CasemateError | KeyboardInterrupt)]
    refused = [e for e in ours if isinstance(e, VerificationError)]
    return next(iter(refused or ours or _of_the_system(leaves)), None)


def _of_the_system(leaves: list[BaseException]) -> list[BaseException]:
    """Errors of the system, if there are no others: beside one of ours they explain nothing."""
    told = [e for e in leaves if isinstance(e, OSError) and isinstance(e.strerror, str)]
    return [*told] if len(told) == len(leaves) else []


def _leaves(error: BaseException) -> list[BaseException]:
    if not isinstance(error, BaseExceptionGroup):
        return [error]
    return [leaf for inner in error.exceptions for leaf in _leaves(inner)]


def _refused(refusal: Refusal) -> str:
    rows = [(name, text) for name, text in _members(refusal).items() if text and name != "step"]
    return "\n".join([f"refused at {refusal.step}", *(f"  {n:<9} {text}" for n, text in rows)])


def _members(refusal: Refusal) -> dict[str, str]:
    return {name: getattr(refusal, name) for name in refusal.__struct_fields__}


def _document(error: CasemateError) -> dict[str, str]:
    return {
        "error": str(error),
        "kind": type(error).__name__,
        "where": error.where,
        "got": error.got,
        "expected": error.want,
        "remedy": error.remedy,
    }


def _where_help_is(error: click.ClickException) -> str:
    context = error.ctx if isinstance(error, click.UsageError) else None
    return f"\nTry: {context.command_path} --help" if context is not None else ""


def _unexpected(error: BaseException) -> tuple[int, str, dict[str, Any]]:
    what = f"internal error: {type(error).__name__}"
    where = str(_keep_traceback(error))
    text = f"{what}. This is a mistake in Casemate. The traceback is in {where}"
    return OUR_MISTAKE, text, {"error": what, "traceback": where}


def _keep_traceback(error: BaseException) -> Path:
    """Write the traceback where only this user can read it: frames and lines, no values."""
    import traceback

    frames = traceback.format_tb(error.__traceback__)
    number, name = tempfile.mkstemp(prefix="casemate-", suffix=".traceback")
    with os.fdopen(number, "w", encoding="utf-8") as file:
        file.writelines([*frames, f"{type(error).__module__}.{type(error).__qualname__}\n"])
    return Path(name)


def _reader_gone() -> int:
    """End quietly when the reader of our output has gone; keep the interpreter's exit quiet too."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return _BROKEN_PIPE
