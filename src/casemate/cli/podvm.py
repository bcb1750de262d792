"""``casemate podvm``: the pod VM's image."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from casemate.cli import output

if TYPE_CHECKING:
    from casemate.podvm.platforms import Shape

_F = TypeVar("_F", bound=Callable[..., Any])

_VARIANTS = click.Choice(["production", "debug", "bare"])
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.group()
def command() -> None:
    """The pod VM's image: build, measure, compare, publish.

    \b
    Example:
      casemate podvm build
    """


@command.command()
@click.option(
    "--variant",
    type=_VARIANTS,
    default="production",
    show_default=True,
    help="production; debug: a shell on the console; bare: says one line and powers off.",
)
@click.option("--out", type=click.Path(path_type=Path), help="Copy the image to this new folder.")
@click.option("--refresh", is_flag=True, help="Ask Debian's archive for newer packages.")
@click.option("--again", is_flag=True, help="Build even if this image is in the cache.")
@output.json_option
def build(variant: str, out: Path | None, refresh: bool, again: bool, as_json: bool) -> None:
    """Build the image, or take it from the cache where nothing has changed.

    \b
    Example:
      casemate podvm build --out ./image
    """
    from casemate.podvm import build as building
    from casemate.podvm import publish as publishing
    from casemate.podvm.recipe import Recipe, Variant

    with output.steps("Pod VM image") as step:
        made = building.build(
            Recipe(variant=Variant(variant)), progress=step, refresh=refresh, again=again
        )
        if out is not None:
            step(f"copying to {out}")
            made = publishing.publish(made.folder, out.absolute())
    _show(made, as_json=as_json)


_MACHINE = (
    click.option(
        "--platform",
        type=click.Choice(["tpm", "azure", "snp", "tdx"]),
        default="tpm",
        show_default=True,
        help="Whose registers: tpm: the qemu provider's; azure: what follows from the image alone.",
    ),
    click.option("--vcpus", default=2, show_default=True, help="Processors of the machine."),
    click.option("--memory", default=1024, show_default=True, help="MiB, for tpm and tdx."),
    click.option("--model", default="EPYC-v4", show_default=True, help="Processor, for snp."),
    click.option(
        "--firmware",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="OVMF image of the host, for snp and tdx: it is part of what is measured.",
    ),
    click.option(
        "--separator",
        type=click.Choice(["rtmr-1", "rtmr-0"]),
        default="rtmr-1",
        show_default=True,
        help="Where the firmware's last separator goes, for tdx: rtmr-0 before edk2-stable202411, "
        "as in Debian 12 and Ubuntu 24.04. The file does not say.",
    ),
    click.option(
        "--order",
        type=click.Choice(["page-by-page", "pages-first"]),
        default="page-by-page",
        show_default=True,
        help="How the host measures the firmware's pages, for tdx: pages-first by kernels that "
        "vendors patched before Linux 6.16 had TDX.",
    ),
)


def _machine(command: _F) -> _F:
    """Decorate with the options that a measurement depends on beside the image."""
    for option in reversed(_MACHINE):
        command = option(command)
    return command


@command.command()
@click.argument("folder", type=_FOLDER, required=False)
@_machine
@output.json_option
def measure(folder: Path | None, as_json: bool, **given: Any) -> None:
    """Predict the measurements of an image from its bytes and the firmware's.

    Without FOLDER: of the production image in the cache.

    \b
    Example:
      casemate podvm measure
    """
    from casemate.podvm import build as building
    from casemate.podvm import image, platforms

    made = image.load(folder) if folder is not None else building.require_cached()
    platform = platforms.Platform(given["platform"])
    values = platforms.predict(made, platform, _shape(given))
    if as_json:
        found = {"folder": str(made.folder), "platform": platform, "measurements": values}
        output.print_json(found)
    else:
        output.print_table(["register", "value"], list(values.items()))


@command.command()
@click.argument("left", type=_FOLDER)
@click.argument("right", type=_FOLDER)
@_machine
@output.json_option
def diff(left: Path, right: Path, as_json: bool, **given: Any) -> None:
    """Say what differs between two images: inputs first, then what is measured of them.

    \b
    Example:
      casemate podvm diff ./image ./other-image
    """
    from casemate.podvm import comparison, image, platforms

    one, other = image.load(left), image.load(right)
    found = comparison.compare(one, other)
    platform, shape = platforms.Platform(given["platform"]), _shape(given)
    measured = platforms.differences(one, other, platform, (shape, shape))
    if as_json:
        output.print_json(
            {
                "equal": not found,
                "differences": found,
                "platform": platform,
                "measured_differently": measured,
            }
        )
    elif found:
        output.print_table(["what", "left", "right"], [(d.what, d.left, d.right) for d in found])
        output.say(f"{platform} measures differently: {', '.join(measured) or 'nothing'}")
    else:
        output.say("The images are the same.")


def _shape(given: "Mapping[str, Any]") -> "Shape":
    from casemate.files import read
    from casemate.podvm.platforms import Shape
    from casemate.tee.tdx.launch import Order, Separator

    firmware = given["firmware"]
    return Shape(
        processors=given["vcpus"],
        memory_mib=given["memory"],
        model=given["model"],
        firmware=None if firmware is None else read(firmware),
        separator=Separator(given["separator"]),
        order=Order(given["order"]),
    )


@command.command()
@click.argument("source", type=_FOLDER)
@click.argument("destination", type=click.Path(path_type=Path))
@click.option("--expect", metavar="DIGEST", help="Image digest that the builder wrote down.")
@output.json_option
def publish(source: Path, destination: Path, expect: str | None, as_json: bool) -> None:
    """Copy an image to another place; refused if a byte was changed before or on the way.

    \b
    Example:
      casemate podvm publish ./image ./store/image
    """
    from casemate.crypto.digest import Digest
    from casemate.podvm import publish as publishing

    expected = None if expect is None else Digest.parse(expect)
    with output.steps("Publishing"):
        made = publishing.publish(source, destination.absolute(), expected=expected)
    _show(made, as_json=as_json)


@command.command()
@click.argument("folder", type=_FOLDER)
@click.option(
    "--key",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="Private key (PEM) of whoever vouches for the image; casemate image keygen makes one.",
)
@output.json_option
def sign(folder: Path, key: Path, as_json: bool) -> None:
    """Sign an image's reference values: reference-values.json.sig beside them.

    \b
    Example:
      casemate podvm sign ./image --key builder.key
    """
    from casemate.crypto.keys import PrivateKey
    from casemate.files import read
    from casemate.podvm import signature
    from casemate.secret import Secret

    file = signature.sign(folder, PrivateKey.from_pem(Secret(read(key))))
    if as_json:
        output.print_json({"signature": str(file)})
    else:
        print(file)


def _show(made: object, *, as_json: bool) -> None:
    from casemate.podvm import publish as publishing
    from casemate.podvm.image import PodVmImage

    assert isinstance(made, PodVmImage)
    facts = {
        "folder": str(made.folder),
        "variant": str(made.variant),
        "digest": str(publishing.digest(made.folder)),
        "key": made.key,
        "size": made.size,
        "root_hash": made.manifest.root_hash,
        "kernel": made.manifest.kernel,
        "measurements": {f"pcr{n:02}": value for n, value in sorted(made.measurements.items())},
    }
    if as_json:
        output.print_json(facts)
        return
    registers = facts.pop("measurements")
    rows = [*facts.items(), *registers.items()] if isinstance(registers, dict) else []
    output.print_table(["what", "value"], rows)
