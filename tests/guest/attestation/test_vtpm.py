from datetime import UTC, datetime
from pathlib import Path

import pytest
import tomli_w

from casemate.crypto.authority import CertificateAuthority
from casemate.crypto.digest import sha256
from casemate.errors import VerificationError
from casemate.guest.attestation import serve
from casemate.guest.attestation.agent import AttestationAgent
from casemate.guest.attestation.measurements import Measurements, Outcome
from casemate.guest.attestation.settings import parse
from casemate.guest.reporting import Stations
from casemate.tee.anchors import Anchors
from casemate.tee.evidence import Expectation, Inputs, VerifiedEvidence
from casemate.tee.verifiers import verify
from casemate.tee.vtpm.attester import TpmAttester
from casemate.wire import aael, initdata, kbs
from casemate.wire.console import ConsoleEvent
from casemate.wire.eventlog import EventLog
from casemate.wire.tpm import ALG_SHA256
from tests.sim import broker as sim
from tests.sim.swtpm import booted, manufactured, require_swtpm

PLATFORM = CertificateAuthority.create("platform")
EMPTY_LOG = EventLog(((ALG_SHA256, 32),), ()).encode()


@pytest.fixture
def state(tmp_path: Path) -> Path:
    require_swtpm()
    manufactured(tmp_path / "tpm", PLATFORM)
    return tmp_path / "tpm"


def verified(attestation: kbs.Attestation) -> VerifiedEvidence:
    """Do what the Trustee does with what the guest sent."""
    assert attestation.init_data is not None
    expected = Expectation(
        report_data=kbs.report_data(attestation.runtime_data, "").value,
        init_data=sha256(attestation.init_data.body.encode()),
    )
    (found,) = verify(
        "tpm",
        bytes(attestation.tee_evidence.primary_evidence),
        expected,
        Inputs(now=datetime.now(UTC), anchors=Anchors(ak_authorities=(PLATFORM.certificate_pem,))),
    )
    return found


def document(url: str) -> initdata.Initdata:
    pinned = {"url": url, "cert": sim.AUTHORITY.certificate_pem.decode()}
    settings = {
        "token_configs": {"kbs": pinned},
        "eventlog_config": {"enable_eventlog": True, "init_pcr": 14},
    }
    return initdata.build({"aa.toml": tomli_w.dumps(settings)})


def agent(
    attester: TpmAttester, data: initdata.Initdata, log: Path | None = None
) -> AttestationAgent:
    events: list[ConsoleEvent] = []
    settings = parse(data.data[serve.DOCUMENT])
    measured = Measurements(attester, settings.eventlog_config, log=log) if log else None
    return AttestationAgent(
        settings, attester, data, Stations(events.append), measurements=measured
    )


async def test_quote_speaks_for_key_nonce_and_initdata(state: Path) -> None:
    async with sim.running() as broker:
        with booted(state) as transport:
            attester, data = TpmAttester(transport, event_log=EMPTY_LOG), document(broker.url)
            attester.bind_init_data(data.digest)
            served = agent(attester, data)
            await served.passport()
            await served.close()
        assert kbs.parse_request(broker.requests[0].body).tee == "tpm"
        sent = kbs.parse_attestation(broker.requests[-1].body)
    assert verified(sent).init_data is not None


async def test_measured_pull_still_replays(state: Path, tmp_path: Path) -> None:
    content = aael.pull_image_content("registry.test/app:1", "sha256:00")
    event = aael.tagged_event("github.com/confidential-containers", "PullImage", content)
    async with sim.running() as broker:
        with booted(state) as transport:
            attester, data = TpmAttester(transport, event_log=EMPTY_LOG), document(broker.url)
            attester.bind_init_data(data.digest)
            served = agent(attester, data, tmp_path / "eventlog")
            words = ("github.com/confidential-containers", "PullImage", content)
            assert served.extend(*words) is Outcome.DONE
            await served.passport()
            await served.close()
        sent = kbs.parse_attestation(broker.requests[-1].body)
    register = sha256(bytes(32) + sha256(event).value).hex
    assert verified(sent).claims["pcr14"] == register


async def test_initdata_other_than_the_bound_one_is_found_out(state: Path) -> None:
    async with sim.running() as broker:
        with booted(state) as transport:
            attester, data = TpmAttester(transport, event_log=EMPTY_LOG), document(broker.url)
            attester.bind_init_data(sha256(b"what the host swapped in"))
            served = agent(attester, data)
            await served.passport()
            await served.close()
        sent = kbs.parse_attestation(broker.requests[-1].body)
    with pytest.raises(VerificationError) as caught:
        verified(sent)
    assert caught.value.refusal.step == "tpm.11 initdata"
