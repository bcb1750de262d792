"""``casemate kbs``, every verb, against a Trustee that runs."""

import base64
import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from casemate.net import ports
from casemate.trustee.found import found
from tests.trustee.test_server import CASEMATE, served


@dataclass
class Kbs:
    folder: Path
    port: int

    def run(self, *arguments: str, data: bytes = b"", owner: bool = True) -> Any:
        environment = {
            "CASEMATE_KBS_URL": f"https://127.0.0.1:{self.port}",
            "CASEMATE_KBS_CA": str(self.folder / "ca.pem"),
        }
        if owner:
            environment["CASEMATE_KBS_ADMIN_KEY"] = str(self.folder / "admin.key")
        return subprocess.run(
            [*CASEMATE, "kbs", *arguments],
            env=os.environ | environment | {"AA_TPM_DEVICE": "/nonexistent"},
            input=data,
            capture_output=True,
            check=False,
            timeout=60,
        )

    def json(self, *arguments: str, data: bytes = b"") -> Any:
        done = self.run(*arguments, "--json", data=data)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture(scope="module")
def kbs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kbs]:
    folder = tmp_path_factory.mktemp("commands") / "trustee"
    found(folder)
    port = ports.free()
    with served(folder, port, PROFILE="development", SAMPLE="true", RESOURCE_POLICY="allow_all"):
        yield Kbs(folder, port)


def test_a_secret_goes_in_and_comes_out(kbs: Kbs) -> None:
    assert kbs.json("set", "default/key/1", "-", data=b"hunter2")["bytes"] == 7
    assert kbs.json("list") == ["default/key/1"]
    got = kbs.run("get", "default/key/1", owner=False)
    if got.returncode == 1 and b"tpm" in got.stderr:
        pytest.skip("this machine has a TPM, whose platform the Trustee does not know")
    assert got.stdout == b"hunter2"
    value = kbs.json("get", "default/key/1")["value"]
    assert base64.b64decode(value) == b"hunter2"
    assert kbs.json("delete", "default/key/1")["removed"] is True


def test_a_token_is_explained(kbs: Kbs) -> None:
    token = kbs.run("attest", owner=False).stdout
    explained = kbs.run("explain", "-", data=token)
    assert explained.stdout.startswith(b"cpu0: contraindicated")
    assert b"launch_digest" in explained.stdout
    assert kbs.json("explain", "-", data=token)[0]["name"] == "cpu0"


def test_policies_and_reference_values(kbs: Kbs, tmp_path: Path) -> None:
    rule = tmp_path / "policy.rego"
    rule.write_text("package policy\ndefault allow := true\n")
    assert kbs.json("policy", "set", "resource", str(rule))["in_force"] is True
    assert kbs.run("policy", "get", "resource").stdout.decode() == rule.read_text()
    assert "executables" in kbs.json("policy", "get", "attestation")["policy"]
    values = json.dumps({"tpm_pcr11": ["aa"]}).encode()
    assert kbs.json("reference", "set", "-", data=values)["names"] == ["tpm_pcr11"]
    assert kbs.json("reference", "get", "tpm_pcr11") == ["aa"]
    assert kbs.run("reference", "list").stdout == b'tpm_pcr11\t["aa"]\n'
    assert kbs.json("reference", "delete", "tpm_pcr11")["removed"] is True
    assert kbs.json("reference", "list") == {}


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("get", "default/key/none"), 1, "no such resource"),
        (("list",), 1, "bearer"),
        (("set", "../x", "-"), 1, "bearer"),
        (("set", "default/key/1", "nosuchfile"), 2, "nosuchfile"),
        (("reference", "set", "-"), 2, "JSON object"),
        (("explain", "-"), 2, "JWT"),
        (("--url", "http://127.0.0.1:1", "list"), 2, "https"),
        (("--url", "https://127.0.0.1:1", "list"), 2, "127.0.0.1:1"),
        (("--ca", "nosuch.pem", "list"), 2, "nosuch.pem"),
        (("policy", "set", "nosuch", "-"), 2, "nosuch"),
    ],
)
def test_failures_have_their_status_and_their_reason(
    kbs: Kbs, arguments: tuple[str, ...], status: int, words: str
) -> None:
    done = kbs.run(*arguments, owner=False)
    assert done.returncode == status, done.stderr
    assert words in done.stderr.decode()
    assert b"Traceback" not in done.stderr
