"""Arm CCA through the handshake, by upstream's configuration: stores, or a Veraison service."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from casemate.crypto.authority import CertificateAuthority
from casemate.errors import HostError, InputError
from casemate.settings import read
from casemate.tee.evidence import Inputs
from casemate.tee.simulation import Simulated
from casemate.tee.simulators import SIMULATORS
from casemate.trustee.attestation.trust import CcaConfiguration
from casemate.trustee.settings import CCA_CONFIG, PREFIX, TABLE
from casemate.wire import kbs
from tests.sim.veraison import Veraison, problem
from tests.trustee.site import START, Clock, Site, claims_of, refusal
from tests.trustee.test_collateral import asked, attested

POLICY = "ear.veraison.annotated-evidence"


class Realm:
    """A guest in a realm; ``learn`` is given its platform's endorsements."""

    tee = "cca"

    def __init__(self, learn: Callable[[Simulated], None], **fields: str) -> None:
        self._learn = learn
        self._fields = fields

    def evidence(self, report_data: bytes) -> bytes:
        now = datetime.fromtimestamp(START, UTC)
        made = SIMULATORS["cca"].make({"report_data": report_data.hex(), **self._fields}, now)
        self._learn(made)
        return made.evidence


class Place:
    """A folder in which an operator of upstream keeps what the CCA verifier needs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "config.json"
        folder.mkdir()

    def write(self, **choice: str) -> None:
        named = {name.replace("_", "-"): value for name, value in choice.items()}
        self.config.write_text(json.dumps({"cca-verifier": named}))

    def remote(self, service: Veraison, **choice: str) -> None:
        (self.folder / "rootCA.crt").write_text(service.anchors_pem)
        self.write(type="remote", address=service.url, ca_cert="rootCA.crt", **choice)

    def site(self, tmp_path: Path, **settings: Any) -> Site:
        folder = tmp_path / "trustee"
        folder.mkdir()
        return Site.found(folder, cca__config=str(self.config), **settings)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "cca")


def a_service() -> Veraison:
    """Give a service by whose clock it is as late as by the Trustee's, which stands still."""
    return Veraison(clock=lambda: START)


def knowing(service: Veraison) -> Callable[[Simulated], None]:
    """Let the service be given the platform's endorsements, as its operator would."""

    def learn(made: Simulated) -> None:
        service.roots = made.roots

    return learn


async def answer_of(site: Site, realm: Realm) -> Any:
    client = site.client(realm)
    assert client.auth().status == 200
    try:
        return await attested(client)
    finally:
        await site.trustee.gatherer.close()
        site.trustee.close()


async def test_realm_gets_its_token_by_the_word_of_a_service(tmp_path: Path, place: Place) -> None:
    async with a_service().running() as service:
        place.remote(service)
        answer = await answer_of(place.site(tmp_path), Realm(knowing(service)))
    assert answer.status == 200, answer.body
    seen = claims_of(kbs.parse_token_answer(answer.body).token)["submods"]["cpu0"][POLICY]
    assert seen["cca"]["realm"]["cca-realm-initial-measurement"]
    assert seen["cca"]["platform"]["cca-platform-instance-id"]
    assert seen["cca"]["remote-verifier"]["address"] == service.url
    assert seen["report_data"] == seen["report_data"].lower()
    assert "nonce" in seen["runtime_data_claims"]


async def test_key_of_the_service_may_be_configured(tmp_path: Path, place: Place) -> None:
    async with a_service().running() as service:
        (place.folder / "ear.jwk").write_bytes(service.jwk)
        place.remote(service, ear_verification_key="ear.jwk")
        site = place.site(tmp_path)
        service.discovery = lambda document: document.pop("ear-verification-key")
        answer = await answer_of(site, Realm(knowing(service)))
    assert answer.status == 200, answer.body


@pytest.mark.parametrize(
    ("fields", "step", "reason"),
    [
        ({"platform_signer": "other"}, "cca.19 verdict", "signature of the platform token"),
        ({"references": "platform"}, "cca.19 verdict", "known to be weak"),
        ({"challenge": "00" * 64}, "cca.11 report data", "00000000"),
        ({"lifecycle": "0x2000"}, "cca.10 life cycle", "provisioning"),
    ],
)
async def test_realm_is_refused_with_the_services_reason(
    tmp_path: Path, place: Place, fields: dict[str, str], step: str, reason: str
) -> None:
    async with a_service().running() as service:
        place.remote(service)
        answer = await answer_of(place.site(tmp_path), Realm(knowing(service), **fields))
    assert answer.status == 401
    found = str(refusal(answer))
    assert step in found
    assert reason in found


async def test_realm_is_refused_while_the_service_gives_no_verdict(
    tmp_path: Path, place: Place
) -> None:
    async with a_service().running() as service:
        service.first["*"] = [problem(403, "not today")]
        place.remote(service)
        answer = await answer_of(place.site(tmp_path), Realm(knowing(service)))
    assert answer.status == 401
    assert "cca.15 remote verdict" in str(refusal(answer))
    assert "status 403, not today" in str(refusal(answer))


async def test_offline_trustee_asks_no_service(tmp_path: Path, place: Place) -> None:
    async with a_service().running() as service:
        place.remote(service)
        site = place.site(tmp_path, collateral__offline=True)
        answer = await answer_of(site, Realm(knowing(service)))
    assert answer.status == 401
    assert "offline" in str(refusal(answer))
    assert service.asked == []


