"""Real QEMU and swtpm, with a kernel image that boots nothing: starting, ending, being killed."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from casemate.crypto.authority import CertificateAuthority
from casemate.errors import HostError, InputError
from casemate.peerpods.clouds.qemu import disks, vtpm
from casemate.peerpods.clouds.qemu.acceleration import Accelerator
from casemate.peerpods.clouds.qemu.arguments import Machine
from casemate.peerpods.clouds.qemu.machine import RunningMachine
from casemate.peerpods.clouds.qemu.provider import QemuProvider, QemuSettings
from casemate.peerpods.image import VmImage
from casemate.peerpods.provider import InstanceSpec

_OVMF = Path("/usr/share/OVMF")

pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, ("qemu-system-x86_64", "swtpm"))) or not _OVMF.is_dir(),
    reason="qemu-system-x86, swtpm or ovmf is not installed",
)


def image_in(folder: Path) -> VmImage:
    """An image whose firmware runs and whose kernel does not."""
    for name in ("uki.efi", "root.img"):
        (folder / name).write_bytes(bytes(4096))
    return VmImage(
        uki=folder / "uki.efi",
        root=folder / "root.img",
        firmware_code=_OVMF / "OVMF_CODE.fd",
        firmware_variables=_OVMF / "OVMF_VARS.fd",
    )


def provider_in(folder: Path, tasks: asyncio.TaskGroup) -> QemuProvider:
    """A provider over that image."""
    image = image_in(folder)
    return QemuProvider(
        QemuSettings(pods=folder / "pods", accel="tcg", memory=256),
        authority=CertificateAuthority.create("platform"),
        find_image=lambda _name: image,
        tasks=tasks,
    )


@pytest.fixture
async def provider(tmp_path: Path) -> AsyncIterator[QemuProvider]:
    async with asyncio.TaskGroup() as tasks:
        made = provider_in(tmp_path, tasks)
        yield made
        await made.teardown()


def _processes(word: str) -> list[int]:
    """Processes (zombies aside) that mention a word, but not ourselves."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                line = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if word.encode() in line:
                found.append(int(entry.name))
    return found


async def _gone(word: str) -> bool:
    for _ in range(100):
        if not _processes(word):
            return True
        await asyncio.sleep(0.05)
    return False


async def test_a_vm_is_two_processes_and_leaves_nothing(
    provider: QemuProvider, tmp_path: Path
) -> None:
    (tmp_path / "pods/a1").mkdir(parents=True)
    made = await provider.create_instance(
        name="podvm-app-a1", sandbox="a1", user_data={}, spec=InstanceSpec()
    )
    vm = tmp_path / "pods/a1/vm"
    assert made.host == "127.0.0.1"
    assert (vm / "tpm").is_dir()
    assert len(_processes(str(vm))) == 2
    await provider.delete_instance("a1")
    await provider.delete_instance("a1")
    assert await _gone(str(vm))
    assert [p.name for p in (tmp_path / "pods/a1").iterdir()] == ["console.log"]


async def test_two_vms_are_four_processes_with_disks_of_their_own(
    provider: QemuProvider, tmp_path: Path
) -> None:
    for sandbox in ("a1", "b2"):
        (tmp_path / "pods" / sandbox).mkdir(parents=True)
        await provider.create_instance(
            name=f"podvm-{sandbox}", sandbox=sandbox, user_data={}, spec=InstanceSpec()
        )
    assert len(_processes(str(tmp_path / "pods"))) == 4
    await provider.delete_instance("a1")
    assert len(_processes(str(tmp_path / "pods"))) == 2


async def test_a_vm_that_is_killed_is_told_with_its_last_words(
    provider: QemuProvider, tmp_path: Path
) -> None:
    (tmp_path / "pods/a1").mkdir(parents=True)
    await provider.create_instance(
        name="podvm-app-a1", sandbox="a1", user_data={}, spec=InstanceSpec()
    )
    for pid in _processes(str(tmp_path / "pods/a1/vm")):
        os.kill(pid, signal.SIGKILL)
    async with asyncio.timeout(5):
        failure = await provider.failure("a1")
    assert "ended" in str(failure)
    assert not (tmp_path / "pods/a1/vm").exists()


async def test_when_the_adaptor_is_killed_vm_and_tpm_die_with_it(tmp_path: Path) -> None:
    adaptor = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.peerpods.test_machine", str(tmp_path)),
        stdout=subprocess.PIPE,
    )
    assert adaptor.stdout is not None
    assert await adaptor.stdout.readline() == b"up\n"
    assert len(_processes(str(tmp_path / "pods"))) == 2
    adaptor.kill()
    await adaptor.wait()
    assert await _gone(str(tmp_path / "pods"))


async def test_a_port_that_somebody_took_is_noticed(tmp_path: Path) -> None:
    image = image_in(tmp_path)
    files = disks.make(tmp_path / "vm", image, {}, scratch_mib=1)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        machine = Machine(
            name="podvm-app",
            accelerator=Accelerator.TCG,
            vcpus=1,
            memory=256,
            firmware_code=image.firmware_code,
            firmware_variables=files.firmware_variables,
            uki=image.uki,
            disks=(),
            tpm=-1,
            port=taken.getsockname()[1],
        )
        running = await RunningMachine.start(machine, files, console=tmp_path / "console.log")
        async with asyncio.timeout(10):
            await running.run()
    assert running.port_was_taken
    assert files.folder.exists()


@pytest.mark.parametrize(
    "spec", [InstanceSpec(vcpus=1000), InstanceSpec(memory=16), InstanceSpec(memory=1 << 40)]
)
async def test_a_size_that_cannot_be_is_refused(
    provider: QemuProvider, spec: InstanceSpec, tmp_path: Path
) -> None:
    with pytest.raises(InputError):
        await provider.create_instance(name="x", sandbox="a1", user_data={}, spec=spec)
    assert not (tmp_path / "pods/a1/vm").exists()


async def test_an_image_that_is_gone_leaves_nothing_behind(
    provider: QemuProvider, tmp_path: Path
) -> None:
    (tmp_path / "uki.efi").unlink()
    with pytest.raises(HostError):
        await provider.create_instance(name="x", sandbox="a1", user_data={}, spec=InstanceSpec())
    assert not (tmp_path / "pods/a1/vm").exists()


def test_no_platform_key_reaches_what_the_vm_is_given(tmp_path: Path) -> None:
    """Row I12: neither the TPM's state nor any disk holds a key of the platform."""
    authority = CertificateAuthority.create("platform")
    files = disks.make(tmp_path / "vm", image_in(tmp_path), {}, scratch_mib=1)
    vtpm.make(files.tpm, authority, name="podvm-app")
    secret = authority.key_pem.reveal()
    body = secret.split(b"-----")[2].strip().splitlines()[0]
    for file in files.folder.rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            assert body not in content
            assert b"PRIVATE KEY" not in content


async def _hold(folder: Path) -> None:
    async with asyncio.TaskGroup() as tasks:
        provider = provider_in(folder, tasks)
        (folder / "pods/a1").mkdir(parents=True)
        await provider.create_instance(
            name="podvm-app-a1", sandbox="a1", user_data={}, spec=InstanceSpec()
        )
        print("up", flush=True)  # noqa: T201  # the test waits for it
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_hold(Path(sys.argv[1])))
