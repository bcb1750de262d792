"""``casemate evidence replay``: evidence under another policy, time or collateral."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from casemate.cli import evidence_options as options
from casemate.cli import output

if TYPE_CHECKING:
    from casemate.tee.evidence import VerifiedEvidence


@click.command("replay")
@options.file
@options.verification
@click.option(
    "--policy",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Attestation policy (Rego); the one that a new Trustee has unless given.",
)
@click.option(
    "--reference-values",
    "values",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Reference values, a JSON object of name and value; none unless given.",
)
@output.json_option
def command(
    file: Path, *, policy: Path | None, values: Path | None, as_json: bool, **given: Any
) -> int:
    """Verify kept evidence again and appraise it, as a Trustee with these settings would.

    Exit 1 when it is refused, or when the policy finds a claim contraindicated.

    \b
    Example:
      casemate evidence replay evidence.json --ca platform-ca.pem --policy stricter.rego
    """
    from casemate.cli import evidence_files, evidence_report
    from casemate.errors import VerificationError
    from casemate.files import read_text
    from casemate.tee import verifiers

    asked = options.Asked.of(given)
    trail = verifiers.trail_of(asked.tee)
    raw = evidence_files.read_evidence(file)
    text = None if policy is None else read_text(policy)
    known = evidence_files.reference_values(values)
    try:
        found = verifiers.verify(asked.tee, raw, asked.expected, asked.inputs, trail)
    except VerificationError as error:
        evidence_report.refused(trail, error.refusal, as_json=as_json)
        return 1
    return _tell([_appraise(one, text, known) for one in found], as_json=as_json)


def _appraise(
    one: "VerifiedEvidence", text: str | None, known: dict[str, Any]
) -> tuple[str, dict[str, Any]]:
    from casemate.rego.appraisal import appraise
    from casemate.trustee.attestation.policy import shipped
    from casemate.trustee.attestation.service import annotate
    from casemate.wire.token import appraisal

    name = f"default_{one.tee_class}"
    evidence = annotate(one)
    verdict = appraise(name, text or shipped(name), known, evidence)
    return one.tee_class, appraisal(
        verdict.vector, policy_id=name, evidence=evidence, extensions=verdict.extensions
    )


def _tell(appraised: list[tuple[str, dict[str, Any]]], *, as_json: bool) -> int:
    from casemate.wire.token import REASONS, STATUS, Tier

    bad = any(one[STATUS] == Tier.CONTRAINDICATED.name.lower() for _, one in appraised)
    if as_json:
        output.print_json({"ok": not bad, "submods": [one for _, one in appraised]})
        return int(bad)
    for tee_class, one in appraised:
        output.say(f"{tee_class}: {one[STATUS]}")
        vector = one["ear.trustworthiness-vector"]
        rows = [(name, getattr(vector, name)) for name in vector.__struct_fields__]
        output.print_table(("trust claim", "value"), rows)
        reasons = [
            (reason["claim"], reason["got"], reason["expected"], reason["rule"])
            for reason in one.get(REASONS, [])
        ]
        if reasons:
            output.say()
            output.print_table(("claim", "got", "expected", "rule"), reasons)
    return int(bad)