async def test_authority_of_the_service_is_no_root_of_hardware(place: Place) -> None:
    async with a_service().running() as service:
        place.remote(service)
        inputs = CcaConfiguration(place.config, lambda: 0.0).added_to(Inputs(now=datetime.now(UTC)))
    assert inputs.anchors.pins == frozenset()
    assert inputs.anchors.material.certificates == ()
    assert inputs.options.own["cca"]["ca_cert"] == service.anchors_pem.strip()


async def test_stores_of_upstreams_local_form_are_read(tmp_path: Path, place: Place) -> None:
    def learn(made: Simulated) -> None:
        (place.folder / "ta").write_bytes(made.roots["tastore.json"])
        (place.folder / "rv").write_bytes(made.roots["rvstore.json"])
        site.clock.now += 61

    place.write(type="local", ta_store="ta", rv_store=str(place.folder / "rv"))
    (place.folder / "ta").write_text("[]")
    (place.folder / "rv").write_text("{}")
    site = place.site(tmp_path)
    answer = await answer_of(site, Realm(learn))
    assert answer.status == 200, answer.body
    seen = claims_of(kbs.parse_token_answer(answer.body).token)["submods"]["cpu0"][POLICY]["cca"]
    assert seen["platform"]["cca-platform-reference-values"] == "match"
    assert "remote-verifier" not in seen


async def test_session_of_another_tee_is_not_bothered(tmp_path: Path, place: Place) -> None:
    async with a_service().running() as service:
        place.remote(service)
        site = place.site(tmp_path)
        client = site.client()
        client.auth()
        assert (await attested(client)).status == 200
        await site.trustee.gatherer.close()
        site.trustee.close()
    assert service.asked == []


async def test_evidence_that_nobody_prepared_is_refused(tmp_path: Path, place: Place) -> None:
    async with a_service().running() as service:
        place.remote(service)
        site = place.site(tmp_path)
        client = site.client(Realm(knowing(service)))
        client.auth()
        broker = site.trustee.broker
        assert broker is not None
        answer = broker.answer(await asked(client))
        site.trustee.close()
    assert answer.status == 401
    assert "nobody asked it" in str(refusal(answer))


def test_upstreams_variable_names_the_configuration() -> None:
    values = read(TABLE, file=None, prefix=PREFIX, environment={"CCA_CONFIG_FILE": "/x.json"})
    assert values["cca.config"] == "/x.json"
    assert read(TABLE, file=None, prefix=PREFIX, environment={})["cca.config"] == CCA_CONFIG


def test_upstreams_place_may_be_empty_and_no_other() -> None:
    inputs = Inputs(now=datetime.now(UTC))
    if not Path(CCA_CONFIG).exists():
        assert CcaConfiguration(Path(CCA_CONFIG), lambda: 0.0).added_to(inputs) is inputs
    with pytest.raises(InputError, match="No such file"):
        CcaConfiguration(Path("/nonexistent/config.json"), lambda: 0.0)


def test_configuration_is_read_again_after_a_minute(place: Place) -> None:
    clock = Clock(0.0)
    place.write(type="remote", address="https://one.example")
    configuration = CcaConfiguration(place.config, clock)
    place.write(type="remote", address="https://two.example")
    seen = []
    for clock.now in (59.0, 60.0):
        inputs = configuration.added_to(Inputs(now=datetime.now(UTC)))
        seen.append(inputs.options.own["cca"]["address"])
    assert seen == ["https://one.example", "https://two.example"]


@pytest.mark.parametrize(
    ("choice", "told"),
    [
        ({"type": "random"}, "random"),
        ({"type": "remote"}, "address"),
        ({"type": "local", "ta_store": "ta"}, "rv-store"),
        ({"type": "local", "ta_store": "ta", "rv_store": "missing"}, "No such file"),
        ({"type": "remote", "address": "http://v.example"}, "https"),
        ({"type": "remote", "address": "https://v.example", "ca_cert": "missing"}, "No such"),
        ({"type": "remote", "address": "https://v.example", "ca_cert": "."}, "directory"),
        ({"type": "remote", "address": "https://v.example", "ca_cert": "empty"}, "empty"),
        ({"type": "remote", "address": "https://v.example", "ca_cert": "binary"}, "no text"),
        ({"type": "remote", "address": "https://v.example", "ca_cert": "text"}, "no PEM"),
        ({"type": "remote", "address": "https://v.example", "ca_cert": "key"}, "PEM"),
        ({"type": "remote", "address": "https://v.example", "ca_cert": "large"}, "larger"),
        ({"type": "remote", "address": "https://v.example", "ear_verification_key": "text"}, "JWK"),
        ({"type": "remote", "address": "https://v.example", "ear_key": "ta"}, "ear-key"),
    ],
)
def test_configuration_that_cannot_be_meant_is_told_at_the_start(
    tmp_path: Path, place: Place, choice: dict[str, str], told: str
) -> None:
    (place.folder / "ta").write_text("[]")
    (place.folder / "empty").write_text("\n")
    (place.folder / "text").write_text("text")
    (place.folder / "binary").write_bytes(b"\xff")
    (place.folder / "large").write_bytes(bytes((4 << 20) + 1))
    key = CertificateAuthority.create("x").issue_server("x", ["x"]).key_pem.reveal()
    (place.folder / "key").write_bytes(key)
    place.write(**choice)
    with pytest.raises(InputError, match=told):
        place.site(tmp_path)


def test_configuration_that_cannot_be_read_is_this_machines_fault(place: Place) -> None:
    place.config.symlink_to(place.config)  # root may read whatever can be opened
    with pytest.raises(HostError, match="Too many levels of symbolic links"):
        CcaConfiguration(place.config, lambda: 0.0)
