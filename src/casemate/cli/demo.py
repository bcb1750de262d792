"""``casemate demo``."""

from pathlib import Path

import click

from casemate.cli import output


@click.command
@click.option("--fast", is_flag=True, help="Leave out the attacks that need a VM of their own.")
@click.option("--keep", is_flag=True, help="Leave the stack and its pod running afterwards.")
@output.state_option
@output.json_option
def command(fast: bool, keep: bool, state: Path, as_json: bool) -> int:
    """Show the whole story on this machine: an attested pod, and attacks that fail.

    Builds the pod VM's image (once), starts the local stack, runs an encrypted and signed image
    in an attested pod VM, attacks it for real, and says what that proved. Exit status 1 when a
    defence does not hold.

    \b
    Example:
      casemate demo
      casemate demo --fast --json
    """
    import asyncio

    from casemate.cli import failure, interruption
    from casemate.stack.demo.play import play
    from casemate.stack.folder import StateFolder

    interruption.end_cleanly_when_terminated()
    report = asyncio.run(play(StateFolder(state), fast=fast, keep=keep))
    if as_json:
        output.print_json(report)
    return 0 if report.ok else failure.REFUSED
