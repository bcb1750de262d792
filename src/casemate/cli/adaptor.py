"""``casemate adaptor``."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from casemate.cli import output

if TYPE_CHECKING:
    from casemate.peerpods.image import FindImage, VmImage


@click.group
def command() -> None:
    """Make VMs for pods: the remote-hypervisor service of a node.

    \b
    Example:
      casemate adaptor serve
    """


@command.command
@click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="TOML file of settings; the environment (CASEMATE_ADAPTOR_…) and options win.",
)
@click.option(
    "--socket", type=click.Path(path_type=Path), help="Socket; default STATE/adaptor.sock."
)
@click.option("--provider", help="The cloud that makes VMs: qemu.")
@click.option(
    "--image",
    type=click.Path(exists=True, file_okay=False, resolve_path=True, path_type=Path),
    envvar="CASEMATE_PODVM",
    show_envvar=True,
    help="Pod VM image folder; default: what `casemate podvm build` made last.",
)
@click.option("--accel", help="auto, kvm or tcg.")
@click.option("--verbose", is_flag=True, help="Log more.")
@output.state_option
def serve(
    *,
    config: Path | None,
    socket: Path | None,
    provider: str | None,
    image: Path | None,
    accel: str | None,
    verbose: bool,
    state: Path,
) -> None:
    """Serve CreateVM, StartVM and StopVM on a socket, until stopped; then no VM is left.

    \b
    Example:
      casemate adaptor serve --state ~/casemate --accel tcg
    """
    import asyncio
    import os

    from casemate import logs, settings
    from casemate.peerpods import serve as adaptor
    from casemate.peerpods.settings import PREFIX, TABLE
    from casemate.podvm.image import read_manifest

    logs.configure(level="debug" if verbose else "info")
    given = {"socket": socket, "provider": provider, "qemu.accel": accel}
    chosen = settings.read(
        TABLE,
        file=config,
        prefix=PREFIX,
        overrides={name: str(value) for name, value in given.items() if value is not None},
    )
    places = {"socket": "adaptor.sock", "pods": "pods", "platform": "platform"}
    for name, place in places.items():
        chosen[name] = str(Path(chosen[name] or state / place).absolute())
    if image is not None:
        read_manifest(image)  # a folder that is no image is told now, not with the first pod
    cache = Path(os.environ.get("CASEMATE_CACHE", "~/.cache/casemate")).expanduser()
    asyncio.run(adaptor.serve(chosen, find_image=_finder(image), cache=cache))


def _finder(default: Path | None) -> "FindImage":
    """Find pod VM images: a wished folder, else ``default``, else the one built last.

    Files of a folder are not compared with its manifest: what boots is measured by the firmware,
    and the Trustee decides, not this host.
    """

    def find(name: str) -> "VmImage":
        from casemate.errors import InputError
        from casemate.peerpods.image import VmImage
        from casemate.podvm import image

        folder = Path(name) if name else default or _built()
        if not folder.is_absolute():
            raise InputError("pod VM image", got=folder, want="an absolute path of a folder")
        manifest = image.read_manifest(folder)
        return VmImage(
            uki=folder / image.UKI,
            root=folder / image.ROOT,
            firmware_code=Path(manifest.firmware.code),
            firmware_variables=Path(manifest.firmware.vars),
        )

    return find


def _built() -> Path:
    from casemate.errors import HostError
    from casemate.podvm import build
    from casemate.podvm.recipe import Recipe

    found = build.cached(Recipe())
    if found is None:
        raise HostError(
            "pod VM image",
            got="none built from these sources",
            want="a built image",
            remedy="casemate podvm build",
        )
    return found.folder
