"""Every page's commands run as shown, in their order."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from casemate.linux.program import find
from casemate.net import ports
from casemate.podvm import build as podvm
from tests.docs.commands import ROOT, lines, pages
from tests.docs.walk import Reader

ELSEWHERE = {
    "make ": "CI runs it: .ci/run; `make fix` changes files",
    "casemate demo ": "tests/stack/test_demo.py, and .ci/run",
    "casemate bench pull ": "tests/stack/test_bench.py, with a smaller image",
    "casemate bench boot ": "by hand on a quiet machine: minutes, four boots under emulation",
}
"""How a command begins that is not run here, and where it runs."""
WITH_A_POD = ("docs/demo.md", "docs/runtime.md")
"""In this order: the attacks of the first leave the owner's image and rules, as the demo does."""
PORTS = ("8080", "5443", "50003", "50004")


def shown_pages() -> list[str]:
    found = [page.relative_to(ROOT).as_posix() for page in pages()]
    return [page for page in found if lines(page) and page not in WITH_A_POD]


@pytest.fixture
def reader() -> Iterator[Reader]:
    for program in ("qemu-system-x86_64", "swtpm", "docker-registry", "mkfs.erofs"):
        find(program)
    free = {port: ports.free() for port in PORTS}
    environment = {
        "CASEMATE_CACHE": str(podvm.default_cache().parent),
        "CASEMATE_KBS_URL": f"https://127.0.0.1:{free['8080']}",
        "CASEMATE_TRUSTEE_HTTP_PORT": str(free["8080"]),
        "CASEMATE_TRUSTEE_RVPS_PORT": str(free["50003"]),
        "CASEMATE_TRUSTEE_AS_PORT": str(free["50004"]),
    }
    with tempfile.TemporaryDirectory(prefix="docs-") as folder:
        (Path(folder) / "home").mkdir()
        reader = Reader(Path(folder), free, environment)
        yield reader
        reader.run("casemate down")


@pytest.mark.parametrize("page", shown_pages())
def test_commands_of_a_page_run_as_shown(reader: Reader, page: str) -> None:
    assert reader.follow(page, without=tuple(ELSEWHERE)) == []


@pytest.mark.vm
@pytest.mark.xdist_group("vm")
def test_commands_with_a_pod_run_as_shown(reader: Reader) -> None:
    reader.run("casemate up " + " ".join(options(reader)))
    wrong = [reader.follow(page, without=tuple(ELSEWHERE)) for page in WITH_A_POD]
    assert wrong == [[], []]


def options(reader: Reader) -> tuple[str, ...]:
    trustee, registry = reader.ports["8080"], reader.ports["5443"]
    return (f"--trustee-port {trustee}", f"--registry-port {registry}")


def test_line_that_ends_otherwise_is_found(reader: Reader, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "```console\ntouch a\nls a\nls b  # exit 2: not there\nls c\nls a # exit 1\n```\n"
    )
    wrong = reader.follow(str(page))
    assert [text.splitlines()[0] for text in wrong] == ["ls c", "ls a # exit 1"]


def test_every_exception_names_a_command_that_is_shown() -> None:
    shown = [line + " " for page in pages() for line in lines(page)]
    assert all(any(line.startswith(start) for line in shown) for start in ELSEWHERE)
