"""What commands say: data on standard output, talk and progress on standard error."""

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from casemate.stack.status import Status

_DEFAULT_STATE: Final = "~/.local/state/casemate"

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
"""Decorator: adds ``as_json: bool``. Errors turn to JSON by themselves where it is given."""

state_option = click.option(
    "--state",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="CASEMATE_STATE",
    default=_DEFAULT_STATE,
    show_default=True,
    show_envvar=True,
    callback=lambda _context, _option, value: value.expanduser().absolute(),
    help="Folder of the local stack: its settings, sockets, logs.",
)
"""Decorator: adds ``state: Path``, absolute. The folder need not exist."""


def write_file(place: Path, content: bytes | str, *, mode: int = 0o666) -> None:
    """Write a file, and the folders it lies in: whole, or not at all.

    What is no plain file (a device, a pipe, a link) is written into, never replaced. ``mode`` is
    that of a new file, less the umask.

    Raises:
        InputError: it cannot be written there.
    """
    from casemate import files
    from casemate.errors import InputError

    body = content if isinstance(content, bytes) else content.encode()
    try:
        if place.is_symlink() or (place.exists() and not place.is_file()):
            target = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
            with os.fdopen(target, "wb") as file:
                file.write(body)
        else:
            place.parent.mkdir(parents=True, exist_ok=True)
            files.replace(place, body, mode=mode)
    except OSError as error:
        raise InputError(str(place), got=error.strerror, want="a place to write") from error


def print_json(value: Any) -> None:
    """Print one JSON document: indented for a person, one line for a pipe.

    ``value`` is anything msgspec encodes: structs, dataclasses, dicts, bytes (as base64).
    """
    import msgspec

    encoded = json_bytes(value)
    if sys.stdout.isatty():
        encoded = msgspec.json.format(encoded, indent=2)
    print(encoded.decode())


def json_bytes(value: Any) -> bytes:
    """Encode as ``print_json`` does; of a file name that is no text, what is none becomes ``?``."""
    import msgspec

    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        return msgspec.json.encode(_as_text(msgspec.to_builtins(value)))


def _as_text(value: Any) -> Any:
    match value:
        case str():
            return value.encode(errors="replace").decode()
        case dict():
            return {_as_text(name): _as_text(one) for name, one in value.items()}
        case list() | tuple():
            return [_as_text(one) for one in value]
        case _:
            return value


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print aligned columns under their names; the last column takes what it needs."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [
        max(len(name), *(len(row[i]) for row in cells)) if cells else len(name)
        for i, name in enumerate(columns)
    ]
    click.echo(click.style(_aligned([name.upper() for name in columns], widths), bold=True))
    for row in cells:
        click.echo(_aligned(row, widths))


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = [cell.ljust(width) for cell, width in zip(cells, widths, strict=True)]
    return "  ".join(padded).rstrip()


def show_services(services: "Sequence[Status]", *, as_json: bool) -> None:
    """Print the daemons of a stack: who runs, with which pid, and where it listens."""
    if as_json:
        print_json(services)
        return
    rows = [
        (s.name, f"runs (pid {s.pid})" if s.running else "does not run", s.address)
        for s in services
    ]
    print_table(("daemon", "state", "address"), rows)


def say(text: str = "") -> None:
    """Tell the person at the terminal something: standard error."""
    click.echo(text, err=True)


@contextmanager
def steps(title: str) -> Iterator[Callable[[str], None]]:
    """Show that long work goes on; gives a callable that names what is done now.

    Use it so: ``with steps("Building") as step: build(progress=step)``. On a terminal one line
    spins and counts seconds; elsewhere each step is a line. Only the title and the seconds taken
    are left when it ends.
    """
    begin = time.monotonic()
    if sys.stderr.isatty():
        with _spinning(title) as step:
            yield step
    else:
        say(f"{title} …")
        yield lambda text: say(f"  {time.monotonic() - begin:5.1f} s  {text}")
    say(f"{title}: {time.monotonic() - begin:.1f} s")


@contextmanager
def _spinning(title: str) -> Iterator[Callable[[str], None]]:
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(title, total=None)
        yield lambda text: progress.update(task, description=f"{title}: {text}")
