import json
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from casemate.net import ports

CASEMATE = [sys.executable, "-P", "-m", "casemate.cli.main"]


def casemate(*arguments: str | Path, user: int | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*CASEMATE, *map(str, arguments)],
        env={**os.environ, "HOME": "/nonexistent"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        user=user,
    )


def assert_mistake(done: subprocess.CompletedProcess[str], *words: str) -> None:
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert "internal error" not in done.stderr
    assert all(word in done.stderr for word in words), done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("pod", "run", "--nonsense"),
        ("pod", "run"),
        ("pod", "logs"),
        ("image", "push"),
        ("kbs", "set"),
        ("kbs", "policy", "set", "nonsense", "x"),
        ("trustee", "serve"),
        ("bench", "nonsense"),
        ("attack", "run", "nonsense"),
        ("up", "--registry-port", "99999"),
        ("podvm", "build", "--variant", "nonsense"),
    ],
)
def test_words_that_cannot_be_meant(tmp_path: Path, arguments: Sequence[str]) -> None:
    state = ("--state", tmp_path) if arguments[0] in {"pod", "attack", "up"} else ()
    assert_mistake(casemate(*arguments, *state))


@pytest.mark.parametrize(
    "arguments",
    [
        ("kbs", "set", "\udcff/b/c", "/dev/null"),
        ("kbs", "reference", "delete", "\udcff"),
        ("image", "build", "LAYOUT", "--name", "\udcff"),
        ("trustee", "init", "LAYOUT", "--name", "\udcff"),
        ("trustee", "init", "LAYOUT", "--name", "a b"),
    ],
)
def test_name_that_is_none_is_refused(tmp_path: Path, arguments: Sequence[str]) -> None:
    words = [str(tmp_path / "new") if word == "LAYOUT" else word for word in arguments]
    assert_mistake(casemate(*words))


@pytest.mark.parametrize(
    "arguments",
    [
        ("pod", "run", "--initdata", "FILE", "localhost:1/a:1"),
        ("pod", "run", "-f", "FILE"),
        ("initdata", "show", "FILE"),
        ("initdata", "build", "FILE"),
        ("image", "sign", "localhost:1/a:1", "--key", "FILE"),
        ("image", "push", "FILE", "localhost:1/a:1"),
        ("kbs", "--ca", "FILE", "set", "a/b/c", "-"),
        ("kbs", "reference", "set", "FILE"),
        ("trustee", "serve", "--config", "FILE"),
        ("adaptor", "serve", "--config", "FILE"),
        ("evidence", "show", "FILE"),
        ("podvm", "diff", "FILE", "FILE"),
    ],
)
def test_missing_file_is_named(tmp_path: Path, arguments: Sequence[str]) -> None:
    missing = tmp_path / "missing"
    words = [str(missing) if word == "FILE" else word for word in arguments]
    assert_mistake(casemate(*words), "missing")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("initdata", "show", "FILE"), "version = "),
        (("pod", "run", "--initdata", "FILE", "localhost:1/a:1"), "{}"),
        (("pod", "run", "-f", "FILE"), "kind: [unclosed"),
        (("pod", "run", "-f", "FILE"), "kind: Deployment"),
        (("pod", "run", "-f", "FILE"), "- a\n- b\n"),
        (("trustee", "serve", "--config", "FILE"), "= nonsense"),
        (("trustee", "serve", "--config", "FILE"), "nonsense = 1"),
        (("trustee", "serve", "--config", "FILE"), '[http]\nport = "many"'),
        (("trustee", "serve", "--config", "FILE"), "a = " + "[" * 5000),
        (("trustee", "serve", "--config", "FILE"), "a = " + "{k.k.k.k.k = " * 250),
        (("trustee", "serve", "--config", "FILE"), "a = " + "9" * 5000),
        (("adaptor", "serve", "--config", "FILE"), "nonsense = 1"),
        (("kbs", "reference", "set", "FILE"), "[1, 2"),
        (("kbs", "reference", "set", "FILE"), "[1, 2]"),
        (("kbs", "reference", "set", "FILE"), '{"a": ' + "[" * 5000),
        (("evidence", "show", "FILE"), '{"a": ' + "[" * 5000),
        (("evidence", "show", "FILE"), "{"),
        (("trustee", "serve", "--config", "FILE"), "a" + ".a" * 5000 + " = 1"),
        (("image", "sign", "localhost:1/a:1", "--key", "FILE"), "no key"),
        (("image", "inspect", "localhost:1/a:1", "--ca", "FILE"), "\udcff"),
        (("kbs", "--ca", "FILE", "list"), "\udcff"),
        (("kbs", "policy", "set", "resource", "FILE"), "\udcff"),
        (("kbs", "explain", "FILE"), "\udcff"),
        (("kbs", "attest", "--initdata", "FILE"), "\udcff"),
        (("evidence", "replay", "FILE", "--policy", "FILE"), "\udcff"),
    ],
)
def test_malformed_document_is_refused(tmp_path: Path, arguments: Sequence[str], text: str) -> None:
    file = tmp_path / "document"
    file.write_text(text, errors="surrogateescape")
    words = [str(file) if word == "FILE" else word for word in arguments]
    done = casemate(*words)
    assert done.returncode in {1, 2}, done.stderr
    assert "internal error" not in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.strip()


