"""docs/evidence.md says what the verifiers' tables say, and every step has a test."""

import subprocess
import sys

import pytest

from casemate.tee.layouts import LAYOUTS
from casemate.tee.simulators import SIMULATORS
from casemate.tee.verifiers import VERIFIERS
from tests.docs.commands import ROOT


def test_page_is_what_the_code_says_and_every_step_is_shown_by_a_test() -> None:
    done = subprocess.run(
        [sys.executable, "scripts/evidence-page", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("tee", VERIFIERS)
def test_every_tee_has_a_simulator_and_a_layout(tee: str) -> None:
    assert tee in SIMULATORS
    assert tee in LAYOUTS
