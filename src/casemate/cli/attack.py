"""``casemate attack``."""

from pathlib import Path

import click

from casemate.cli import output


@click.group
def command() -> None:
    """Attack the local stack for real; every attack must be refused.

    \b
    Example:
      casemate attack list
      casemate attack run evidence-replayed stale-nonce
    """


@command.command("list")
@output.json_option
def list_(as_json: bool) -> None:
    """List the attacks.

    \b
    Example:
      casemate attack list --json
    """
    from casemate.stack.attacks.table import ATTACKS

    rows = [(a.name, "yes" if a.boots else "no", a.title) for a in ATTACKS]
    if as_json:
        output.print_json([{"name": a.name, "boots": a.boots, "title": a.title} for a in ATTACKS])
    else:
        output.print_table(("name", "own vm", "what is tried"), rows)


@command.command
@click.argument("names", nargs=-1, metavar="[NAME]...")
@output.state_option
@output.json_option
def run(names: tuple[str, ...], state: Path, as_json: bool) -> int:
    """Run attacks against a pod started for them: those named, or all.

    Exit status 1 when a defence does not hold.

    \b
    Example:
      casemate attack run
      casemate attack run layer-tampered exec-denied
    """
    import asyncio

    from casemate.cli import failure, interruption
    from casemate.stack.attacks import table
    from casemate.stack.demo.play import attack_only
    from casemate.stack.folder import StateFolder

    attacks = table.chosen(names)
    interruption.end_cleanly_when_terminated()
    results = asyncio.run(attack_only(StateFolder(state), attacks))
    if as_json:
        output.print_json(results)
    return 0 if all(result.refused for result in results) else failure.REFUSED
