"""What only a running stack shows: pods as VMs of their own, and walls on every side of them."""

import asyncio
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from errno import EILSEQ, EIO
from pathlib import Path

import pytest
from rich.console import Console

from casemate.errors import Refusal, VerificationError
from casemate.linux.program import find
from casemate.podvm import build as podvm
from casemate.podvm.recipe import Recipe, Variant
from casemate.runtime import companion
from casemate.runtime.execution import Executed
from casemate.runtime.sandbox import Sandboxes
from casemate.stack.command import casemate
from casemate.stack.demo.narrator import Narrator
from casemate.stack.down import down
from casemate.stack.folder import StateFolder
from casemate.stack.owner import documents
from casemate.stack.scene import Scene
from casemate.stack.stage import STEPS, set_stage
from casemate.tee.vtpm.report import init_data_register
from casemate.trustee.evidence_archive import EvidenceArchive
from casemate.wire import initdata, kbs

pytestmark = [pytest.mark.vm, pytest.mark.xdist_group("vm")]

BUSYBOX = "/bin/busybox"
SECOND = "second"
ANY_PROGRAM = "package agent_policy\n" + "".join(
    f"default {name}Request := true\n"
    for name in (
        *("CreateSandbox", "DestroySandbox", "CreateContainer", "StartContainer"),
        *("RemoveContainer", "SignalProcess", "WaitProcess", "ReadStream", "GetMetrics"),
        "CloseStdin",
    )
)
ONE_EXEC = 'ExecProcessRequest { input.process.Args == ["/bin/busybox", "uname", "-s"] }\n'
READ_AGAIN = """
dd if=/dev/urandom of=/tmp/kept bs=1048576 count=4 conv=fsync 2>/dev/null || exit 3
n=0
while dd if=/tmp/kept of=/dev/null bs=4096 iflag=direct 2>/tmp/words; do
  n=$((n+1)); [ $n -gt 90 ] && exit 4; sleep 1
done
cat /tmp/words
"""
"""Writes a file and reads it from the disk itself, past the cache, until that fails."""


@dataclass(frozen=True)
class Stack:
    """One stack with two pods; a third, of the debug image, was refused."""

    folder: StateFolder
    scene: Scene
    debug: Refusal | None

    def run(self, pod: str, *command: str) -> Executed:
        """Run one more container of the owner's image in a pod."""
        found = Sandboxes(self.folder.root).pods.find(pod)
        return asyncio.run(companion.run(found, self.scene.reference, command))

    def says(self, pod: str, *command: str) -> str:
        done = self.run(pod, BUSYBOX, *command)
        assert done.status == 0, done.stderr
        return done.stdout.decode()

    @property
    def pods(self) -> tuple[str, str]:
        return self.scene.pod.pod, SECOND


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    for program in ("qemu-system-x86_64", "swtpm", "docker-registry", "mkfs.erofs"):
        find(program)
    folder = StateFolder(tmp_path_factory.mktemp("rows"))
    with folder.held("test"):
        try:
            scene, debug = asyncio.run(started(folder))
            yield Stack(folder, scene, debug)
        finally:
            asyncio.run(down(folder))


async def started(folder: StateFolder) -> tuple[Scene, Refusal | None]:
    quiet = Narrator(steps=STEPS, console=Console(quiet=True))
    scene = await set_stage(folder, quiet)
    _, debug = await asyncio.gather(run_second(scene), refused(scene))
    return scene, debug


async def run_second(scene: Scene) -> None:
    """Run a pod of the same owner and image whose policy allows any program, and one exec."""
    first = initdata.parse(scene.initdata.read_bytes())
    second = initdata.build({**first.data, "policy.rego": ANY_PROGRAM + ONE_EXEC})
    await accept_both(scene, init_data_register(second.digest).hex())
    with scene.document("second.toml", second.raw.decode()) as file:
        words = ("pod", "run", scene.reference, "--state", scene.folder.root, "--name", SECOND)
        await casemate(*words, "--initdata", file, "--podvm", scene.image.folder)


async def accept_both(scene: Scene, register: str) -> None:
    """Have the owner's rule accept a second initdata beside the first."""
    rule = documents.resource_policy(initdata.parse(scene.initdata.read_bytes()))
    more = f'accepted(submod) if {{ measured(submod); evidence(submod).pcr08 == "{register}" }}'
    with scene.document("both.rego", f"{rule}\n{more}\n") as file:
        await scene.owner._kbs_run("policy", "set", "resource", file)


async def refused(scene: Scene) -> Refusal | None:
    debug = await asyncio.to_thread(podvm.build, Recipe(variant=Variant.DEBUG))
    try:
        await scene.boot(debug.folder, scene.initdata)
    except VerificationError as error:
        return error.refusal
    return None


