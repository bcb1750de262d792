"""A real boot, with the provider's own command line: what was predicted is what is seen."""

import base64
import re
import shutil
from pathlib import Path

import pytest

from casemate.crypto.authority import CertificateAuthority
from casemate.linux.process import Child
from casemate.net import ports, unix
from casemate.peerpods.clouds.qemu import arguments
from casemate.peerpods.clouds.qemu.acceleration import Accelerator
from casemate.peerpods.clouds.qemu.arguments import Machine
from casemate.podvm import build, uki
from casemate.podvm.image import PodVmImage
from casemate.podvm.recipe import Recipe, Variant
from casemate.tee.vtpm.explanation import explain
from casemate.tee.vtpm.launch import Launch, MachineFacts
from casemate.tee.vtpm.portable_executable import PortableExecutable
from casemate.wire.eventlog import EventLog, replay
from casemate.wire.tpm import ALG_SHA256
from tests.sim.initrd import REGISTERS, measuring_initrd
from tests.sim.swtpm import manufactured, require_swtpm

STUB = Path("/usr/lib/systemd/boot/efi/linuxx64.efi.stub")
SECTIONS = (".osrel", ".cmdline", ".uname", ".linux")

pytestmark = [pytest.mark.vm, pytest.mark.xdist_group("vm")]


@pytest.fixture
def image() -> PodVmImage:
    require_swtpm()
    if shutil.which("qemu-system-x86_64") is None or not STUB.exists():
        pytest.skip("no QEMU or EFI stub: apt-get install qemu-system-x86 systemd-boot-efi")
    return build.build(Recipe(variant=Variant.BARE))


@pytest.fixture
def unified(image: PodVmImage) -> bytes:
    """The image's own UKI, but for an initrd that shows the TPM's registers and log."""
    given = PortableExecutable.parse(image.uki.read_bytes())
    sections = {name: given.section(name) or b"" for name in SECTIONS}
    return uki.build(STUB.read_bytes(), sections | {".initrd": measuring_initrd()})


async def boot(folder: Path, image: PodVmImage, unified: bytes) -> str:
    """Boot as the provider does; give the console."""
    (folder / "uki.efi").write_bytes(unified)
    shutil.copy(image.firmware_vars, folder / "vars.fd")
    manufactured(folder / "tpm", CertificateAuthority.create("platform"))
    ours, theirs = unix.pair()
    with ours, theirs:
        machine = Machine(
            name="measured",
            accelerator=Accelerator.TCG,
            vcpus=2,
            memory=1024,
            firmware_code=image.firmware_code,
            firmware_variables=folder / "vars.fd",
            uki=folder / "uki.efi",
            disks=(),
            tpm=ours.fileno(),
            port=ports.free(),
        )
        tpm = await Child.spawn(
            arguments.swtpm(folder / "tpm", theirs.fileno()), pass_fds=[theirs.fileno()]
        )
        qemu = await Child.spawn(arguments.qemu(machine), pass_fds=[ours.fileno()])
    try:
        assert qemu.stdout is not None
        return (await qemu.stdout.read()).decode(errors="replace").replace("\r", "")
    finally:
        qemu.kill()
        tpm.kill()
        await qemu.wait()
        await tpm.wait()


def seen_registers(console: str) -> dict[int, str]:
    return {
        int(i): v.lower()
        for i, v in re.findall(r"^PCR (\d+) ([0-9A-F]{64})$", console, re.MULTILINE)
    }


async def test_predicted_registers_are_those_of_a_real_boot(
    tmp_path: Path, image: PodVmImage, unified: bytes
) -> None:
    console = await boot(tmp_path, image, unified)
    log = re.search(r"BEGIN LOG\n(.*?)END LOG", console, re.DOTALL)
    assert log is not None, console[-2000:]
    seen_log = EventLog.parse(base64.b64decode(log[1]))
    launch = Launch.of(image.firmware_code.read_bytes(), image.firmware_vars.read_bytes(), unified)
    machine = MachineFacts(vcpus=2, memory_mib=1024)
    assert explain(launch.events(machine), seen_log) == []
    predicted = launch.registers(machine)
    assert seen_registers(console) == {i: predicted[i].hex() for i in REGISTERS}
    replayed = replay(seen_log.events, ALG_SHA256)
    assert all(predicted[i] == value for i, value in replayed.items())
