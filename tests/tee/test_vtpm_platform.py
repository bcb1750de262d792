from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from casemate.crypto.authority import CertificateAuthority
from casemate.crypto.digest import sha256
from casemate.errors import HostError, InputError, VerificationError
from casemate.linux.swtpm import emulated_tpm
from casemate.tee.anchors import Anchors
from casemate.tee.evidence import Expectation, Inputs
from casemate.tee.verifiers import verify
from casemate.tee.vtpm.attester import TpmAttester
from casemate.tee.vtpm.platform import manufacture
from casemate.tee.vtpm.report import AK_CERTIFICATE_INDEX, AK_HANDLE
from casemate.tee.vtpm.tpm import Tpm
from casemate.wire import tpm_command as commands
from casemate.wire.eventlog import EventLog
from casemate.wire.tpm import ALG_SHA256, RsaPublic
from tests.sim.swtpm import booted, manufactured, require_swtpm

AUTHORITY = CertificateAuthority.create("platform")
ANCHORS = Anchors(ak_authorities=(AUTHORITY.certificate_pem,))
EMPTY_LOG = EventLog(((ALG_SHA256, 32),), ()).encode()
NOW = datetime.now(UTC)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    require_swtpm()
    manufactured(tmp_path / "tpm", AUTHORITY)
    return tmp_path / "tpm"


def test_manufactured_tpm_attests_and_verifies(state: Path) -> None:
    digest = sha256(b"initdata")
    with booted(state) as transport:
        attester = TpmAttester(transport, event_log=EMPTY_LOG)
        attester.bind_init_data(digest)
        attester.extend(14, sha256(b"event").value, b"event")
        evidence = attester.evidence(b"nonce")
    expected = Expectation(report_data=b"nonce", init_data=digest)
    (found,) = verify("tpm", evidence, expected, Inputs(now=NOW, anchors=ANCHORS))
    assert found.claims["pcr14"] != "00" * 32


def test_identity_survives_a_reset(state: Path) -> None:
    with booted(state) as transport:
        first = Tpm(transport).public(AK_HANDLE)
        transport.reset()
        Tpm(transport).start()
        assert Tpm(transport).public(AK_HANDLE) == first


def test_certificate_lies_in_the_tpm(tmp_path: Path) -> None:
    require_swtpm()
    made = manufactured(tmp_path / "tpm", AUTHORITY)
    with booted(tmp_path / "tpm") as transport:
        assert Tpm(transport).read_nv(AK_CERTIFICATE_INDEX) == made.ak_certificate
        assert Tpm(transport).public(AK_HANDLE).spki() == made.ak_public


def test_initdata_is_bound_once(state: Path) -> None:
    with booted(state) as transport:
        attester = TpmAttester(transport)
        attester.bind_init_data(sha256(b"one"))
        with pytest.raises(HostError):
            attester.bind_init_data(sha256(b"two"))


def test_initdata_register_is_no_runtime_register(state: Path) -> None:
    with booted(state) as transport, pytest.raises(InputError):
        TpmAttester(transport).extend(8, bytes(32))


def test_key_of_another_machine_does_not_serve(state: Path, tmp_path: Path) -> None:
    other = manufactured(tmp_path / "other", AUTHORITY)
    with booted(state) as transport:
        attester = TpmAttester(transport, event_log=EMPTY_LOG)
        evidence = attester.evidence(b"nonce")
    expected = Expectation(report_data=b"nonce")
    swapped = msgspec.json.decode(evidence) | {
        "ak_certificate": msgspec.to_builtins(other.ak_certificate),
        "ak_public": msgspec.to_builtins(other.ak_public),
    }
    with pytest.raises(VerificationError) as caught:
        verify("tpm", msgspec.json.encode(swapped), expected, Inputs(now=NOW, anchors=ANCHORS))
    assert caught.value.refusal.step == "tpm.5 signature"


def test_manufacture_happens_once(state: Path) -> None:
    with emulated_tpm(state) as transport, pytest.raises(HostError):
        manufacture(transport, AUTHORITY)


def test_relative_state_path_is_refused() -> None:
    with pytest.raises(InputError), emulated_tpm(Path("tpm")):
        pass


def test_tpm_nobody_certified_still_quotes_and_is_refused(tmp_path: Path) -> None:
    require_swtpm()
    with emulated_tpm(tmp_path) as transport:
        tpm = Tpm(transport)
        tpm.start()
        made = tpm.run(commands.create_primary(commands.RH_ENDORSEMENT, RsaPublic()))
        attester = TpmAttester(transport, event_log=EMPTY_LOG, ak_handle=made.handle)
        evidence = attester.evidence(b"nonce")
    with pytest.raises(VerificationError) as caught:
        verify("tpm", evidence, Expectation(report_data=b"nonce"), Inputs(now=NOW, anchors=ANCHORS))
    assert caught.value.refusal.step == "tpm.2 certificate"
