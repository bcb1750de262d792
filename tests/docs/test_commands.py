"""Every command that a page shows exists and takes its options; the cheap ones run."""

import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from casemate.cli import main
from tests.docs.commands import ROOT, Shown, shown

COMMANDS = shown()
CHEAP = (
    ("casemate", "doctor"),
    ("casemate", "status"),
    ("casemate", "attack", "list"),
    ("casemate", "--help"),
)


def named(command: Shown) -> str:
    return f"{command.page}: {command.line[:60]}"


@pytest.mark.parametrize("command", COMMANDS, ids=named)
def test_command_of_a_page_parses(command: Shown) -> None:
    program, *words = command.words
    if program == "make":
        targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert set(words) <= set(targets)
        return
    found: click.Command = main.root
    context = click.Context(found, info_name="casemate")
    while isinstance(found, click.Group) and words and not words[0].startswith("-"):
        name = words.pop(0)
        inner = found.get_command(context, name)
        assert inner is not None, f"no command {name}"
        found, context = inner, click.Context(inner, parent=context, info_name=name)
        words = _own_options(found, words)
    if words != ["--help"]:
        found.make_parser(context).parse_args(list(words))


def _own_options(command: click.Command, words: list[str]) -> list[str]:
    """Drop a group's own options, which stand before its subcommand."""
    if not isinstance(command, click.Group):
        return words
    takes = {
        name: 0 if isinstance(p, click.Option) and p.is_flag else p.nargs
        for p in command.params
        for name in p.opts
    }
    while words and words[0] in takes:
        words = words[1 + takes[words[0]] :]
    return words


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.words in CHEAP], ids=named)
def test_cheap_command_of_a_page_runs(command: Shown, tmp_path: Path) -> None:
    code = "from casemate.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, *command.words[1:]],
        env={**os.environ, "CASEMATE_STATE": str(tmp_path), "HOME": str(tmp_path)},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()


def test_pages_show_commands() -> None:
    assert {c.page for c in COMMANDS} >= {"README.md"}


def test_relative_links_of_pages_lead_somewhere() -> None:
    from tests.docs.commands import pages

    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in pages()
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text())
        if "://" not in target and not (page.parent / target).exists()
    ]
    assert broken == []
