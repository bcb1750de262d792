"""tpm2-tools as a second opinion on our quotes, and on our reading of a TPM."""

import shutil
from pathlib import Path

import msgspec
import pytest

from casemate.crypto.authority import CertificateAuthority
from casemate.crypto.keys import PublicKey
from casemate.linux.program import run
from casemate.tee.vtpm.attester import TpmAttester
from casemate.tee.vtpm.fake import SoftwareTpm
from casemate.tee.vtpm.report import TpmEvidence
from tests.sim.swtpm import booted, manufactured, require_swtpm

AUTHORITY = CertificateAuthority.create("platform")
NONCE = b"a nonce of the oracle"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    if shutil.which("tpm2_checkquote") is None:
        pytest.skip("no tpm2_checkquote: apt-get install tpm2-tools")
    return tmp_path


def accepted(folder: Path, evidence: bytes, nonce: bytes) -> bool:
    parsed = msgspec.json.decode(evidence, type=TpmEvidence)
    (folder / "message").write_bytes(parsed.tpm_quote.message)
    (folder / "signature").write_bytes(parsed.tpm_quote.signature)
    (folder / "key.pem").write_bytes(PublicKey.from_der(parsed.ak_public).pem())
    done = run(
        [
            "tpm2_checkquote",
            *("-u", folder / "key.pem", "-m", folder / "message"),
            *("-s", folder / "signature", "-q", nonce.ljust(32, b"\0").hex()),
        ],
        timeout=20,
        check=False,
    )
    return done.status == 0


def test_quote_of_an_emulated_tpm_is_a_quote(folder: Path) -> None:
    require_swtpm()
    manufactured(folder / "tpm", AUTHORITY)
    with booted(folder / "tpm") as transport:
        evidence = TpmAttester(transport).evidence(NONCE)
    assert accepted(folder, evidence, NONCE)
    assert not accepted(folder, evidence, b"another")


def test_quote_of_the_software_tpm_is_a_quote(folder: Path) -> None:
    evidence = SoftwareTpm(AUTHORITY).evidence(NONCE)
    assert accepted(folder, evidence, NONCE)
    assert not accepted(folder, evidence, b"another")
