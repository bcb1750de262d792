"""The Trustee as a process: HTTPS, limits, signals, and what it says when it cannot start."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from casemate.crypto.keys import PrivateKey
from casemate.errors import CasemateError, InputError, PeerError, VerificationError
from casemate.net import ports
from casemate.net.http import HttpClient
from casemate.net.kbs_admin import KbsAdmin
from casemate.trustee.found import found
from casemate.trustee.serve import Trustee

CASEMATE = [sys.executable, "-m", "casemate.cli.main"]


@contextmanager
def served(
    folder: Path, port: int, *, only: str = "", **environment: str
) -> Iterator["subprocess.Popen[str]"]:
    names = {f"CASEMATE_TRUSTEE_{name}": value for name, value in environment.items()}
    part = ["--only", only] if only else []
    process = subprocess.Popen(
        [*CASEMATE, "trustee", "serve", "--config", str(folder / "trustee.toml"), *part],
        env=os.environ | {"CASEMATE_TRUSTEE_HTTP_PORT": str(port)} | names,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        line = process.stderr.readline()
        scheme = "grpc" if only else "https"
        assert line == f"Trustee at {scheme}://127.0.0.1:{port}\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def admin(folder: Path, http: HttpClient, port: int) -> KbsAdmin:
    key = PrivateKey.from_pem((folder / "admin.key").read_bytes())
    return KbsAdmin(http, f"https://127.0.0.1:{port}", key)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("server") / "trustee"
    found(place)
    return place


async def test_served_killed_and_served_again(folder: Path) -> None:
    port = ports.free()
    anchors = (folder / "ca.pem").read_text()
    url = f"https://127.0.0.1:{port}"
    with served(folder, port) as process:
        async with HttpClient(anchors_pem=anchors) as http:
            assert (await http.request("GET", f"{url}/healthz")).status == 200
            await admin(folder, http, port).set_resource("default/key/kept", b"kept")
            big = await http.request("POST", f"{url}/kbs/v0/auth", (), b" " * (2 << 20))
            assert big.status == 401
            bigger = await http.request("POST", f"{url}/kbs/v0/auth", (), b" " * ((2 << 20) + 1))
            assert bigger.status == 413

            async def endless() -> "Iterator[bytes]":  # type: ignore[misc]
                for _ in range(40):
                    yield b" " * 65536

            chunked = await http.request("POST", f"{url}/kbs/v0/auth", (), endless())  # type: ignore[arg-type]
            assert chunked.status == 413

            async def without_end() -> "Iterator[bytes]":  # type: ignore[misc]
                while True:
                    yield b" " * 65536

            with suppress(PeerError):  # hung up on, with or without having seen why
                never = await http.request("POST", f"{url}/kbs/v0/auth", (), without_end())  # type: ignore[arg-type]
                assert never.status == 413
        async with HttpClient(anchors_pem=None) as stranger:
            with pytest.raises(VerificationError):
                await stranger.request("GET", f"{url}/healthz")
        process.send_signal(signal.SIGKILL)
        process.wait()
    with served(folder, port) as process:
        async with HttpClient(anchors_pem=anchors) as http:
            owner = admin(folder, http, port)
            assert await owner.resources() == ["default/key/kept"]
            await owner.register({"a": [1]})
            assert await owner.reference_values() == {"a": [1]}
            assert await owner.reference_value("a") == [1]
            await owner.set_resource_policy("package policy\ndefault allow := false")
            assert "allow := false" in await owner.resource_policy()
            with pytest.raises(VerificationError, match=r"compiles"):
                await owner.set_attestation_policy("nonsense")
            assert "default_cpu" in await owner.attestation_policy()
            await owner.delete_reference_value("a")
            await owner.delete_resource("default/key/kept")
            assert await owner.resources() == []
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0


def test_a_port_in_use_is_said_and_ends_with_2(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            [*CASEMATE, "trustee", "serve", "--config", str(folder / "trustee.toml")],
            env=os.environ | {"CASEMATE_TRUSTEE_HTTP_PORT": str(port)},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 2
    assert f"port {port} for the Trustee: got in use" in done.stderr


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"HTTP_HOST": "192.0.2.1"}, "at 192.0.2.1"),
        ({"HTTP_KEY": "token.key"}, "its own key"),
        ({"HTTP_KEY": "trustee.toml"}, "PEM"),
        ({"HTTP_CERTIFICATE": "nosuch.pem"}, "nosuch.pem"),
        ({"STORAGE": "trustee.toml"}, "database"),
    ],
)
def test_what_cannot_be_served_is_said_and_ends_with_2(
    folder: Path, environment: dict[str, str], words: str
) -> None:
    names = {f"CASEMATE_TRUSTEE_{name}": value for name, value in environment.items()}
    done = subprocess.run(
        [*CASEMATE, "trustee", "serve", "--config", str(folder / "trustee.toml")],
        env=os.environ | {"CASEMATE_TRUSTEE_HTTP_PORT": "0"} | names,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr


def test_found_prints_what_it_made_and_never_overwrites(tmp_path: Path) -> None:
    argv = [
        *CASEMATE,
        "trustee",
        "init",
        str(tmp_path / "t"),
        "--name",
        "trustee.example",
        "--json",
    ]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert "admin.key" in json.loads(done.stdout)["files"]
    for name in ("ca.key", "server.key", "token.key", "admin.key"):
        assert (tmp_path / "t" / name).stat().st_mode & 0o777 == 0o600
    again = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert again.returncode == 2


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"profile": "staging"}, "production or development"),
        ({"sample": True}, "false in profile production"),
        ({"resource_policy": "nosuch"}, "deny_all"),
        ({"admin.acls": ["x"]}, "role="),
        ({"ak_authorities": ["nosuch.pem"]}, "readable"),
        ({"token.key": "admin.key"}, "P-256"),
        ({"token.key": "server.key"}, "that of token.key"),
        ({"token.certificate": "server.pem"}, "that of token.key"),
        ({"nosuch": 1}, "known setting"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(
    folder: Path, settings: dict[str, object], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        Trustee.build(folder / "trustee.toml", environment={}, overrides=settings)


def test_a_missing_settings_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CasemateError):
        Trustee.build(tmp_path / "nosuch.toml", environment={})
