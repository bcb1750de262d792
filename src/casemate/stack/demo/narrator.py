"""How the demo tells its story: on standard error, at 80 columns, with or without a terminal."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from casemate.stack.attacks.attack import AttackResult

_WIDEST: Final = 100
_NARROWEST: Final = 80
_INDENT: Final = 5


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
    def step(self, title: str) -> Iterator[Callable[[str], None]]:
        """Tell a step while it runs; the callable names what is done now.

        On a terminal a line spins; elsewhere nothing moves and each step is told when it begins.
        """
        self._number += 1
        begin = time.monotonic()
        head = f"{self._number}/{self._steps}  {title}"
        if self._console.is_terminal:
            with self._console.status(head, spinner="dots") as status:
                yield lambda text: status.update(f"{head}: {text}")
        else:
            self._console.print(f"{head} …")
            yield lambda text: self._console.print(f"     … {text}", style="dim")
        self._told(head, time.monotonic() - begin)

    def fact(self, name: str, value: str) -> None:
        """Tell one thing that the step found."""
        line = Table.grid(padding=(0, 2))
        line.add_column(width=9, style="dim")
        line.add_column(overflow="fold")
        line.add_row(name, Text(value))
        self._console.print(Padding(line, (0, 0, 0, _INDENT)))

    def command(self, text: str) -> None:
        """Show a command that the step ran, for the reader to run again."""
        self._console.print(Padding(Text(f"$ {text}", style="dim"), (0, 0, 0, _INDENT)))

    def attack(self, result: AttackResult) -> None:
        """Tell the outcome of one attack, with its whole reason."""
        mark = ("refused  ", "green") if result.refused else ("HELD NOT ", "bold red")
        seconds = (f"  {result.seconds:.1f} s", "dim")
        head = Text.assemble(mark, (result.title, "bold"), seconds)
        self._console.print(Padding(head, (0, 0, 0, _INDENT)))
        reason = Table.grid(padding=(0, 2))
        reason.add_column(width=7, style="dim")
        reason.add_column(overflow="fold")
        for name, text in _reason(result):
            reason.add_row(name, Text(text))
        self._console.print(Padding(reason, (0, 0, 0, _INDENT)))

    def timeline(self, spans: Sequence[tuple[str, float, float]]) -> None:
        """Draw the stations of the road as bars: name, first second, last second."""
        end = max((last for _, _, last in spans), default=1.0) or 1.0
        room = self._console.width - 30
        for name, first, last in spans:
            left = round(first / end * room)
            bar = max(1, round((last - first) / end * room))
            line = Text.assemble(
                (f"     {name:<9}", "bold"),
                f"{last - first:6.2f} s ",
                " " * left,
                ("━" * bar, "cyan"),
            )
            self._console.print(line, no_wrap=True, overflow="crop")

    def banner(self, lines: Sequence[str], *, good: bool) -> None:
        """Close with what was proved and what was not."""
        from rich.panel import Panel

        text = "\n".join(lines)
        self._console.print()
        self._console.print(Panel(text, border_style="green" if good else "red"))

    def _told(self, head: str, seconds: float) -> None:
        mark = f"{seconds:7.1f} s"
        room = self._console.width - len(mark) - 1
        self._console.print(Text(f"{head:<{room}}", style="bold") + Text(mark, style="dim"))


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
