"""``casemate podvm``: the pod VM's image."""

from pathlib import Path

import click

from casemate.cli import output

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


@command.command()
@click.argument("folder", type=_FOLDER, required=False)
@output.json_option
def measure(folder: Path | None, as_json: bool) -> None:
    """Predict the measurements of an image from its bytes and the firmware's.

    Without FOLDER: of the production image in the cache.

    \b
    Example:
      casemate podvm measure
    """
    from casemate.podvm import build as building
    from casemate.podvm import image, measurements

    made = image.load(folder) if folder is not None else building.require_cached()
    predicted = measurements.predict(made.firmware_code, made.firmware_vars, made.uki.read_bytes())
    values = {f"pcr{number:02}": value.hex() for number, value in sorted(predicted.items())}
    if as_json:
        output.print_json({"folder": str(made.folder), "measurements": values})
    else:
        output.print_table(["register", "sha256"], list(values.items()))


@command.command()
@click.argument("left", type=_FOLDER)
@click.argument("right", type=_FOLDER)
@output.json_option
def diff(left: Path, right: Path, as_json: bool) -> None:
    """Say what differs between two images.

    \b
    Example:
      casemate podvm diff ./image ./other-image
    """
    from casemate.podvm import comparison, image

    found = comparison.compare(image.load(left), image.load(right))
    if as_json:
        output.print_json({"equal": not found, "differences": found})
    elif found:
        output.print_table(["what", "left", "right"], [(d.what, d.left, d.right) for d in found])
    else:
        output.say("The images are the same.")


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
    from casemate.podvm import signature
    from casemate.secret import Secret

    file = signature.sign(folder, PrivateKey.from_pem(Secret(key.read_bytes())))
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
