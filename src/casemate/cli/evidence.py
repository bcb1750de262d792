"""``casemate evidence``: look at evidence and event logs, and verify them, without a Trustee."""

import click

from casemate.cli import (
    evidence_collateral,
    evidence_collect,
    evidence_log,
    evidence_replay,
    evidence_show,
    evidence_simulate,
    evidence_verify,
)


@click.group("evidence")
def command() -> None:
    """Look at evidence: show, verify, replay, simulate, collateral, collect, event log.

    \b
    Example:
      casemate evidence show evidence.json
    """


for _verb in (
    evidence_show.command,
    evidence_verify.command,
    evidence_replay.command,
    evidence_simulate.command,
    evidence_collateral.command,
    evidence_collect.detect,
    evidence_collect.collect,
    evidence_log.eventlog,
    evidence_log.registers,
    evidence_log.explain,
):
    command.add_command(_verb)
