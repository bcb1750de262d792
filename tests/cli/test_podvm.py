import json
import subprocess
import sys
from pathlib import Path

import pytest

from casemate.podvm import image, publish
from casemate.podvm.recipe import Variant
from tests.sim.podvm_image import small_image
from tests.sim.uki import tiny_uki


def podvm(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-m", "casemate.cli.main", "podvm", *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def built(tmp_path: Path) -> Path:
    return small_image(tmp_path / "image")


def test_difference_of_two_images_is_told(built: Path, tmp_path: Path) -> None:
    other = small_image(tmp_path / "other", variant=Variant.DEBUG)
    done = podvm("diff", built, other)
    assert done.returncode == 0
    assert "variant" in done.stdout
    assert "debug" in done.stdout
    document = json.loads(podvm("diff", built, other, "--json").stdout)
    assert document["equal"] is False
    assert document["differences"][0]["what"] == "variant"


def test_image_is_equal_to_itself(built: Path) -> None:
    assert json.loads(podvm("diff", built, built, "--json").stdout)["equal"] is True


def test_published_image_is_the_one_that_was_built(built: Path, tmp_path: Path) -> None:
    wanted = str(publish.digest(built))
    done = podvm("publish", built, tmp_path / "store", "--expect", wanted, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["digest"] == wanted


def test_changed_image_is_refused_with_its_reason(built: Path, tmp_path: Path) -> None:
    (built / image.ROOT).write_bytes(b"other")
    done = podvm("publish", built, tmp_path / "store", "--json")
    assert done.returncode == 1
    refused = json.loads(done.stdout)["refused"]
    assert "root.img" in refused["claim"]
    assert refused["got"] != refused["expected"]
    assert not (tmp_path / "store").exists()


def test_image_of_somebody_else_is_refused(built: Path, tmp_path: Path) -> None:
    done = podvm("publish", built, tmp_path / "store", "--expect", f"sha256:{'00' * 32}")
    assert done.returncode == 1
    assert "written down by its builder" in done.stderr


def test_older_firmware_and_hosts_of_tds_are_foretold_by_a_switch(tmp_path: Path) -> None:
    ovmf = Path("/usr/share/ovmf/OVMF.fd")
    if not ovmf.exists():
        pytest.skip("no /usr/share/ovmf/OVMF.fd: apt-get install ovmf")
    folder = small_image(tmp_path / "image", uki=tiny_uki())

    def measured(*switches: str) -> dict[str, str]:
        words = ("--platform", "tdx", "--firmware", str(ovmf), *switches, "--json")
        found: dict[str, str] = json.loads(podvm("measure", folder, *words).stdout)["measurements"]
        return found

    new = measured()
    for switches, register in (
        (("--separator", "rtmr-0"), "rtmr_1"),
        (("--order", "pages-first"), "mr_td"),
    ):
        old = measured(*switches)
        assert [name for name in new if new[name] != old[name]] == [register]
    assert "edk2-stable202411" in " ".join(podvm("measure", "--help").stdout.split())


@pytest.mark.parametrize(
    "arguments",
    [
        ("diff", "/nowhere", "/nowhere"),
        ("measure", "EMPTY"),
        ("publish", "EMPTY", "PLACE"),
        ("publish", "IMAGE", "PLACE", "--expect", "nonsense"),
        ("publish", "IMAGE", "EMPTY"),
    ],
)
def test_mistakes_are_told_in_words(
    built: Path, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    (tmp_path / "empty").mkdir()
    places = {"EMPTY": tmp_path / "empty", "IMAGE": built, "PLACE": tmp_path / "place"}
    done = podvm(*(places.get(word, word) for word in arguments))
    assert done.returncode == 2, done.stderr
    assert "internal error" not in done.stderr
    assert not (tmp_path / "place").exists()
