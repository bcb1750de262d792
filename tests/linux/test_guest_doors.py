"""Mounts, modules, block devices, children and control groups: what can be tried without root."""

import asyncio
import os
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casemate.errors import HostError, InputError
from casemate.linux import block, cgroup, child, libc, module, mount, netlink, power
from casemate.linux.device_mapper import Target, _node, _row
from casemate.secret import Secret


def test_mount_options_are_parted_into_flags_and_data() -> None:
    flags, data = mount.split_options(["ro", "nosuid", "mode=0755", "rw", "size=1m", "defaults"])
    assert flags == libc.MS_NOSUID
    assert data == "mode=0755,size=1m"


def test_mounts_below_a_folder_are_listed_deepest_first() -> None:
    table = (
        "1 0 0:1 / / rw - ext4 /dev/a rw\n"
        "2 1 0:2 / /run/pod rw - tmpfs t rw\n"
        "3 2 0:3 / /run/pod/a\\040b rw - tmpfs t rw\n"
        "4 1 0:4 / /run/podium rw - tmpfs t rw\n"
    )
    assert mount.below(Path("/run/pod"), table) == [Path("/run/pod/a b"), Path("/run/pod")]


def test_unmounting_what_is_not_mounted_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(HostError):
        mount.unmount(tmp_path)


def test_module_list_keeps_its_order(tmp_path: Path) -> None:
    listed = tmp_path / "modules"
    listed.write_text("# comment\n/b.ko\n\n/a.ko\n")
    assert module.read_list(listed) == [Path("/b.ko"), Path("/a.ko")]
    assert module.read_list(tmp_path / "none") == []
    with pytest.raises(HostError):
        module.load(tmp_path / "none.ko")


def test_disk_is_found_by_its_serial(tmp_path: Path) -> None:
    for name, serial in (("vda", "root"), ("vdb", "userdata\n")):
        (tmp_path / "block" / name).mkdir(parents=True)
        (tmp_path / "block" / name / "serial").write_text(serial)
    assert block.find_by_serial("userdata", sys=tmp_path) == Path("/dev/vdb")
    assert block.find_by_serial("scratch", sys=tmp_path) is None
    assert block.find_by_serial("userdata", sys=tmp_path / "nothing") is None


@given(st.binary(max_size=64))
def test_serials_are_the_hosts_words(serial: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name, written in (("vda", serial), ("vdb", b"userdata")):
            (Path(folder) / "block" / name).mkdir(parents=True)
            (Path(folder) / "block" / name / "serial").write_bytes(written)
        named = "vda" if serial.decode(errors="replace").strip() == "userdata" else "vdb"
        assert block.find_by_serial("userdata", sys=Path(folder)) == Path("/dev") / named


@pytest.mark.parametrize("number", ["", "8", "8:0/..", "a:b", "1:2:3"])
def test_device_numbers_are_numbers(number: str, tmp_path: Path) -> None:
    with pytest.raises(InputError):
        block.by_number(number, sys=tmp_path)


def test_blocks_are_read_wiped_and_sized(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.write_bytes(b"x" * 4096)
    block.wipe(disk, 512, 1024)
    assert block.read(disk, 600) == b"x" * 512 + bytes(88)
    assert (block.size(disk), block.sectors(disk)) == (4096, 8)
    with pytest.raises(HostError):
        block.size(tmp_path / "none")


def test_table_row_is_laid_out_as_the_kernel_reads_it() -> None:
    row = _row(Target(0, 16, "crypt", Secret(b"aes - 0 /dev/x 0")))
    assert len(row) % 8 == 0
    assert row[40:].rstrip(b"\0") == b"aes - 0 /dev/x 0"
    assert int.from_bytes(row[20:24], "little") == len(row)
    assert _node(253 << 8 | 1) == Path("/dev/dm-1")


def start(*argv: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(argv)


async def test_child_is_waited_for_with_its_status() -> None:
    ends = start("sh", "-c", "exit 3")
    assert await child.wait(ends.pid) == 3
    ends.returncode = 3
    killed = start("sleep", "60")
    waiting = asyncio.ensure_future(child.wait(killed.pid))
    await asyncio.sleep(0)
    killed.kill()
    assert await waiting == 137
    killed.returncode = -9


async def test_process_of_somebody_else_is_not_waited_for() -> None:
    with pytest.raises(HostError):
        await child.wait(os.getpid() + (1 << 22))


def test_group_usage_is_read_from_its_files(tmp_path: Path) -> None:
    (tmp_path / "cpu.stat").write_text("usage_usec 10\nuser_usec 7\nsystem_usec 3\n")
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("4096\n")
    (tmp_path / "memory.events").write_text("low 0\noom_kill 2\n")
    usage = cgroup.read(tmp_path)
    assert (usage.cpu_usec, usage.cpu_user_usec, usage.memory) == (10, 7, 4096)
    assert (usage.memory_limit, usage.oom_kills, usage.pids) == ((1 << 64) - 1, 2, 0)


def test_network_card_that_is_not_there_is_named() -> None:
    with pytest.raises(HostError) as caught:
        netlink.set_up("nosuchcard0")
    assert "nosuchcard0" in str(caught.value)


def test_only_process_one_powers_off() -> None:
    with pytest.raises(HostError):
        power.off()
