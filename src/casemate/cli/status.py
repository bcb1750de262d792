"""``casemate status``."""

from pathlib import Path

import click

from casemate.cli import output


@click.command
@output.state_option
@output.json_option
def command(state: Path, as_json: bool) -> None:
    """Show what of the local stack runs, and where it listens.

    \b
    Example:
      casemate status --json
    """
    from casemate.stack.folder import StateFolder
    from casemate.stack.status import status

    output.show_services(status(StateFolder(state)), as_json=as_json)
