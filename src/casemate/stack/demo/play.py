"""The demo, and the attacks alone: what is shown, in the order it happens."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from casemate.runtime.tracing import Trace
from casemate.stack import stage
from casemate.stack.accelerator import accelerator
from casemate.stack.attacks import table
from casemate.stack.attacks.attack import Attack, AttackResult, judge
from casemate.stack.demo import banner
from casemate.stack.demo.measured import measurements
from casemate.stack.demo.narrator import Narrator, Stretch, covered
from casemate.stack.demo.report import ImageFacts, Report
from casemate.stack.down import down
from casemate.stack.folder import StateFolder
from casemate.stack.scene import Scene
from casemate.trace import Station

_AT_ONCE: Final = 2
"""Attacks that boot a VM run two at a time: a machine with two cores has no more to give."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Showing:
    """How the demo was asked for; ``begin`` is its start on the monotonic clock."""

    fast: bool
    keep: bool
    begin: float


async def play(folder: StateFolder, *, fast: bool, keep: bool) -> Report:
    """Show the whole story; give what it found out.

    Raises:
        HostError: this machine lacks something, or another demo uses the folder.
        VerificationError: the genuine pod was refused.
    """
    begin = time.monotonic()
    narrator = Narrator(steps=stage.STEPS + (2 if keep else 3))
    narrator.title("Casemate: an attested pod on this machine, and attacks that fail")
    with folder.held("demo"):
        async with _leaving_nothing(folder, keep=keep):
            scene = await stage.set_stage(folder, narrator)
            report = await _prove(scene, narrator, Showing(fast=fast, keep=keep, begin=begin))
            if not keep:
                with narrator.step("Down: nothing is left"):
                    await down(folder)
    banner.close(narrator, report, keep=keep, state=folder.root)
    return report


async def attack_only(folder: StateFolder, attacks: Sequence[Attack]) -> list[AttackResult]:
    """Set the stage and run these attacks; the stack is down afterwards."""
    narrator = Narrator(steps=stage.STEPS + 1)
    with folder.held("attack"):
        async with _leaving_nothing(folder, keep=False):
            scene = await stage.set_stage(folder, narrator)
            return await _attack(scene, attacks, narrator)


@asynccontextmanager
async def _leaving_nothing(folder: StateFolder, *, keep: bool) -> AsyncIterator[None]:
    """Bring the stack down however the demo ends, unless it is to stay and all went well."""
    try:
        yield
    except BaseException:
        await down(folder)
        raise
    if not keep:
        await down(folder)


async def _prove(scene: Scene, narrator: Narrator, showing: Showing) -> Report:
    attacks = [attack for attack in table.ATTACKS if not (showing.fast and attack.boots)]
    results = await _attack(scene, attacks, narrator)
    seconds = time.monotonic() - showing.begin
    with narrator.step("Trace and measurements"):
        seen = measurements(scene, now=datetime.now(UTC))
        image = await _image(scene)
        if not showing.keep:
            await scene.stop()
        road = _road(await scene.trace())
    narrator.timeline(road)
    failures = banner.failures(results, seen)
    return Report(
        ok=not failures,
        seconds=round(seconds, 2),
        accel=await accelerator(),
        spans={stretch.station: round(stretch.seconds, 3) for stretch in road},
        attacks=tuple(results),
        measurements=seen,
        image=image,
        pod=scene.pod.pod,
        secret_arrived=True,
        failures=tuple(failures),
    )


async def _attack(
    scene: Scene, attacks: Sequence[Attack], narrator: Narrator
) -> list[AttackResult]:
    """Run attacks: on the running pod one by one, those that boot a VM two at a time."""
    done: dict[str, AttackResult] = {}
    limit = asyncio.Semaphore(_AT_ONCE)

    async def one(attack: Attack) -> None:
        async with limit:
            done[attack.name] = await judge(attack, scene)
            narrator.attack(done[attack.name])

    with narrator.step(f"Attacks: {len(attacks)}, each for real", quiet=True) as step:
        for attack in (a for a in attacks if not a.boots):
            step(attack.title)
            await one(attack)
        booting = [a for a in attacks if a.boots]
        step(f"{len(booting)} that boot a VM of their own")
        async with asyncio.TaskGroup() as group:
            for attack in booting:
                group.create_task(one(attack))
    results = [done[attack.name] for attack in attacks]
    narrator.summary(results)
    return results


def _road(trace: Trace) -> list[Stretch]:
    """Order a trace by station, with times from its first moment.

    What the guest pulled for attacks, after the pod's own container had started, is left out.
    """
    first = min(span.start for span in trace.spans)
    started = min((s.end for s in trace.spans if s.station == Station.START), default=float("inf"))
    after = {Station.SERVE, Station.STOP}
    own = [s for s in trace.spans if s.start <= started or s.station in after]
    found = {
        station: tuple((s.start - first, s.end - first) for s in own if s.station == station)
        for station in Station
    }
    return [Stretch(station, covered(spans), spans) for station, spans in found.items() if spans]


async def _image(scene: Scene) -> ImageFacts:
    shown = await scene.owner.inspect(scene.reference)
    layers = shown["layers"]
    return ImageFacts(
        reference=scene.reference,
        digest=shown["digest"],
        layers=len(layers),
        encrypted=sum(bool(layer["encrypted"]) for layer in layers),
        signed=shown["signatures"] > 0,
    )