def machines(folder: StateFolder) -> list[Path]:
    """QEMU processes of this stack."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line = (process / "cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue
        program = line.partition(b"\0")[0].rpartition(b"/")[2]
        if program.startswith(b"qemu-system") and os.fsencode(folder.root) in line:
            found.append(process)
    return found


def listening(process: Path) -> list[str]:
    """Local addresses (hex, as procfs has them) on which a process listens."""
    sockets = {str(f.readlink()) for f in (process / "fd").iterdir() if f.is_symlink()}
    rows = [
        line.split()
        for table in ("tcp", "tcp6", "udp", "udp6")
        for line in (process / "net" / table).read_text().splitlines()[1:]
    ]
    return [row[1] for row in rows if row[3] in {"0A", "07"} and f"socket:[{row[9]}]" in sockets]


def test_each_pod_is_one_vm(stack: Stack) -> None:
    listed = asyncio.run(casemate("pod", "ps", "--state", stack.folder.root))
    assert len(listed) == len(machines(stack.folder)) == len(stack.pods)


def test_pod_has_a_kernel_of_its_own(stack: Stack) -> None:
    ours = Path("/proc/sys/kernel/random/boot_id").read_text()
    assert stack.says(SECOND, "cat", "/proc/sys/kernel/random/boot_id") != ours
    assert stack.says(SECOND, "uname", "-r").strip() != os.uname().release


def test_exec_runs_where_the_policy_allows_it_and_only_what_it_allows(stack: Stack) -> None:
    first, second = stack.pods
    words = ("pod", "exec", "--state", stack.folder.root)
    allowed = (BUSYBOX, "uname", "-s")
    done = asyncio.run(casemate(*words, second, "--", *allowed))
    assert (done["status"], done["stdout"]) == (0, "Linux\n")
    for pod, command in ((second, (BUSYBOX, "sh")), (first, allowed)):
        with pytest.raises(VerificationError, match="ExecProcessRequest"):
            asyncio.run(casemate(*words, pod, "--", *command))


def test_each_pod_has_an_attestation_key_of_its_own(stack: Stack) -> None:
    kept = EvidenceArchive(stack.folder.trustee / "evidence", most=1).newest_first()
    bodies = [kbs.parse_attestation(file.read_bytes()) for file in kept]
    evidence = [json.loads(bytes(body.tee_evidence.primary_evidence)) for body in bodies]
    machines_booted = {*stack.pods, "debug"}
    assert len({str(e["ak_public"]) for e in evidence}) == len(machines_booted)


def test_workload_sees_its_vm_and_nothing_of_the_host(stack: Stack) -> None:
    marker = stack.folder.root / "on-the-host"
    marker.write_text("host")
    assert stack.run(SECOND, BUSYBOX, "cat", str(marker)).status != 0
    assert stack.scene.image.manifest.root_hash in stack.says(SECOND, "cat", "/proc/cmdline")
    disks = stack.says(SECOND, "ls", "/sys/block").split()
    assert all(disk.startswith(("vd", "dm-", "loop", "ram")) for disk in disks)
    processes = stack.says(SECOND, "ps", "-o", "args").splitlines()[1:]
    assert len(processes) == 1


def test_guests_one_door_is_the_forwarder(stack: Stack) -> None:
    for machine in machines(stack.folder):
        (address,) = listening(machine)
        assert address.startswith("0100007F:")  # 127.0.0.1


def test_nothing_starts_before_it_was_attested(stack: Stack) -> None:
    spans = asyncio.run(stack.scene.trace()).spans

    def first(station: str) -> float:
        return min(s.start for s in spans if s.station == station)

    def settled(station: str) -> float:
        return min(s.end for s in spans if s.station == station)

    assert settled("initdata") <= min(first("connect"), first("attest"), first("release"))
    assert settled("attest") <= settled("release") <= settled("pull") <= first("start")


def test_debug_image_gets_nothing(stack: Stack) -> None:
    assert stack.debug is not None
    assert stack.debug.step in {"attest", "release"}
    assert "pcr" in f"{stack.debug.claim} {stack.debug.got} {stack.debug.rule}".lower()


def test_platforms_key_is_nowhere_near_a_guest(stack: Stack) -> None:
    key = (stack.folder.platform / "ca.key").read_bytes().splitlines()[1]
    files = [f for f in stack.folder.pods.rglob("*") if f.is_file()]
    environments = [process / "environ" for process in machines(stack.folder)]
    assert any(f.name.startswith("userdata") for f in files)
    assert not [f for f in (*files, *environments) if holds(f, key)]


def holds(file: Path, needle: bytes) -> bool:
    with file.open("rb") as reading:
        end = 64 << 20  # user data, TPM state, consoles; the scratch disk's first part
        return needle in reading.read(end)


def test_flipped_block_of_the_scratch_disk_is_an_error_to_the_pod(stack: Stack) -> None:
    pod = Sandboxes(stack.folder.root).pods.find(SECOND)
    (disk,) = (stack.folder.pods / pod.id / "vm").glob("scratch*")
    before = blocks(disk)

    async def flip() -> Executed:
        reading = companion.run(pod, stack.scene.reference, (BUSYBOX, "sh", "-c", READ_AGAIN))
        task = asyncio.create_task(reading)
        latest: list[int] = []
        while not task.done():
            await asyncio.sleep(1)
            written = [at for at, data in blocks(disk).items() if before.get(at) != data]
            if written == latest and len(written) > 1024:  # the file's, and the image's
                flip_blocks(disk, written)
                break
            latest = written
        return await task

    done = asyncio.run(asyncio.wait_for(flip(), 180))
    assert done.status == 0, done.stderr
    words = done.stdout.decode().lower()
    assert any(os.strerror(number).lower() in words for number in (EIO, EILSEQ)), words


def blocks(disk: Path) -> dict[int, int]:
    """What a sparse disk holds: offset of each block that is there, with a hash of it."""
    found: dict[int, int] = {}
    with disk.open("rb") as reading:
        at, end = 0, disk.stat().st_size
        while at < end:
            try:
                at = os.lseek(reading.fileno(), at, os.SEEK_DATA)
            except OSError:
                break
            hole = os.lseek(reading.fileno(), at, os.SEEK_HOLE)
            for offset in range(at, hole, 4096):
                found[offset] = hash(os.pread(reading.fileno(), 4096, offset))
            at = hole
    return found


def flip_blocks(disk: Path, offsets: list[int]) -> None:
    with disk.open("r+b") as writing:
        for at in offsets:
            byte = os.pread(writing.fileno(), 1, at + 7)
            os.pwrite(writing.fileno(), bytes([byte[0] ^ 1]), at + 7)
