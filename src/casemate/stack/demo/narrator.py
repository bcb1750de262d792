"""How the demo tells its story: on standard error, at 80 columns, with or without a terminal."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, NamedTuple

from rich import box
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from casemate.errors import Refusal
from casemate.stack.attacks.attack import AttackResult

_WIDEST: Final = 100
_NARROWEST: Final = 80
_INDENT: Final = 5


class Stretch(NamedTuple):
    """A station of the road: its seconds in all, and when it was on (seconds from the start)."""

    station: str
    seconds: float
    spans: tuple[tuple[float, float], ...]


def covered(spans: Sequence[tuple[float, float]]) -> float:
    """Give the seconds that some spans cover; where they overlap, once."""
    seconds, end = 0.0, float("-inf")
    for first, last in sorted(spans):
        seconds += max(0.0, last - max(first, end))
        end = max(end, last)
    return seconds


class Narrator:
    """Numbered steps, facts below them, an attack table, a banner."""

    def __init__(self, *, steps: int, console: Console | None = None) -> None:
        self._console = Console(stderr=True, highlight=False) if console is None else console
        self._console.width = min(max(self._console.width, _NARROWEST), _WIDEST)
        self._steps = steps
        self._number = 0
        self._begin = time.monotonic()

    def title(self, text: str) -> None:
        self._console.print(Text(text, style="bold"))
        self._console.print()

    @contextmanager
    def step(self, title: str, *, quiet: bool = False) -> Iterator[Callable[[str], None]]:
        """Tell a step while it runs; the callable names what is done now.

        On a terminal a line spins; elsewhere nothing moves, and what is done now is a line of its
        own unless ``quiet``.
        """
        self._number += 1
        begin = time.monotonic()
        head = f"{self._number}/{self._steps}  {title}"
        if self._console.is_terminal:
            with self._console.status(head, spinner="dots") as status:
                yield lambda text: status.update(f"{head}: {text}")
        else:
            self._console.print(f"{head} …")
            yield (lambda _: None) if quiet else self._now
        self._told(head, time.monotonic() - begin)

    def _now(self, text: str) -> None:
        self._console.print(f"     … {text}", style="dim")

    def fact(self, name: str, value: str) -> None:
        """Tell one thing that the step found."""
        line = Table.grid(padding=(0, 2))
        line.add_column(width=9, style="dim")
        line.add_column(overflow="fold")
        line.add_row(name, Text(value))
        self._console.print(_indented(line))

    def command(self, text: str) -> None:
        """Show a command that the step ran, for the reader to run again."""
        self._console.print(_indented(Text(f"$ {text}", style="dim")))

    def attack(self, result: AttackResult) -> None:
        """Tell the outcome of one attack, with its whole reason."""
        mark = ("refused  ", "green") if result.refused else ("HELD NOT ", "bold red")
        seconds = (f"  {result.seconds:.1f} s", "dim")
        head = Text.assemble(mark, (result.title, "bold"), seconds)
        self._console.print(_indented(head))
        reason = Table.grid(padding=(0, 2, 0, 0))
        reason.add_column(width=7, style="dim")
        reason.add_column(overflow="fold")
        for name, text in _reason(result):
            reason.add_row(name, Text(text))
        self._console.print(_indented(reason))

    def summary(self, results: Sequence[AttackResult]) -> None:
        """Show all attacks in one table: what was tried, and what stopped it."""
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        table.add_column("attack", no_wrap=True)
        table.add_column("refused", no_wrap=True)
        table.add_column("stopped at", max_width=43, overflow="ellipsis", no_wrap=True)
        for result in results:
            mark = Text("yes", "green") if result.refused else Text("NO", "bold red")
            table.add_row(result.name, mark, _stopped_at(result.reason))
        self._console.print(_indented(table))

    def timeline(self, road: Sequence[Stretch]) -> None:
        """Draw the road to ``start`` as bars; what comes after may last for days."""
        to_start = [s for s in road if s.station not in {"serve", "stop"}]
        end = max((last for s in to_start for _, last in s.spans), default=1.0) or 1.0
        room = self._console.width - 30
        for stretch in to_start:
            bar = Text(" " * (room + 1))
            for first, last in stretch.spans:
                left, right = round(first / end * room), round(last / end * room)
                bar = (
                    bar[:left]
                    + Text("━" * max(1, right - left), "cyan")
                    + bar[max(right, left + 1) :]
                )
            head = Text.assemble(
                (f"     {stretch.station:<9}", "bold"), f"{stretch.seconds:6.2f} s "
            )
            self._console.print(head + bar, no_wrap=True, overflow="crop")

    def banner(self, paragraphs: Sequence[str], *, good: bool) -> None:
        """Close with what was proved and what was not."""
        from rich.panel import Panel

        text = "\n\n".join(paragraphs)
        self._console.print()
        self._console.print(Panel(text, border_style="green" if good else "red"))

    def _told(self, head: str, seconds: float) -> None:
        mark = f"{seconds:7.1f} s"
        room = self._console.width - len(mark) - 1
        self._console.print(Text(f"{head:<{room}}", style="bold") + Text(mark, style="dim"))


def _stopped_at(reason: Refusal | None) -> str:
    """Name station and claim in one line."""
    return "" if reason is None else f"{reason.step}: {reason.claim}"


def _indented(what: RenderableType) -> Padding:
    return Padding(what, (0, 0, 0, _INDENT), expand=False)


def _reason(result: AttackResult) -> list[tuple[str, str]]:
    rows = [("but", result.note)] if result.note else []
    if (why := result.reason) is not None:
        rows += [
            ("at", f"{why.step}: {why.claim}"),
            ("got", why.got),
            ("want", why.expected),
            ("rule", why.rule),
            ("remedy", why.remedy),
        ]
    return [(name, text) for name, text in rows if text]
