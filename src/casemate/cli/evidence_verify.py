"""``casemate evidence verify``: the numbered steps of a verifier over a file."""

from pathlib import Path
from typing import Any

import click

from casemate.cli import evidence_options as options
from casemate.cli import output


@click.command("verify")
@options.file
@options.verification
@click.option(
    "--html",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Also write a report for people to this file.",
)
@output.json_option
def command(file: Path, *, html: Path | None, as_json: bool, **given: Any) -> int:
    """Verify evidence in numbered steps; exit 1 and the step when it is refused.

    FILE is evidence as the wire has it (JSON), or a report or quote in its binary form. Nothing is
    fetched: what vendors publish comes with --collateral.

    \b
    Example:
      casemate evidence verify evidence.json --ca platform-ca.pem --report-data 00ff
    """
    from casemate.cli import evidence_files, evidence_report
    from casemate.cli.evidence_html import page
    from casemate.errors import VerificationError
    from casemate.tee import verifiers

    asked = options.Asked.of(given)
    raw = evidence_files.read_evidence(file)
    trail = verifiers.trail_of(asked.tee)
    try:
        found = verifiers.verify(asked.tee, raw, asked.expected, asked.inputs, trail)
    except VerificationError as error:
        evidence_report.refused(trail, error.refusal, as_json=as_json)
        if html:
            html.write_text(page(trail, asked, raw, refusal=error.refusal), encoding="utf-8")
        return 1
    evidence_report.verified(trail, found, as_json=as_json)
    if html:
        html.write_text(page(trail, asked, raw, found=found), encoding="utf-8")
    return 0
