"""``casemate evidence show``: every field of evidence, its place, its bytes and their meaning."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from casemate.cli import evidence_options as options
from casemate.cli import output

if TYPE_CHECKING:
    from casemate.tee.layout import Field, Section


@click.command("show")
@options.file
@click.option("--tee", help="TEE type the evidence is of; found out by its form unless given.")
@click.option(
    "--html",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Also write the layout as a page to this file.",
)
@output.json_option
def command(file: Path, *, tee: str | None, html: Path | None, as_json: bool) -> None:
    """Show what evidence says, field by field. Nothing is verified.

    FILE is evidence as the wire has it (JSON), or a report or quote in its binary form.

    \b
    Example:
      casemate evidence show evidence.json
    """
    from casemate.cli import evidence_files

    name, sections = _read(evidence_files.read_evidence(file), tee)
    if html:
        from casemate.cli.evidence_html import layout_page

        output.write_file(html, layout_page(name, sections))
    if as_json:
        output.print_json({"tee": name, "sections": sections})
        return
    for section in sections:
        click.echo(click.style(f"{name}: {section.title}", bold=True))
        output.print_table(("offset", "size", "field", "value", "meaning"), _rows(section.fields))
        click.echo()


def _rows(fields: "Sequence[Field]") -> list[tuple[str, ...]]:
    return [
        (
            "" if one.offset is None else f"{one.offset:#05x}",
            "" if one.size is None else str(one.size),
            one.name,
            _short(one.value),
            one.meaning,
        )
        for one in fields
    ]


_WIDEST = 48


def _short(value: str) -> str:
    """Cut a long value in its middle; ``--json`` has all of it."""
    half = _WIDEST // 2
    return value if len(value) <= _WIDEST else f"{value[:half]}…{value[-half + 1 :]}"


def _read(raw: bytes, tee: str | None) -> "tuple[str, tuple[Section, ...]]":
    """Draw evidence by the layout of ``tee``, or by the one whose form it has."""
    from casemate.errors import InputError, PeerError
    from casemate.tee.layouts import LAYOUTS

    if tee is not None and tee not in LAYOUTS:
        raise InputError("--tee", got=tee, want=", ".join(sorted(LAYOUTS)))
    tried: dict[str, PeerError] = {}
    for name in [tee] if tee else LAYOUTS:
        try:
            return name, LAYOUTS[name](raw)
        except PeerError as error:
            tried[name] = error
    raise InputError("evidence", got=_reasons(tried), want="evidence of a TEE that is known")


def _reasons(tried: "Mapping[str, Exception]") -> str:
    if len(tried) == 1:
        return str(*tried.values())
    return f"a form that none of {', '.join(tried)} has"
