"""``casemate doctor``."""

from pathlib import Path

import click

from casemate.cli import output


@click.command
@output.state_option
@click.option("--fix", is_flag=True, help="Install the Debian packages that are missing.")
@output.json_option
def command(state: Path, fix: bool, as_json: bool) -> int:
    """Show what this machine has and lacks, and how to mend it.

    Exit status 2 when something is missing that the stack cannot work without.

    \b
    Example:
      casemate doctor
      casemate doctor --fix
    """
    import asyncio

    from casemate.cli import failure
    from casemate.stack.doctor import examine, finding, mend

    def look() -> list[finding.Finding]:
        with output.steps("Looking at this machine") as step:
            return asyncio.run(
                examine.examine(state=state, cache=examine.cache_folder(), progress=step)
            )

    findings = look()
    if fix and (packages := mend.missing_packages(findings)):
        with output.steps(f"Installing {', '.join(packages)}"):
            mend.install(packages)
        findings = look()
    if as_json:
        output.print_json(findings)
    else:
        output.print_table(
            ("thing", "state", "found", "remedy"),
            [(f.name, f.grade, f.found, f.remedy) for f in findings],
        )
    missing = any(f.grade is finding.Grade.MISSING for f in findings)
    return failure.MISTAKE if missing else 0
