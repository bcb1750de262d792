import re
import subprocess
from pathlib import Path

from casemate.stack.doctor import machine, mend, tools
from casemate.stack.doctor.finding import Grade

SCRIPT = Path(__file__).parents[2] / "scripts/system-packages"


def test_machine_without_qemu_is_told_its_package(tmp_path: Path) -> None:
    findings = {f.name: f for f in tools.look(str(tmp_path))}
    missing = findings["qemu-system-x86_64"]
    assert missing.grade is Grade.MISSING
    assert missing.remedy == "apt-get install qemu-system-x86"
    assert "qemu-system-x86" in mend.missing_packages(list(findings.values()))


def test_doctor_and_make_install_the_same_packages() -> None:
    line = re.search(r'^demo="(.*)"$', SCRIPT.read_text(), re.MULTILINE)
    assert line is not None
    assert {tool.package for tool in tools.TOOLS} == set(line[1].split())


def test_user_who_can_install_nothing_is_told_all_that_is_missing_at_once(tmp_path: Path) -> None:
    """Also what the environment needs, which is made before anything else."""
    answers = {"dpkg-query": "exit 1", "sudo": "exit 1", "id": "echo 1000", "apt-get": "exit 99"}
    for name, answer in answers.items():
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\n{answer}\n")
        program.chmod(0o755)
    ran = subprocess.run(
        ["/bin/bash", str(SCRIPT), "demo"],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 2
    told, remedy = ran.stderr.splitlines()
    wanted = {tool.package for tool in tools.TOOLS} | {"python3-venv"}
    assert set(told.removeprefix("missing Debian packages: ").split()) == wanted
    assert set(remedy.removeprefix("Install them as root:  apt-get install ").split()) == wanted


def test_full_disk_is_noted_where_the_folder_will_be(tmp_path: Path) -> None:
    finding = machine.disk("disk", tmp_path / "not" / "yet")
    assert str(tmp_path) in finding.found


def test_memory_is_read_from_the_kernel() -> None:
    assert "GiB" in machine.memory().found
