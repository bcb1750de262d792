"""The last words: what this run proved, what it cannot prove, and what went wrong if it did."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from casemate.stack.attacks.attack import AttackResult
from casemate.stack.demo.narrator import Narrator
from casemate.stack.demo.report import Measurements, Report

_PROVED: Final = (
    "Proved here: the pod ran exactly the measured firmware, kernel, command line, root file "
    "system and configuration; the Trustee released keys to nothing else; the image was encrypted, "
    "signed by its owner, and opened inside the pod VM only."
)
_NOT_PROVED: Final = (
    "Not proved: that this machine cannot look inside. Its TPM is emulated and the VM's memory is "
    "not encrypted, so whoever rules the host rules the pod. That takes hardware (SEV-SNP, TDX); "
    "no production policy accepts this TPM. See docs/threat-model.md."
)


def failures(results: Sequence[AttackResult], seen: Measurements) -> list[str]:
    """Name everything that was not as it must be."""
    wrong = [f"{result.name}: {result.note}" for result in results if not result.refused]
    wrong += [
        f"{name}: foretold {value}, seen {seen.seen.get(name)}"
        for name, value in seen.predicted.items()
        if seen.seen.get(name) != value
    ]
    if not seen.predicted:
        wrong.append("no measurement was foretold")
    return wrong


def close(narrator: Narrator, report: Report, *, keep: bool, state: Path) -> None:
    """Tell the outcome."""
    refused = sum(result.refused for result in report.attacks)
    counted = f"{refused} of {len(report.attacks)} attacks refused"
    if not report.ok:
        narrator.banner([f"FAILED: {counted}", *report.failures], good=False)
        return
    measured = f"{len(report.measurements.predicted)} measurements as foretold"
    told = [
        f"{counted}; {measured}; {report.seconds:.0f} s with {report.accel}.",
        _PROVED,
        _NOT_PROVED,
    ]
    if keep:
        look = f"Still running. Look around: casemate pod ps --state {state}"
        told.append(f"{look}\nThen: casemate down --state {state}")
    narrator.banner(told, good=True)
