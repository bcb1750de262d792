"""Casemate's own commands, run as a person would run them; refusals come back as refusals."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from casemate.errors import MALFORMED_JSON, HostError, PeerError, Refusal, VerificationError
from casemate.linux import process, program
from casemate.stack.program import CASEMATE, own_environment

_PATIENCE: Final = 300.0  # seconds; the longest is a pod's start under emulation


class _Answer(msgspec.Struct, frozen=True):
    refused: Refusal | None = None
    error: str = ""


async def casemate(
    *arguments: str | Path,
    input: bytes | None = None,  # noqa: A002  # the name run gives it
    env: Mapping[str, str] | None = None,
) -> Any:
    """Run ``casemate ARGUMENTS --json``; give the JSON it prints.

    Secrets go in by ``input``: arguments can be read by everyone on the machine.

    Raises:
        VerificationError: the command was refused (exit 1), with its reason.
        HostError: it failed (exit 2), with its message.
        PeerError: what it prints is no JSON.
    """
    own = arguments.index("--") if "--" in arguments else len(arguments)
    stdout = await plain(*arguments[:own], "--json", *arguments[own:], input=input, env=env)
    try:
        return msgspec.json.decode(stdout)
    except MALFORMED_JSON as error:
        raise PeerError(f"casemate {arguments[0]}", got=stdout[:200], want="JSON") from error


async def plain(
    *arguments: str | Path,
    input: bytes | None = None,  # noqa: A002  # the name run gives it
    env: Mapping[str, str] | None = None,
) -> bytes:
    """Run ``casemate ARGUMENTS``; give what it prints. Errors as above."""
    done = await process.run_async(
        [*CASEMATE, *arguments],
        input=input,
        env=own_environment() | dict(env or {}),
        timeout=_PATIENCE,
        check=False,
    )
    if done.status != 0:
        raise _failure(" ".join(map(str, ("casemate", *arguments))), done)
    return done.stdout


def _failure(command: str, done: program.Completed) -> Exception:
    lines = done.stdout.splitlines() or [b""]
    try:
        answer = msgspec.json.decode(lines[-1], type=_Answer)
    except MALFORMED_JSON:
        answer = _Answer()
    if done.status == 1 and answer.refused is not None:
        return VerificationError(answer.refused)
    words = answer.error or done.stderr.decode(errors="replace").strip()[-600:]
    return HostError(command, got=f"status {done.status}: {words}", want="status 0")
