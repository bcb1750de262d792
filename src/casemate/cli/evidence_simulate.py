"""``casemate evidence simulate``: evidence without hardware, right or wrong in a chosen field."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from casemate.cli import output

if TYPE_CHECKING:
    from casemate.tee.simulation import Simulated


@click.command("simulate")
@click.argument("tee")
@click.option("--set", "fields", multiple=True, metavar="FIELD=VALUE", help="Set a field.")
@click.option("--now", metavar="RFC3339", help="Time to make it for; the clock's unless given.")
@click.option(
    "-o",
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to write the evidence; its root and collateral come into FILE.trust beside it.",
)
@click.option("--binary", is_flag=True, help="Write the report or quote alone, not JSON.")
@click.option("--list", "listing", is_flag=True, help="List the fields that can be set.")
@output.json_option
def command(
    tee: str,
    *,
    fields: tuple[str, ...],
    now: str | None,
    out: Path | None,
    binary: bool,
    listing: bool,
    as_json: bool,
) -> None:
    """Make evidence of TEE under a test root that is made with it.

    No verifier trusts that root unless it is told to (--roots). With --set, one thing is wrong or
    otherwise: see --list.

    \b
    Example:
      casemate evidence simulate snp --set policy=0xb0000 -o evidence.json
    """
    from casemate.cli import evidence_files
    from casemate.errors import InputError
    from casemate.tee.simulators import SIMULATORS

    if tee not in SIMULATORS:
        raise InputError("TEE", got=tee, want=", ".join(sorted(SIMULATORS)))
    simulator = SIMULATORS[tee]
    if listing:
        _list(simulator.fields, as_json=as_json)
        return
    if out is None:
        raise click.UsageError("Missing option '-o' / '--out'.")
    made = simulator.make(_pairs(fields), evidence_files.moment(now))
    if binary and made.binary is None:
        raise InputError("--binary", got=tee, want="a TEE whose evidence has a binary form")
    written = _write(made, out, made.binary if binary and made.binary else made.evidence)
    if as_json:
        output.print_json(written)
        return
    output.say("It is accepted only with its test root:")
    click.echo(" ".join(written["verify"]))


def _list(fields: Mapping[str, str], *, as_json: bool) -> None:
    if as_json:
        output.print_json({"fields": dict(fields)})
    else:
        output.print_table(("field", "meaning"), sorted(fields.items()))


def _pairs(fields: tuple[str, ...]) -> dict[str, str]:
    from casemate.errors import InputError

    found: dict[str, str] = {}
    for text in fields:
        name, equals, value = text.partition("=")
        if not equals or name in found:
            raise InputError("--set", got=text, want="FIELD=VALUE, each field once")
        found[name] = value
    return found


def _write(made: "Simulated", out: Path, evidence: bytes) -> dict[str, Any]:
    from casemate.cli.evidence_files import write_all

    trust = out.with_name(out.name + ".trust")
    roots, collateral = trust / "roots", trust / "collateral"
    write_all({out: evidence})
    write_all({roots / name: body for name, body in made.roots.items()})
    write_all({collateral / name: body for name, body in made.collateral.items()})
    moment = made.now.strftime("%Y-%m-%dT%H:%M:%SZ")
    words = ["casemate", "evidence", "verify", "--tee", made.tee, "--now", moment]
    words += ["--report-data", made.report_data.hex()]
    words += ["--init-data", str(made.init_data)] if made.init_data else []
    words += ["--roots", str(roots)] if made.roots else []
    words += ["--collateral", str(collateral)] if made.collateral else []
    words += [word for option in made.options for word in ("--option", option)]
    return {
        "tee": made.tee,
        "evidence": str(out),
        "report_data": made.report_data.hex(),
        "init_data": str(made.init_data) if made.init_data else None,
        "now": moment,
        "roots": str(roots) if made.roots else None,
        "collateral": str(collateral) if made.collateral else None,
        "verify": [*words, str(out)],
    }
