import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from casemate.cli.main import run
from casemate.workload import application
from tests.sim.registry import RunningRegistry, registry

pytestmark = pytest.mark.skipif(
    not application.BUSYBOX.exists(), reason="no busybox-static: apt-get install busybox-static"
)

KEY_ID = "kbs:///default/image-key/demo"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRegistry]:
    with registry(tmp_path_factory.mktemp("registry")) as made:
        yield made


def test_the_owners_road(
    running: RunningRegistry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ca = ["--ca", str(running.folder / "ca.crt")]
    image = f"{running.host}/demo/app:1"
    plain, sealed, kek = (str(tmp_path / name) for name in ("plain", "sealed", "kek"))
    signer = str(tmp_path / "cosign.key")
    assert run(["image", "build", plain]) == 0
    encrypt = ["image", "encrypt", plain, sealed, "--key-id", KEY_ID, "--key-file", kek]
    assert run([*encrypt, "--layer", "1"]) == 0
    assert Path(kek).stat().st_mode & 0o777 == 0o600
    assert run(["image", "push", sealed, image, *ca]) == 0
    assert run(["image", "keygen", signer]) == 0
    assert run(["image", "verify", image, "--key", f"{signer}.pub", *ca]) == 1
    assert run(["image", "sign", image, "--key", signer, *ca]) == 0
    assert run(["image", "verify", image, "--key", f"{signer}.pub", *ca]) == 0
    capsys.readouterr()
    assert run(["image", "inspect", image, "--json", *ca]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert [layer["encrypted"] for layer in facts["layers"]] == [False, True]
    assert facts["layers"][1]["key_ids"] == [KEY_ID]
    assert facts["signatures"] == 1
    assert run(["image", "inspect", sealed]) == 0
    assert "1 of 2 layers encrypted" in capsys.readouterr().out


def test_pushing_in_the_clear_is_warned_of(
    running: RunningRegistry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(["image", "build", str(tmp_path / "plain")])
    image = f"{running.host}/demo/clear:1"
    ca = str(running.folder / "ca.crt")
    assert run(["image", "push", str(tmp_path / "plain"), image, "--ca", ca]) == 0
    assert "No layer is encrypted" in capsys.readouterr().err


def test_verify_refusal_is_a_value(
    running: RunningRegistry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ca = ["--ca", str(running.folder / "ca.crt")]
    image = f"{running.host}/demo/unsigned:1"
    run(["image", "build", str(tmp_path / "plain")])
    run(["image", "push", str(tmp_path / "plain"), image, *ca])
    run(["image", "keygen", str(tmp_path / "key")])
    capsys.readouterr()
    verify = ["image", "verify", image, "--key", str(tmp_path / "key.pub"), "--json", *ca]
    assert run(verify) == 1
    assert json.loads(capsys.readouterr().out)["refused"]["got"] == "no signature"


def test_policy_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["image", "policy", "localhost:5443/demo", "--key", "kbs:///default/c/d"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["default"] == [{"type": "reject"}]


@pytest.mark.parametrize(
    "arguments",
    [
        ["inspect", "localhost:1/x:1"],
        ["inspect", "Not A Name"],
        ["sign", "localhost:1/x:1", "--key", "/nonexistent"],
        ["verify", "localhost:1/x:1"],
        ["encrypt", "/nonexistent", "out", "--key-id", KEY_ID, "--key-file", "kek"],
        ["push", "/etc", "localhost:1/x:1"],
        ["push", "/etc/passwd", "localhost:1/x:1"],
    ],
)
def test_mistakes_end_with_two(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["image", *arguments]) == 2
    assert capsys.readouterr().err


def test_layout_half_made_is_not_left(tmp_path: Path) -> None:
    plain, sealed = str(tmp_path / "plain"), str(tmp_path / "sealed")
    run(["image", "build", plain])
    options = ["--key-id", KEY_ID, "--key-file", str(tmp_path / "kek")]
    assert run(["image", "encrypt", plain, sealed, "--layer", "7", *options]) == 2
    assert run(["image", "encrypt", plain, sealed, *options]) == 0
    assert run(["image", "encrypt", plain, sealed, *options]) == 2
    assert run(["image", "inspect", sealed]) == 0


def test_key_file_of_another_size_is_refused(tmp_path: Path) -> None:
    run(["image", "build", str(tmp_path / "plain")])
    (tmp_path / "kek").write_bytes(b"short")
    encrypt = ["image", "encrypt", str(tmp_path / "plain"), str(tmp_path / "sealed")]
    assert run([*encrypt, "--key-id", KEY_ID, "--key-file", str(tmp_path / "kek")]) == 2
    assert not (tmp_path / "sealed").exists()
