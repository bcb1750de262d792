"""Setting the stage: from nothing to a running, attested pod, told step by step."""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from casemate.errors import HostError
from casemate.podvm import build as podvm
from casemate.podvm.image import PodVmImage
from casemate.podvm.recipe import Recipe
from casemate.stack.demo.narrator import Narrator
from casemate.stack.folder import Record, StateFolder
from casemate.stack.owner.desk import Desk
from casemate.stack.scene import Scene
from casemate.stack.up import up
from casemate.workload.application import ARRIVED

STEPS: Final = 5
"""How many of the narrator's steps setting the stage takes."""
_TAG: Final = "1"
_SHOWN_PCRS: Final = (4, 9, 11)
"""Registers that say which kernel, initrd and command line booted."""


async def set_stage(folder: StateFolder, narrator: Narrator) -> Scene:
    """Bring everything up and run the demo's pod. The folder must be held.

    Raises:
        HostError: this machine lacks something.
        VerificationError: the genuine pod was refused.
    """
    image = await _pod_vm_image(narrator)
    record = await _stack(folder, narrator)
    desk = Desk(folder=folder, record=record, tell=narrator.command)
    with narrator.step("Owner's image: built, encrypted, signed, pushed"):
        desk.tell_environment()
        await desk.application()
        reference = await desk.publish(_TAG, signed_with=await desk.signing_key())
    with narrator.step("Owner's rules: who may have which secret"):
        initdata = await desk.initdata()
        await desk.rules(image, initdata)
        secret = await desk.secret()
        narrator.fact("initdata", f"{initdata.digest}")
    scene = Scene(
        folder=folder,
        record=record,
        image=image,
        owner=replace(desk, tell=_say_nothing),
        reference=reference,
        initdata=desk.initdata_file,
        secret=secret,
    )
    await _pod(scene, narrator)
    return scene


def _say_nothing(_command: str) -> None:
    """Attackers publish images too; their commands are not the reader's."""


async def _pod_vm_image(narrator: Narrator) -> PodVmImage:
    with narrator.step("Pod VM image, its measurements foretold from files") as step:
        image = await _built(step)
    uki, root = (file.stat().st_size / 1e6 for file in (image.uki, image.root))
    narrator.fact("size", f"{uki:.1f} MB kernel image, {root:.1f} MB root file system")
    narrator.fact("root hash", image.manifest.root_hash)
    for number in _SHOWN_PCRS:
        narrator.fact(f"PCR {number}", image.measurements[number])
    return image


class _Stopped(Exception):  # noqa: N818  # an end, not an error: nobody waits for the build
    """We were interrupted while the pod VM's image was built."""


async def _built(progress: Callable[[str], None]) -> PodVmImage:
    """Build beside the loop; when we are cancelled the build ends at its next step."""
    cancelled = threading.Event()

    def step(text: str) -> None:
        if cancelled.is_set():
            raise _Stopped
        progress(text)

    try:
        return await asyncio.to_thread(podvm.build, Recipe(), progress=step)
    finally:
        cancelled.set()


async def _stack(folder: StateFolder, narrator: Narrator) -> Record:
    with narrator.step("Local stack: Trustee, registry, adaptor") as step:
        record = await up(folder, progress=step)
    for service in record.services:
        narrator.fact(service.name, service.address)
    return record


async def _pod(scene: Scene, narrator: Narrator) -> None:
    with narrator.step("Pod: VM booted, attested, image pulled and started inside") as step:
        await scene.start(step)
        shown = await scene.secret_shown()
    narrator.fact("pod", scene.pod.pod)
    narrator.fact("it says", shown)
    if scene.secret_digest not in shown:
        raise HostError(
            "secret in the pod",
            got=shown,
            want=f"sha256 {scene.secret_digest}",
            remedy=f"casemate pod logs {scene.pod.pod}",
        )
    narrator.fact("expected", f"{ARRIVED}{scene.secret_digest}")
