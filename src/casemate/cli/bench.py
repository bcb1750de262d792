"""``casemate bench``."""

import click

from casemate.cli import output

_NAMES = ("handshake", "pull", "verify", "boot")


@click.command
@click.argument("name", type=click.Choice(_NAMES))
@output.json_option
def command(name: str, as_json: bool) -> None:
    """Measure against a floor or a peer in the same run.

    \b
    handshake  handshakes with a resource, beside their bare cryptography
    pull       an image pulled and unpacked, beside skopeo and umoci
    verify     evidence of each TEE verified, beside its bare signatures
    boot       a pod, beside the same VM with an init that only prints

    \b
    Example:
      casemate bench handshake --json
    """
    import asyncio

    from casemate.stack.bench import table

    with output.steps(f"Measuring {name}") as step:
        result = asyncio.run(table.load(name)(step))
    if as_json:
        output.print_json(result)
        return
    rows = [
        ("ours", f"{result.ours:.2f} {result.unit}"),
        (result.floor_name, f"{result.floor:.2f} {result.unit}"),
        ("ratio", f"{result.ratio:.2f}"),
        *((key, f"{value:g}") for key, value in result.details.items()),
    ]
    output.print_table(("what", "value"), rows)
