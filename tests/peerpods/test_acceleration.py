import shutil
import subprocess
from pathlib import Path

import pytest

from casemate.errors import InputError
from casemate.linux.program import run
from casemate.peerpods.clouds.qemu import acceleration
from casemate.peerpods.clouds.qemu.acceleration import Accelerator

pytestmark = pytest.mark.skipif(
    shutil.which("qemu-system-x86_64") is None, reason="qemu-system-x86 is not installed"
)


def test_the_sector_boots_under_emulation(tmp_path: Path) -> None:
    disk = tmp_path / "sector"
    disk.write_bytes(acceleration.sector())
    done = run(acceleration.arguments(Accelerator.TCG, disk), timeout=30, check=False)
    assert done.stdout.endswith(b"casemate\n")
    assert done.status == acceleration.ENDED


async def test_the_answer_is_kept_for_this_machine(tmp_path: Path) -> None:
    first = await acceleration.probe(cache=tmp_path)
    assert await acceleration.probe(cache=tmp_path) == first
    (tmp_path / "acceleration.json").write_text("{not ours")
    assert (await acceleration.probe(cache=tmp_path)).accelerator == first.accelerator


async def test_a_wish_wins_over_the_probe() -> None:
    assert await acceleration.choose("tcg") is Accelerator.TCG


async def test_an_unknown_wish_is_refused() -> None:
    with pytest.raises(InputError):
        await acceleration.choose("hax")


def test_the_bytes_are_those_of_the_source(tmp_path: Path) -> None:
    if shutil.which("as") is None or shutil.which("ld") is None:
        pytest.skip("binutils are not installed")
    source = Path(acceleration.__file__).with_name("probe.s")
    made, linked = tmp_path / "probe.o", tmp_path / "probe.bin"
    subprocess.run(["as", "-o", made, source], check=True)
    subprocess.run(
        ["ld", "-Ttext", "0x7c00", "--oformat", "binary", "-o", linked, made], check=True
    )
    assert linked.read_bytes() == acceleration.sector()
