import os
from pathlib import Path

from casemate.guest.agent import statistics


def process(proc: Path, name: str, pss: int, threads: int) -> None:
    (proc / name).mkdir()
    (proc / name / "smaps_rollup").write_text(f"0-1 ---p [rollup]\nRss: 9999 kB\nPss: {pss} kB\n")
    (proc / name / "status").write_text(f"Name:\tx\nThreads:\t{threads}\n")


def test_processes_of_the_guest_are_counted_together(tmp_path: Path) -> None:
    process(tmp_path, "self", 30000, 1)
    process(tmp_path, "7", 20000, 2)
    text = statistics.own(("self", 7), tmp_path)
    assert f"process_resident_memory_bytes {50000 * 1024}\n" in text
    assert "process_threads 3\n" in text


def test_this_machine_tells_the_same_rows() -> None:
    assert "process_threads" in statistics.own((os.getpid(),))
