"""The commands that README and docs show, read out of their ``console`` blocks."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Shown:
    """One command line of a page; ``words`` without the prompt, comments and redirections."""

    page: str
    line: str
    words: tuple[str, ...]


def pages() -> list[Path]:
    tops = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")]
    return [page for page in (*tops, *sorted((ROOT / "docs").rglob("*.md"))) if page.exists()]


def shown() -> list[Shown]:
    """Every command of every page; continuation lines are joined, output lines left out."""
    found = []
    for page in pages():
        for line in lines(page):
            found += _commands(page, line)
    return found


def lines(page: str | Path) -> list[str]:
    """Every line of a page's blocks, continuation lines joined."""
    text = (ROOT / page).read_text()
    joined = (block.replace("\\\n", " ") for block in _BLOCK.findall(text))
    return [line for block in joined for line in block.splitlines() if line.strip()]


def _commands(page: Path, line: str) -> list[Shown]:
    words = shlex.split(line.removeprefix("$ ").removeprefix("# "), comments=True)
    return [
        Shown(page.relative_to(ROOT).as_posix(), line.strip(), part)
        for part in _parts(words)
        if part and part[0] in {"casemate", "make"}
    ]


def _parts(words: list[str]) -> list[tuple[str, ...]]:
    """Split at pipes and ``&&``; drop redirections and what follows them."""
    parts: list[list[str]] = [[]]
    for word in words:
        if word in {"|", "&&", ";"}:
            parts.append([])
        elif word[:1] in {">", "<"} or "" in parts[-1]:
            parts[-1].append("")
        else:
            parts[-1].append(word)
    return [tuple(part[: part.index("")] if "" in part else part) for part in parts]