@pytest.mark.parametrize(
    "arguments",
    [
        ("initdata", "show", "/dev/zero"),
        ("kbs", "explain", "/dev/zero"),
        ("trustee", "serve", "--config", "/dev/zero"),
        ("image", "inspect", "localhost:1/a:1", "--authfile", "/dev/zero"),
        ("evidence", "show", "/dev/zero"),
        ("evidence", "collateral", "import", "/dev/zero"),
    ],
)
def test_file_without_an_end_is_not_read_to_it(arguments: Sequence[str]) -> None:
    assert_mistake(casemate(*arguments), "/dev/zero", "larger file", "at most")


@pytest.mark.parametrize(
    "arguments",
    [
        ("initdata", "show", "FILE", "--json"),
        ("image", "keygen", "FILE", "--json"),
        ("podvm", "diff", "FOLDER", "FOLDER", "--json"),
    ],
)
def test_file_whose_name_is_no_text_is_named_as_well_as_it_can_be(
    tmp_path: Path, arguments: Sequence[str]
) -> None:
    (tmp_path / "a\udcff").write_text("= no document")
    (tmp_path / "b\udcff").mkdir()
    places = {"FILE": tmp_path / "a\udcff", "FOLDER": tmp_path / "b\udcff"}
    done = casemate(*(places.get(word, word) for word in arguments))
    assert_mistake(done)
    assert json.loads(done.stdout)["ok"] is False


def test_unreachable_registry_is_named(tmp_path: Path) -> None:
    assert casemate("image", "build", tmp_path / "app").returncode == 0
    done = casemate("image", "push", tmp_path / "app", f"localhost:{ports.free()}/a:1")
    assert_mistake(done, "localhost")


def test_unreachable_trustee_is_named(tmp_path: Path) -> None:
    casemate("trustee", "init", tmp_path / "trustee")
    place = tmp_path / "trustee"
    url = f"https://127.0.0.1:{ports.free()}"
    keys = ("--ca", place / "ca.pem", "--admin-key", place / "admin.key")
    assert_mistake(casemate("kbs", "--url", url, *keys, "set", "a/b/c", "-"), "127.0.0.1")


def test_port_in_use_is_named_and_nothing_is_started(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        done = casemate("up", "--state", tmp_path, "--trustee-port", str(port))
    assert_mistake(done, f"port {port}", "in use")
    listed = json.loads(casemate("status", "--state", tmp_path, "--json").stdout)
    assert not any(service["running"] for service in listed)


def test_pod_without_a_stack_says_what_to_do(tmp_path: Path) -> None:
    done = casemate("pod", "run", "--state", tmp_path, "localhost:1/a:1")
    assert_mistake(done, "casemate up")


def test_state_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert_mistake(casemate("up", "--state", tmp_path / "file" / "state"), "file")


@pytest.mark.root
def test_other_user_can_look_without_root() -> None:
    if not os.access(sys.executable, os.X_OK) or _hidden(Path(sys.executable)):
        pytest.skip("the interpreter stands where other users cannot look")
    assert casemate("attack", "list", user=65534).returncode == 0


def _hidden(path: Path) -> bool:
    return any(not folder.stat().st_mode & 0o001 for folder in path.resolve().parents)
