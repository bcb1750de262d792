"""A guest whose vault dies in a real machine: it says so and powers off. Over the debug shell."""

from pathlib import Path

import pytest

from casemate.wire import console
from casemate.wire.console import ConsoleEvent, EventKind
from tests.sim.debug_guest import debug_guest

pytestmark = [pytest.mark.vm, pytest.mark.xdist_group("vm")]

KILL = b"read all </proc/1/task/1/children; for p in $all; do [ $p = $$ ] || kill -9 $p; done\n"
"""Once the guest is ready, process 1 has two children that run: this shell, and the vault."""


def test_guest_whose_vault_is_killed_says_so_and_powers_off(tmp_path: Path) -> None:
    events: list[ConsoleEvent] = []
    with debug_guest(tmp_path) as guest:
        for line in guest.lines:
            event = console.parse(line)
            if event is None:
                continue
            events.append(event)
            if event.kind is EventKind.READY:
                guest.run(KILL)
        assert guest.wait() == 0
    told = [event.note for event in events if event.kind is EventKind.FAILED]
    assert told == ["vault: got ended with status 137, want running while the pod does"]
