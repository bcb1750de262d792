"""``casemate down``."""

from pathlib import Path

import click

from casemate.cli import output


@click.command
@output.state_option
@output.json_option
def command(state: Path, as_json: bool) -> None:
    """Stop the local stack and its pods; no process is left behind.

    \b
    Example:
      casemate down
    """
    import asyncio

    from casemate.stack.down import down
    from casemate.stack.folder import StateFolder

    folder = StateFolder(state)
    stopped: tuple[str, ...] = ()
    if state.exists():
        with folder.held("down"):
            stopped = asyncio.run(down(folder))
    if as_json:
        output.print_json({"stopped": stopped})
    else:
        output.say(f"stopped: {', '.join(stopped)}" if stopped else "nothing was running")
