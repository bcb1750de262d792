"""A pod from request to its container started, beside the same VM with an init that only prints.

The floor is firmware, kernel and initrd of the bare image, with the same machine, TPM and disks.
The time of the pull is taken out of ours: ``casemate bench pull`` measures that. Only the pull
itself: where it waits for the encrypted disk or for attestation, that is the pod's start.
"""

import asyncio
import io
import secrets
import statistics
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console

from casemate.crypto.authority import CertificateAuthority
from casemate.errors import HostError
from casemate.peerpods.clouds.qemu.provider import QemuProvider, QemuSettings
from casemate.peerpods.image import VmImage
from casemate.peerpods.provider import InstanceSpec
from casemate.podvm import build as podvm
from casemate.podvm.image import PodVmImage
from casemate.podvm.recipe import Recipe, Variant
from casemate.runtime import road
from casemate.runtime.sandbox import Sandboxes
from casemate.runtime.tracing import Trace
from casemate.stack.accelerator import accelerator
from casemate.stack.bench.result import BenchResult
from casemate.stack.bench.table import Progress
from casemate.stack.demo.narrator import Narrator
from casemate.stack.down import down
from casemate.stack.folder import StateFolder
from casemate.stack.stage import STEPS, set_stage
from casemate.trace import Station
from casemate.wire.console import EventKind

_BOOTS: Final = 5
"""The quickest of each counts: the first warms the machine's caches, and a busy one only adds. The
medians stand in the details, also of the ratios of each pod to the bare boot before it: where the
machine's own speed changes by the minute, the quickest two may come from different hours."""
_LONGEST: Final = 300.0
"""Seconds for one bare boot: a machine that hangs is told of, not waited for."""


class Start(msgspec.Struct, frozen=True):
    """One pod's road, and how long of it was the pull."""

    trace: Trace
    pull: float

    @property
    def without_pull(self) -> float:
        return self.trace.seconds - self.pull


async def run(progress: Progress) -> BenchResult:
    """Measure.

    Raises:
        HostError: this machine lacks something.
        VerificationError: the pod was refused.
    """
    progress("bare image")
    image = await asyncio.to_thread(podvm.build, Recipe(variant=Variant.BARE), progress=progress)
    with tempfile.TemporaryDirectory(prefix="casemate-bench-") as place:
        bare, starts = [], []
        for number in range(_BOOTS):  # in turns: a machine that gets slower does so for both
            progress(f"bare boot {number + 1} of {_BOOTS}")
            bare.append(await _bare_boot(image, Path(place) / "bare"))
            progress(f"pod {number + 1} of {_BOOTS}")
            starts.append(await _pod(Path(place) / f"pod-{number}"))
    medians = {
        "median of ours": statistics.median(start.without_pull for start in starts),
        "median of the floor": statistics.median(bare),
        "median of the ratios": statistics.median(
            start.without_pull / floor for start, floor in zip(starts, bare, strict=True)
        ),
    }
    return _result(min(bare), min(starts, key=lambda start: start.without_pull), medians)


async def _bare_boot(image: PodVmImage, folder: Path) -> float:
    """Give the seconds until the bare init has printed its line; HostError when it does not."""
    paths = VmImage(
        uki=image.uki,
        root=image.root,
        firmware_code=image.firmware_code,
        firmware_variables=image.firmware_vars,
    )
    async with asyncio.TaskGroup() as tasks:
        provider = QemuProvider(
            QemuSettings(pods=folder, accel=await accelerator()),
            authority=CertificateAuthority.create("bench"),
            find_image=lambda _name: paths,
            tasks=tasks,
        )
        name = f"bare-{secrets.token_hex(4)}"
        begin = time.monotonic()
        await provider.create_instance(name=name, sandbox=name, user_data={}, spec=InstanceSpec())
        try:
            async with asyncio.timeout(_LONGEST):
                await provider.announced(name)
            seconds = time.monotonic() - begin
        except TimeoutError as error:
            want = f"its init's line in {_LONGEST:g} s"
            raise HostError("bare VM", got="silence", want=want) from error
        finally:
            await provider.teardown()
    return seconds


async def _pod(state: Path) -> Start:
    """Run the demo's pod once, with a stack of its own."""
    folder = StateFolder(state)
    silent = Narrator(steps=STEPS, console=Console(file=io.StringIO()))
    with folder.held("bench"):
        try:
            scene = await set_stage(folder, silent)
            kept = Sandboxes(folder.root).pods.folder(scene.pod.pod)
            return Start(await scene.trace(), pulled(road.read_events(kept)))
        finally:
            await down(folder)


def pulled(heard: Iterable[road.Heard]) -> float:
    """Give the seconds of the first pull, without what it waited for.

    It waits for the attestation, and for the first resource that follows it: what decides about
    images, which the guest fetches whether something is pulled or not.
    """
    begin = end = attested = released = 0.0
    for time_, event in heard:
        match event.kind, event.station:
            case EventKind.BEGIN, Station.PULL if not begin:
                begin = time_
            case EventKind.END, Station.PULL if not end:
                end = time_
            case EventKind.END, Station.ATTEST if not end:
                attested = time_
            case EventKind.END, Station.RELEASE if not end and not released:
                released = time_
    return max(0.0, end - max(begin, attested, released))


def _result(bare: float, start: Start, medians: Mapping[str, float]) -> BenchResult:
    ours = start.without_pull
    return BenchResult(
        name="boot",
        unit="s",
        ours=round(ours, 2),
        floor=round(bare, 2),
        floor_name="same VM, init only prints",
        ratio=round(ours / bare, 2),
        details={
            **start.trace.totals,
            "pull itself": round(start.pull, 3),
            **{name: round(seconds, 2) for name, seconds in medians.items()},
        },
    )
