"""``casemate up``."""

from pathlib import Path

import click

from casemate.cli import output


@click.command
@output.state_option
@click.option(
    "--trustee-port", type=click.IntRange(0, 65535), help="Port of the Trustee; 0 finds a free one."
)
@click.option(
    "--registry-port",
    type=click.IntRange(0, 65535),
    help="Port of the registry; 0 finds a free one.",
)
@output.json_option
def command(
    state: Path, trustee_port: int | None, registry_port: int | None, as_json: bool
) -> None:
    """Start the local stack: Trustee, registry, adaptor.

    What runs already is left alone. Ports stay the same from one time to the next.

    \b
    Example:
      casemate up
      casemate up --registry-port 5443
    """
    import asyncio

    from casemate.stack.folder import StateFolder
    from casemate.stack.status import status
    from casemate.stack.up import up

    folder = StateFolder(state)
    with folder.held("up"), output.steps("Starting the local stack") as step:
        asyncio.run(
            up(folder, trustee_port=trustee_port, registry_port=registry_port, progress=step)
        )
    output.show_services(status(folder), as_json=as_json)
