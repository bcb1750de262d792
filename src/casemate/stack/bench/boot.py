"""A pod from request to its container started, beside the same VM with an init that only prints.

The floor is firmware, kernel and initrd of the bare image, with the same machine, TPM and disks.
The time of the pull is taken out of ours: ``casemate bench pull`` measures that.
"""

import asyncio
import io
import secrets
import tempfile
import time
from pathlib import Path
from typing import Final

from rich.console import Console

from casemate.crypto.authority import CertificateAuthority
from casemate.peerpods.clouds.qemu.provider import QemuProvider, QemuSettings
from casemate.peerpods.image import VmImage
from casemate.peerpods.provider import InstanceSpec
from casemate.podvm import build as podvm
from casemate.podvm.image import PodVmImage
from casemate.podvm.recipe import Recipe, Variant
from casemate.runtime.tracing import Trace
from casemate.stack.accelerator import accelerator
from casemate.stack.bench.result import BenchResult
from casemate.stack.bench.table import Progress
from casemate.stack.demo.narrator import Narrator
from casemate.stack.down import down
from casemate.stack.folder import StateFolder
from casemate.stack.stage import STEPS, set_stage
from casemate.trace import Station

_BOOTS: Final = 3
"""The quickest of each counts: the first warms the machine's caches, and a busy one only adds."""


async def run(progress: Progress) -> BenchResult:
    """Measure.

    Raises:
        HostError: this machine lacks something.
        VerificationError: the pod was refused.
    """
    progress("bare image")
    image = await asyncio.to_thread(podvm.build, Recipe(variant=Variant.BARE), progress=progress)
    with tempfile.TemporaryDirectory(prefix="casemate-bench-") as place:
        bare, traces = [], []
        for number in range(_BOOTS):  # in turns: a machine that gets slower does so for both
            progress(f"bare boot {number + 1} of {_BOOTS}")
            bare.append(await _bare_boot(image, Path(place) / "bare"))
            progress(f"pod {number + 1} of {_BOOTS}")
            traces.append(await _pod(Path(place) / f"pod-{number}"))
    return _result(min(bare), min(traces, key=_without_pull))


async def _bare_boot(image: PodVmImage, folder: Path) -> float:
    """Give the seconds until the bare init has printed its line."""
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
        await provider.announced(name)
        seconds = time.monotonic() - begin
        await provider.teardown()
    return seconds


async def _pod(state: Path) -> Trace:
    """Run the demo's pod once, with a stack of its own; give its road."""
    folder = StateFolder(state)
    silent = Narrator(steps=STEPS, console=Console(file=io.StringIO()))
    with folder.held("bench"):
        try:
            scene = await set_stage(folder, silent)
            return await scene.trace()
        finally:
            await down(folder)


def _without_pull(trace: Trace) -> float:
    return trace.seconds - trace.totals.get(Station.PULL, 0.0)


def _result(bare: float, trace: Trace) -> BenchResult:
    ours = _without_pull(trace)
    return BenchResult(
        name="boot",
        unit="s",
        ours=round(ours, 2),
        floor=round(bare, 2),
        floor_name="same VM, init only prints",
        ratio=round(ours / bare, 2),
        details=dict(trace.totals),
    )
