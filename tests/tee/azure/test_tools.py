"""tpm2-tools as a second opinion on what the Azure attester does to a TPM."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from casemate.crypto.keys import PublicKey
from casemate.tee.azure.attester import AK_HANDLE, REPORT_INDEX, USER_DATA_INDEX, Paravisor
from casemate.tee.azure.hcl import HclReport
from casemate.tee.vtpm.registers import quote_at_rest
from casemate.tee.vtpm.tpm import Tpm
from casemate.wire import tpm_command as commands
from casemate.wire.tpm import Quote, Signature
from tests.sim.swtpm_tcp import SharedTpm, require_tools, shared_tpm
from tests.tee.azure.machine import FakeParavisor, make_key

NONCE = bytes(range(48))


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedTpm]:
    require_tools()
    with shared_tpm(tmp_path_factory.mktemp("shared")) as found:
        make_key(Tpm(found.transport))
        yield found


@pytest.fixture
def tpm(shared: SharedTpm) -> Tpm:
    return Tpm(shared.transport)


def test_report_that_the_tools_wrote_is_read(shared: SharedTpm, tpm: Tpm) -> None:
    report = bytes(range(256)) * 8
    (shared.folder / "report").write_bytes(report)
    index = f"{REPORT_INDEX:#x}"
    shared.tool("tpm2_nvdefine", "-C", "o", "-s", str(len(report)), index)
    shared.tool("tpm2_nvwrite", "-C", "o", "-i", "report", index)
    assert Paravisor(tpm, lambda: None).report() == report
    tpm.drop_nv(REPORT_INDEX, by=commands.RH_OWNER)
    assert index not in shared.tool("tpm2_nvreadpublic")


def test_user_data_is_what_the_tools_read(shared: SharedTpm, tpm: Tpm) -> None:
    key = PublicKey.from_der(tpm.public(AK_HANDLE).spki()).jwk()
    fake = FakeParavisor(tpm, msgspec.structs.replace(key, kid="HCLAkPub"))  # type: ignore[arg-type]
    raw = Paravisor(tpm, fake.wait).report_with(NONCE)
    shared.tool("tpm2_nvread", "-C", "o", "-o", "user", f"{USER_DATA_INDEX:#x}")
    assert (shared.folder / "user").read_bytes() == NONCE.ljust(64, b"\0")
    shared.tool("tpm2_nvread", "-C", "o", "-o", "seen", f"{REPORT_INDEX:#x}")
    assert (shared.folder / "seen").read_bytes() == raw
    assert b"HCLAkPub" in HclReport.parse(raw).variable_data
    listed = shared.tool("tpm2_nvreadpublic", f"{USER_DATA_INDEX:#x}")
    assert "size: 64" in listed
    assert "ownerwrite|" in listed
    assert "ownerread" in listed


def test_registers_are_those_that_the_tools_see(shared: SharedTpm, tpm: Tpm) -> None:
    tpm.extend(14, bytes(range(32)))
    shared.tool("tpm2_pcrextend", f"14:sha256={bytes(32).hex()}")
    first = hashlib.sha256(bytes(32) + bytes(range(32))).digest()
    expected = hashlib.sha256(first + bytes(32)).digest()
    assert tpm.pcrs()[14] == expected
    assert expected.hex().upper() in shared.tool("tpm2_pcrread", "sha256:14")


def test_our_quote_is_one_to_the_tools(shared: SharedTpm, tpm: Tpm) -> None:
    quoted = quote_at_rest(tpm, AK_HANDLE, NONCE)
    write_key(shared.folder, tpm)
    (shared.folder / "message").write_bytes(quoted.message)
    (shared.folder / "signature").write_bytes(quoted.signature)
    words = ("tpm2_checkquote", "-u", "key.pem", "-m", "message", "-s", "signature", "-q")
    shared.tool(*words, NONCE.hex())


def test_quote_of_the_tools_is_one_to_us(shared: SharedTpm, tpm: Tpm) -> None:
    shared.tool(
        *("tpm2_quote", "-c", f"{AK_HANDLE:#x}", "-l", "sha256:all", "-q", NONCE.hex()),
        *("-m", "tools.message", "-s", "tools.signature", "-g", "sha256"),
    )
    message = (shared.folder / "tools.message").read_bytes()
    quote = Quote.parse(message)
    assert quote.extra_data == NONCE
    assert quote.pcr_digest == hashlib.sha256(b"".join(tpm.pcrs())).digest()
    signature = Signature.parse((shared.folder / "tools.signature").read_bytes())
    key = PublicKey.from_der(tpm.public(AK_HANDLE).spki())
    key.verify(signature.signature, message, "RS256")


def test_key_is_the_one_that_the_tools_read(shared: SharedTpm, tpm: Tpm) -> None:
    write_key(shared.folder, tpm)
    shared.tool(
        *("tpm2_readpublic", "-c", f"{AK_HANDLE:#x}", "-f", "pem", "-o", "seen.pem", "-n", "name")
    )
    seen = PublicKey.from_pem((shared.folder / "seen.pem").read_bytes())
    assert seen == PublicKey.from_pem((shared.folder / "key.pem").read_bytes())
    assert (shared.folder / "name").read_bytes() == tpm.public(AK_HANDLE).name


def write_key(folder: Path, tpm: Tpm) -> None:
    (folder / "key.pem").write_bytes(PublicKey.from_der(tpm.public(AK_HANDLE).spki()).pem())
