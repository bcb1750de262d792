"""Nothing leaves before the service is verified: real TLS, real HTTP, a software TPM behind it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from casemate.client.transport import AttestedTransport
from casemate.client.trust import ServiceTrust, VerifiedService
from casemate.crypto.authority import CertificateAuthority
from casemate.crypto.keys import Kind, PrivateKey
from casemate.crypto.x509 import Usage, split_pem
from casemate.errors import InputError, VerificationError
from casemate.tee.anchors import Anchors
from casemate.tee.evidence import Inputs
from casemate.trustee.attestation.policy import shipped
from casemate.trustee.attestation.signer import TokenSigner
from casemate.wire.token import Tier
from tests.sim.attested_service import PLATFORM, TPM, Service, self_signed, serving

VALUES = {f"tpm_pcr{n:02}": [TPM.pcrs[n].hex()] for n in (0, 1, 2, 3, 4, 5, 6, 7, 9, 11)}
TRUST = ServiceTrust(
    inputs=Inputs(
        now=datetime.now(UTC), anchors=Anchors(ak_authorities=(PLATFORM.certificate_pem,))
    ),
    policies={"cpu": shipped("default_cpu")},
    reference_values=VALUES,
    worst=Tier.WARNING,
)


@pytest.fixture
def service() -> Service:
    key = PrivateKey.generate(Kind.P256)
    return Service(key=key, attested=key)


@pytest.fixture
def running(service: Service, tmp_path: Path) -> Iterator[Service]:
    with serving(service, tmp_path) as found:
        yield found


def send(service: Service, trust: ServiceTrust = TRUST) -> list[VerifiedService]:
    found: list[VerifiedService] = []
    with httpx.Client(transport=AttestedTransport(trust, verified=found.append)) as client:
        answer = client.post(service.url + "/records", content=b"private")
        assert answer.json() == {"got": 7}
        assert client.get(service.url + "/").json() == "hello"
    return found


def refused(service: Service, trust: ServiceTrust = TRUST) -> str:
    with (
        httpx.Client(transport=AttestedTransport(trust)) as client,
        pytest.raises(VerificationError) as caught,
    ):
        client.post(service.url + "/records", content=b"private")
    assert service.received == [], "data left before the service was verified"
    return caught.value.refusal.claim


def test_attested_service_gets_the_data(running: Service) -> None:
    (found,) = send(running)
    assert (found.tee, found.proof, found.status, found.fresh) == (
        "tpm",
        "evidence",
        "warning",
        True,
    )
    assert running.received == [b"private"]


def test_verdict_worse_than_demanded_gets_nothing(running: Service) -> None:
    demanding = ServiceTrust(inputs=TRUST.inputs, policies=TRUST.policies, reference_values=VALUES)
    assert refused(running, demanding) == "verdict"


def test_service_that_booted_something_else_gets_nothing(running: Service) -> None:
    policy = shipped("default_cpu").replace(
        "default executables := 33", "default executables := 97"
    )
    others = {**VALUES, "tpm_pcr11": ["00" * 32], "tpm_pcr00": ["11" * 32]}
    trust = ServiceTrust(
        inputs=TRUST.inputs,
        policies={"cpu": policy},
        reference_values=others,
        worst=Tier.WARNING,
    )
    assert refused(running, trust) == "verdict"


def test_evidence_of_another_key_gets_nothing(service: Service, tmp_path: Path) -> None:
    service.attested = PrivateKey.generate(Kind.P256)
    with serving(service, tmp_path):
        assert refused(service) == "extraData"


def test_evidence_for_an_earlier_nonce_gets_nothing(service: Service, tmp_path: Path) -> None:
    service.stale = "of-an-earlier-day"
    with serving(service, tmp_path):
        assert refused(service) == "nonce"


def test_service_without_attestation_gets_nothing(service: Service, tmp_path: Path) -> None:
    service.route = False
    with serving(service, tmp_path):
        assert refused(service) == "attestation"


def test_platform_that_the_client_does_not_know_gets_nothing(running: Service) -> None:
    stranger = CertificateAuthority.create("stranger").certificate_pem
    inputs = Inputs(now=datetime.now(UTC), anchors=Anchors(ak_authorities=(stranger,)))
    trust = ServiceTrust(inputs=inputs, policies=TRUST.policies, worst=Tier.WARNING)
    assert "certificate" in refused(running, trust)


def test_evidence_in_the_certificate_counts_while_it_is_young(
    service: Service, tmp_path: Path
) -> None:
    service.route = False
    service.certificate = self_signed(service, carried=True)
    with serving(service, tmp_path):
        (found,) = send(service)
        assert not found.fresh


@pytest.mark.parametrize("age", [timedelta(days=2), timedelta(days=91)])
def test_old_evidence_in_a_certificate_gets_nothing(
    service: Service, tmp_path: Path, age: timedelta
) -> None:
    service.certificate = self_signed(service, carried=True, age=age)
    with serving(service, tmp_path):
        assert refused(service) == "certificate"


def test_certificate_whose_evidence_is_of_another_key_gets_nothing(
    service: Service, tmp_path: Path
) -> None:
    service.attested = PrivateKey.generate(Kind.P256)
    service.certificate = self_signed(service, carried=True)
    with serving(service, tmp_path):
        assert refused(service) == "extraData"


def test_client_that_insists_on_freshness_asks_although_the_certificate_carries_evidence(
    service: Service, tmp_path: Path
) -> None:
    service.certificate = self_signed(service, carried=True)
    trust = ServiceTrust(
        inputs=TRUST.inputs,
        policies=TRUST.policies,
        reference_values=VALUES,
        worst=Tier.WARNING,
        fresh=True,
    )
    with serving(service, tmp_path):
        (found,) = send(service, trust)
        assert found.fresh


def signed_token(service_key: PrivateKey, authority: CertificateAuthority) -> str:
    signing = PrivateKey.generate(Kind.P256)
    pem = authority.issue_for_public_key(signing.public.der(), "tokens", Usage.DOCUMENT)
    jwk = service_key.public.jwk(alg="ECDH-ES+A256KW")
    evidence = {"runtime_data_claims": {"tee-pubkey": jwk, "nonce": "n"}, "snp": {}}
    submod = {"ear.status": "affirming", "ear.veraison.annotated-evidence": evidence}
    signer = TokenSigner(
        signing, split_pem(pem), lifetime=300, clock=lambda: datetime.now(UTC).timestamp()
    )
    return signer.sign({"cpu0": submod})


def test_token_of_a_trusted_attestation_service_is_proof_of_the_key(
    service: Service, tmp_path: Path
) -> None:
    authority = CertificateAuthority.create("attestation service")
    service.token = signed_token(service.key, authority)
    trust = ServiceTrust(token_authorities=(authority.certificate_der,))
    with serving(service, tmp_path):
        (found,) = send(service, trust)
    assert (found.proof, found.tee, found.status) == ("token", "snp", "affirming")


def test_token_of_another_key_or_authority_gets_nothing(service: Service, tmp_path: Path) -> None:
    authority = CertificateAuthority.create("attestation service")
    stranger = CertificateAuthority.create("attestation service")
    trust = ServiceTrust(token_authorities=(authority.certificate_der,))
    with serving(service, tmp_path):
        service.token = signed_token(PrivateKey.generate(Kind.P256), authority)
        assert refused(service, trust) == "token: tee-pubkey"
        service.token = signed_token(service.key, stranger)
        assert "certificate" in refused(service, trust)
        service.token = "no.token.at.all"
        assert refused(service, trust) == "token: token"


def test_client_that_demands_nothing_is_refused_before_it_connects() -> None:
    with pytest.raises(InputError):
        AttestedTransport(ServiceTrust())


def test_plain_http_is_refused() -> None:
    with httpx.Client(transport=AttestedTransport(TRUST)) as client, pytest.raises(InputError):
        client.get("http://127.0.0.1:1/")
