"""The sealed scratch disk in a real machine: tables of inodes that nobody wrote are never missed.

dm-integrity gives an error for each block that is read before it was written, and the kernel says
so. Over the debug shell.
"""

import re
from pathlib import Path

import pytest

from casemate.trace import Station
from casemate.wire import console
from casemate.wire.console import EventKind
from tests.sim.debug_guest import SCRATCH, debug_guest
from tests.sim.hostile_disk import hostile_disk

pytestmark = [pytest.mark.vm, pytest.mark.xdist_group("vm")]

FOLDERS, EACH = 40, 50
FILL = f"""\
cd /run/kata-containers/image; d=0; while [ $d -lt {FOLDERS} ]; do busybox mkdir $d; i=0; \
while [ $i -lt {EACH} ]; do echo $d >$d/$i; i=$((i+1)); done; d=$((d+1)); done; busybox sync; \
echo 3 >/proc/sys/vm/drop_caches; a=$(busybox cat */* | busybox wc -l); busybox rm -r 1*; \
busybox mkdir again; i=0; while [ $i -lt {EACH} ]; do echo $i >again/$i; i=$((i+1)); done; \
busybox sync; echo 3 >/proc/sys/vm/drop_caches; b=$(busybox cat */* | busybox wc -l); \
echo "COUNTED $a $b $(busybox dmesg | busybox grep -c 'AEAD ERROR\\|I/O error\\|EXT4-fs error')"
""".encode()
COUNTED = re.compile(rb"COUNTED (\d+) (\d+) (\d+)")


def test_files_are_read_back_and_no_block_is_read_before_it_was_written(tmp_path: Path) -> None:
    counted = None
    with debug_guest(tmp_path, scratch=SCRATCH) as guest:
        for line in guest.lines:
            event = console.parse(line)
            if event and event.station is Station.BOOT and event.note == "scratch disk sealed":
                guest.run(FILL)
            elif counted := COUNTED.search(line):
                break
    assert counted is not None
    removed = 11 * EACH  # folders 1 and 10 to 19
    assert [int(n) for n in counted.groups()] == [
        FOLDERS * EACH,
        FOLDERS * EACH - removed + EACH,
        0,
    ]


def test_disk_that_cannot_be_sealed_ends_the_machine_and_is_told(tmp_path: Path) -> None:
    with debug_guest(tmp_path, scratch=64 << 10) as guest:
        lines = list(guest.lines)
        assert guest.wait() == 0
    events = [event for line in lines if (event := console.parse(line))]
    told = {event.note for event in events if event.kind is EventKind.FAILED}
    assert told == {"initrd: device mapper refused scratch-tags: error 22"}
    assert b"block_size" not in b"".join(lines)  # no table is told: the next one has the key


@pytest.mark.parametrize(
    ("sectors", "words"),
    [
        (0, "initrd: found no superblock of dm-integrity on /dev/vd"),
        (1 << 36, "initrd: device mapper refused scratch-tags: error 22"),
    ],
    ids=["none", "more than the disk has"],
)
def test_superblock_with_another_size_ends_the_machine_and_is_told(
    tmp_path: Path, sectors: int, words: str
) -> None:
    def change(at: int, data: bytes) -> bytes:
        if at == 0 and data.startswith(b"integrt\0"):
            return data[:16] + sectors.to_bytes(8, "little") + data[24:]
        return data

    with hostile_disk(tmp_path / "disk", SCRATCH) as disk:
        disk.change = change
        with debug_guest(tmp_path, scratch=disk.url) as guest:
            events = [event for line in guest.lines if (event := console.parse(line))]
            assert guest.wait() == 0
    (told,) = {event.note for event in events if event.kind is EventKind.FAILED}
    assert told.startswith(words)
