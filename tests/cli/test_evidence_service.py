"""``casemate evidence verify --from``: a service on trial, from the command line."""

import json
from pathlib import Path

import pytest

from casemate.cli.main import run
from casemate.crypto.keys import Kind, PrivateKey
from tests.sim.attested_service import PLATFORM, TPM, Service, serving

VALUES = {f"tpm_pcr{n:02}": [TPM.pcrs[n].hex()] for n in (0, 1, 2, 3, 4, 5, 6, 7, 9, 11)}


@pytest.fixture
def service() -> Service:
    key = PrivateKey.generate(Kind.P256)
    return Service(key=key, attested=key)


def arguments(service: Service, folder: Path, *more: str) -> list[str]:
    (folder / "ca.pem").write_bytes(PLATFORM.certificate_pem)
    (folder / "values.json").write_text(json.dumps(VALUES))
    return [
        *("evidence", "verify", "--from", service.url, "--ca", str(folder / "ca.pem")),
        *("--reference-values", str(folder / "values.json"), "--json", *more),
    ]


def test_service_that_is_what_it_must_be_may_be_sent_data(
    service: Service, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(service, tmp_path):
        assert run(arguments(service, tmp_path, "--accept-warning", "--fresh")) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["verdict"], told["tee"], told["fresh"]) == ("verified", "tpm", True)
    assert run(["evidence", "verify", "--from", "https://127.0.0.1:1"]) == 2


def test_service_that_is_not_is_refused_with_the_reason(
    service: Service, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(service, tmp_path):
        assert run(arguments(service, tmp_path)) == 1
        told = json.loads(capsys.readouterr().out)
        assert (told["verdict"], told["claim"], told["got"]) == ("refused", "verdict", "warning")
        service.attested = PrivateKey.generate(Kind.P256)
        assert run(arguments(service, tmp_path, "--accept-warning")) == 1
        assert json.loads(capsys.readouterr().out)["step"] == "tpm.8 nonce"


@pytest.mark.parametrize("url", ["http://127.0.0.1", "https://", "127.0.0.1", "https://[::1"])
def test_address_that_cannot_be_meant_is_the_callers_mistake(url: str) -> None:
    assert run(["evidence", "verify", "--from", url]) == 2


def test_either_a_file_or_a_service_is_verified(tmp_path: Path) -> None:
    assert run(["evidence", "verify"]) == 2
    file = tmp_path / "evidence.json"
    file.write_text("{}")
    assert run(["evidence", "verify", str(file), "--from", "https://127.0.0.1"]) == 2
