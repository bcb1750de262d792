"""``casemate trustee``: found one, serve it."""

from pathlib import Path

import click

from casemate.cli.output import print_json


@click.group()
def command() -> None:
    """Decide and hand out secrets.

    \b
    Example:
      casemate trustee init ./trustee
      casemate trustee serve --config ./trustee/trustee.toml
    """


@command.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--name", "names", multiple=True, help="DNS name or IP address it is reached by; repeatable."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def init(folder: Path, names: tuple[str, ...], as_json: bool) -> None:
    """Make a Trustee in FOLDER: authority, certificates, keys, settings.

    \b
    Example:
      casemate trustee init ./trustee --name trustee.example.org
    """
    from casemate.trustee.found import NAMES, found

    found(folder, names=names or NAMES)
    if as_json:
        print_json({"folder": str(folder), "files": _files(folder)})
        return
    click.echo(
        f"Trustee in {folder}. Keep {folder / 'admin.key'} where only its owner is.", err=True
    )
    for name in _files(folder):
        print(folder / name)


@command.command()
@click.option(
    "--config",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="Settings file (trustee.toml).",
)
@click.option(
    "--only",
    type=click.Choice(["kbs", "as", "rvps"]),
    help="Serve one part; parts meet over gRPC.",
)
def serve(file: Path, only: str | None) -> None:
    """Serve key broker, attestation service and reference values over HTTPS.

    Settings come from the file, then from CASEMATE_TRUSTEE_... of the environment.

    \b
    Example:
      CASEMATE_TRUSTEE_HTTP_PORT=8443 casemate trustee serve --config ./trustee/trustee.toml
    """
    import asyncio
    import os

    from casemate import logs
    from casemate.trustee.serve import Part, Trustee
    from casemate.trustee.server import serve as run

    trustee = Trustee.build(file, environment=os.environ, only=Part(only) if only else None)
    logs.configure(level=str(trustee.values["log.level"]))
    try:
        asyncio.run(run(trustee, ready=lambda url: click.echo(f"Trustee at {url}", err=True)))
    finally:
        trustee.close()


def _files(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())
