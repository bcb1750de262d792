"""``casemate initdata``: a pod's own configuration."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from casemate.cli.output import json_option, print_json, print_table, write_file

if TYPE_CHECKING:
    from casemate.wire.initdata import Initdata

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_OUT = click.Path(dir_okay=False, path_type=Path)
_ALGORITHMS = click.Choice(["sha256", "sha384", "sha512"])


@click.group()
def command() -> None:
    """A pod's own configuration: build, show, verify, diff.

    Documents are read in any form: TOML, pod annotation, block device.

    \b
    Example:
      casemate initdata build aa.toml cdh.toml policy.rego --output initdata.toml
    """


@command.command()
@click.argument("files", nargs=-1, required=True, type=_FILE)
@click.option("--algorithm", type=_ALGORITHMS, default="sha256", show_default=True)
@click.option(
    "--form",
    type=click.Choice(["toml", "annotation", "block"]),
    default="toml",
    show_default=True,
    help="TOML, the pod annotation (gzip, base64), or the block device image.",
)
@click.option(
    "--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="File; stdout."
)
def build(files: tuple[Path, ...], algorithm: str, form: str, output: Path | None) -> None:
    """Make a document of FILES, each under its own name.

    \b
    Example:
      casemate initdata build aa.toml cdh.toml --form annotation
    """
    from casemate.crypto.digest import Algorithm
    from casemate.errors import InputError
    from casemate.wire import initdata

    texts: dict[str, str] = {}
    for file in files:
        if file.name in texts:
            raise InputError(str(file), got="a second file of this name", want="different names")
        texts[file.name] = _text(file)
    made = initdata.build(texts, Algorithm.parse(algorithm))
    forms = {
        "toml": lambda: made.raw,
        "annotation": lambda: initdata.encode_annotation(made).encode() + b"\n",
        "block": lambda: initdata.encode_block(made),
    }
    if output:
        write_file(output, forms[form]())
        print(made.digest)
    else:
        sys.stdout.buffer.write(forms[form]())


@command.command()
@click.argument("document", type=_FILE)
@click.option("--file", "name", help="Print this file of the document alone.")
@json_option
def show(document: Path, name: str | None, as_json: bool) -> None:
    """Show a document's digest and files.

    \b
    Example:
      casemate initdata show initdata.toml --file aa.toml
    """
    from casemate.errors import InputError

    found = _read(document)
    if name is not None:
        if name not in found.data:
            raise InputError("--file", got=name, want=", ".join(found.data) or "no file at all")
        print(found.data[name], end="")
    elif as_json:
        print_json(_facts(found))
    else:
        print(found.digest)
        print_table(("file", "bytes"), [(n, len(t.encode())) for n, t in found.data.items()])


@command.command()
@click.argument("document", type=_FILE)
@click.option("--digest", required=True, help="Expected digest: algorithm:hex, or hex alone.")
@json_option
def verify(document: Path, digest: str, as_json: bool) -> None:
    """Compare a document's digest with an expected one: exit 1 when it differs.

    \b
    Example:
      casemate initdata verify initdata.toml --digest sha256:af39...
    """
    from casemate.crypto.digest import Digest
    from casemate.errors import Refusal, VerificationError

    found = _read(document)
    text = digest if ":" in digest else f"{found.algorithm}:{digest}"
    expected = Digest.parse(text)
    if expected.algorithm != found.algorithm or not expected.matches(found.digest.value):
        raise VerificationError(
            Refusal(
                step="initdata",
                claim=f"digest of {document}",
                got=str(found.digest),
                expected=str(expected),
                rule="guest-components 22: the hash of the exact bytes",
                remedy="The document was changed, or the expectation is of another version.",
            )
        )
    if as_json:
        print_json(_facts(found))
    else:
        print(found.digest)


@command.command()
@click.argument("old", type=_FILE)
@click.argument("new", type=_FILE)
@json_option
def diff(old: Path, new: Path, as_json: bool) -> None:
    """Show what differs between two documents, file by file.

    \b
    Example:
      casemate initdata diff before.toml after.toml
    """
    from casemate.workload.initdata_diff import compare

    before, after = _read(old), _read(new)
    changes = compare(before, after)
    if as_json:
        print_json({"equal": before.digest == after.digest, "changes": changes})
    elif not changes:
        same = "the same" if before.digest == after.digest else "other bytes of the same meaning"
        print(f"{same}: {before.digest} {after.digest}")
    else:
        print(f"digest {before.digest} -> {after.digest}")
        for change in changes:
            print("\n".join(change.lines))


def _read(document: Path) -> "Initdata":
    from casemate.files import read
    from casemate.wire import initdata

    raw = read(document)
    if raw.startswith(initdata.MAGIC):
        return initdata.parse_block(raw)
    if raw.lstrip().startswith(b"H4sI"):  # gzip's magic, in base64
        return initdata.parse_annotation(raw.decode("ascii", errors="replace"))
    return initdata.parse(raw)


def _text(file: Path) -> str:
    from casemate.files import read_text

    return read_text(file)


def _facts(found: "Initdata") -> dict[str, Any]:
    return {
        "version": found.version,
        "algorithm": found.algorithm,
        "digest": str(found.digest),
        "files": dict(found.data),
    }
