"""IBM Z Secure Execution through the handshake (rows Q04, S08): both rounds, each mistake."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from casemate.crypto import base64url, jwe
from casemate.crypto.keys import Kind, PrivateKey
from casemate.errors import InputError, VerificationError
from casemate.guest.attestation.handshake import Handshake as GuestHandshake
from casemate.guest.broker import Broker
from casemate.guest.reporting import Stations
from casemate.linux.uv import Uv
from casemate.net.http import HttpClient
from casemate.settings import read
from casemate.tee.se.attester import SeAttester
from casemate.tee.se.report import SeRequest
from casemate.trustee.found import found
from casemate.trustee.kbs.remote import ATTESTATION, RemoteAttestation
from casemate.trustee.serve import Part, Trustee, require_profile
from casemate.trustee.settings import PREFIX, TABLE
from casemate.wire import kbs
from casemate.wire.pb import attestation_pb2 as pb
from tests.sim.devices.uv import FakeUv
from tests.sim.secure_execution import IMAGE, OTHER_IMAGE, Mainframe, SecureGuest, settings
from tests.sim.trustee import running
from tests.trustee.site import Site, claims_of, refusal

FOUND = kbs.parse_error

IBM_POLICY = """
package policy

import rego.v1

default allow := false

se := input.submods.cpu0["ear.veraison.annotated-evidence"].se

allow if {
    se.attestation_phkh == "HOST"
    se.image_phkh == "HOST"
    se.tag == "TAG"
    sprintf("%v", [se.version]) == "256"
}
"""
"""A resource policy in the form that IBM's documentation gives."""


@pytest.fixture
def mainframe() -> Mainframe:
    return Mainframe()


@pytest.fixture
def folders(tmp_path: Path, mainframe: Mainframe) -> Path:
    """Give upstream's folders, with what is right for the mainframe."""
    mainframe.install(tmp_path / "se")
    return tmp_path / "se"


@pytest.fixture
def site(tmp_path: Path, folders: Path) -> Iterator[Site]:
    made = Site.found(tmp_path / "trustee", profile="production", sample=False, **settings(folders))
    yield made
    made.trustee.close()


def guest_of(site: Site, mainframe: Mainframe) -> SecureGuest:
    async def post(path: str, body: bytes, cookie: str) -> tuple[int, bytes, str]:
        answer = site.ask("POST", path, body, cookie=cookie)
        return answer.status, answer.body, dict(answer.headers).get("set-cookie", "")

    return SecureGuest(mainframe.machine, post)


async def refused(guest: SecureGuest, **options: Any) -> kbs.ErrorBody:
    status, body = await guest.attest(**options)
    assert status == 401
    return FOUND(body)


async def test_our_guest_attests_through_its_device(
    tmp_path: Path, folders: Path, mainframe: Mainframe
) -> None:
    def attest(request: bytes, user: bytes) -> tuple[bytes, bytes, bytes]:
        asked = SeRequest(
            request_blob=request,
            measurement_size=64,
            additional_size=64,
            encr_measurement_key=b"",
            encr_request_nonce=b"",
            image_hdr_tags=b"",
        )
        answer = mainframe.machine.answer(asked, user)
        return answer.measurement, answer.additional_data, answer.cuid

    attester = SeAttester(Uv(open_device=FakeUv(attest).open))
    async with running(tmp_path / "trustee", **settings(folders)) as served:
        broker = Broker(served.url, served.authority, pinned_in="--ca")
        passport = await GuestHandshake(broker, attester, Stations(lambda _event: None)).attest()
        await broker.close()
    claims = claims_of(passport.token)["submods"]["cpu0"]["ear.veraison.annotated-evidence"]
    assert claims["se"]["cuid"] == (b"c" * 16).hex()


async def test_a_secret_is_released_over_https_by_ibms_policy(
    tmp_path: Path, folders: Path, mainframe: Mainframe
) -> None:
    values = settings(folders)
    async with running(tmp_path / "trustee", **values) as served:
        served.put("default/key/1", b"secret")
        broker = served.trustee.broker
        assert broker is not None
        async with HttpClient(anchors_pem=served.authority) as http:

            async def post(path: str, body: bytes, cookie: str) -> tuple[int, bytes, str]:
                answer = await http.request(
                    "POST",
                    f"{served.url}/kbs/v0/{path}",
                    (("content-type", "application/json"), ("cookie", cookie)),
                    body,
                )
                return answer.status, answer.body, dict(answer.headers).get("set-cookie", "")

            guest = SecureGuest(mainframe.machine, post)
            status, _ = await guest.auth()
            assert status == 200
            challenge = json.loads(guest.challenge)
            assert challenge["extra-params"] == {"selected-hash-algorithm": "sha512"}
            assert set(json.loads(challenge["nonce"])) == {
                *("request_blob", "measurement_size", "additional_size", "image_hdr_tags"),
                *("encr_measurement_key", "encr_request_nonce"),
            }
            status, body = await guest.attest()
            assert status == 200, body
            token = json.loads(body)["token"]
            evidence = claims_of(token)["submods"]["cpu0"]["ear.veraison.annotated-evidence"]
            own = evidence["se"]["attestation_phkh"]
            assert evidence["se"] == {
                "cuid": (b"c" * 16).hex(),
                "image_phkh": own,
                "attestation_phkh": own,
                "tag": IMAGE.tag.hex(),
                "version": 256,
            }
            assert evidence["report_data"] == guest.response().user_data.hex()
            assert evidence["runtime_data_claims"]["nonce"] == guest.nonce
            answer = await http.request(
                "GET", f"{served.url}/kbs/v0/resource/default/key/1", (("cookie", guest.cookie),)
            )
            assert answer.status == 200
            assert jwe.decrypt(answer.body, guest.key.private).reveal() == b"secret"


async def test_ibms_resource_policy_decides(site: Site, mainframe: Mainframe) -> None:
    site.put("default/key/1", b"secret")
    guest = guest_of(site, mainframe)
    own = guest.machine.image_key_hash.hex()
    for tag, status in ((IMAGE.tag.hex(), 200), ("00" * 16, 401)):
        text = IBM_POLICY.replace("HOST", own).replace("TAG", tag)
        policy = {"policy": base64url.encode(text.encode())}
        assert site.admin("POST", "resource-policy", policy).status == 200
        guest = guest_of(site, mainframe)
        await guest.auth()
        assert (await guest.attest())[0] == 200
        assert site.ask("GET", "resource/default/key/1", cookie=guest.cookie).status == status


async def test_nothing_is_affirmed_without_reference_values(
    site: Site, mainframe: Mainframe
) -> None:
    """Upstream's default policy affirms any guest of Secure Execution."""

    async def vector() -> tuple[int, int, int]:
        guest = guest_of(site, mainframe)
        await guest.auth()
        token = json.loads((await guest.attest())[1])["token"]
        found = claims_of(token)["submods"]["cpu0"]["ear.trustworthiness-vector"]
        return found["hardware"], found["executables"], found["configuration"]

    assert await vector() == (2, 33, 36)
    site.register(se_tag=[IMAGE.tag.hex()])
    assert await vector() == (2, 3, 36)
    site.register(se_image_phkh=[mainframe.machine.image_key_hash.hex()])
    assert await vector() == (2, 3, 2)


async def test_one_trustee_serves_several_images(tmp_path: Path) -> None:
    mainframe = Mainframe(image=OTHER_IMAGE)
    mainframe.install(tmp_path / "se", images=(IMAGE, OTHER_IMAGE))
    site = Site.found(tmp_path / "trustee", **settings(tmp_path / "se", images=2))
    guest = guest_of(site, mainframe)
    await guest.auth()
    status, body = await guest.attest()
    assert status == 200, body
    evidence = claims_of(json.loads(body)["token"])["submods"]["cpu0"]
    assert evidence["ear.veraison.annotated-evidence"]["se"]["tag"] == OTHER_IMAGE.tag.hex()
    site.trustee.close()


async def test_each_challenge_is_new(site: Site, mainframe: Mainframe) -> None:
    guest = guest_of(site, mainframe)
    seen = set()
    for _ in range(5):
        await guest.auth()
        request = msgspec.json.decode(guest.nonce, type=SeRequest)
        seen |= {request.request_blob, request.encr_measurement_key, request.encr_request_nonce}
    assert len(seen) == 15


# ---- what answers wrongly ----


async def test_challenge_serves_its_session_alone(site: Site, mainframe: Mainframe) -> None:
    first, second = guest_of(site, mainframe), guest_of(site, mainframe)
    await first.auth()
    await second.auth()
    answer = first.response()
    assert (await refused(second, response=answer)).step == "se.3 echo"
    first.cookie = second.cookie
    assert (await refused(first)).claim == "nonce"


async def test_seals_of_two_challenges_do_not_mix(site: Site, mainframe: Mainframe) -> None:
    first, second = guest_of(site, mainframe), guest_of(site, mainframe)
    await first.auth()
    await second.auth()
    ours = second.response()
    mixed = msgspec.structs.replace(ours, encr_request_nonce=first.response().encr_request_nonce)
    assert (await refused(second, response=mixed)).step == "se.3 echo"


async def test_answer_of_another_key_is_refused(site: Site, mainframe: Mainframe) -> None:
    guest = guest_of(site, mainframe)
    await guest.auth()
    stolen = guest.response()
    thief = guest_of(site, mainframe)
    thief.challenge, thief.cookie = guest.challenge, guest.cookie
    assert (await refused(thief, response=stolen)).step == "se.13 report data"


async def test_another_image_is_refused(site: Site, mainframe: Mainframe) -> None:
    guest = guest_of(site, Mainframe(host=mainframe.host, image=OTHER_IMAGE))
    await guest.auth()
    assert (await refused(guest)).step == "se.7 measurement"


async def test_a_machine_that_was_not_asked_cannot_open_the_challenge(site: Site) -> None:
    guest = guest_of(site, Mainframe())
    await guest.auth()
    with pytest.raises(InputError, match="other hosts"):
        guest.response()


@pytest.mark.parametrize(
    ("member", "step"),
    [
        ("measurement", "se.7 measurement"),
        ("additional_data", "se.7 measurement"),
        ("user_data", "se.7 measurement"),
        ("cuid", "se.7 measurement"),
        ("encr_measurement_key", "se.3 echo"),
        ("encr_request_nonce", "se.3 echo"),
        ("image_hdr_tags", "se.3 echo"),
    ],
)
async def test_each_member_is_bound(
    site: Site, mainframe: Mainframe, member: str, step: str
) -> None:
    guest = guest_of(site, mainframe)
    await guest.auth()
    answer = guest.response()
    value = bytes([getattr(answer, member)[0] ^ 1]) + getattr(answer, member)[1:]
    changed = msgspec.structs.replace(answer, **{member: value})
    assert (await refused(guest, response=changed)).step == step


async def test_initdata_is_refused_since_nothing_binds_it(site: Site, mainframe: Mainframe) -> None:
    guest = guest_of(site, mainframe)
    await guest.auth()
    text = 'version = "0.1.0"\nalgorithm = "sha256"\n[data]\n"aa.toml" = ""\n'
    assert (await refused(guest, initdata=text)).step == "se.14 init data"


async def test_a_kept_pair_does_not_bring_its_own_challenge(
    site: Site, mainframe: Mainframe
) -> None:
    guest = guest_of(site, mainframe)
    await guest.auth()
    pair = {"request": json.loads(guest.nonce), "response": msgspec.to_builtins(guest.response())}
    body = kbs.encode(
        kbs.Attestation(
            kbs.RuntimeData(guest.nonce, guest.key.public),
            kbs.CompositeEvidence(msgspec.Raw(json.dumps(pair).encode())),
        )
    )
    answer = site.ask("POST", "attest", body, cookie=guest.cookie)
    assert refusal(answer).step == "se.1 shape"


async def test_an_answer_comes_in_time_or_not_at_all(site: Site, mainframe: Mainframe) -> None:
    guest = guest_of(site, mainframe)
    await guest.auth()
    site.clock.now += 301
    assert (await refused(guest)).claim == "session"


# ---- the first round ----


async def test_challenge_survives_a_restart(
    folders: Path, site: Site, mainframe: Mainframe
) -> None:
    guest = guest_of(site, mainframe)
    await guest.auth()
    again = site.reopened(profile="production", sample=False, **settings(folders))
    later = guest_of(again, mainframe)
    later.challenge, later.cookie = guest.challenge, guest.cookie
    assert (await later.attest())[0] == 200
    again.trustee.close()


@pytest.mark.parametrize(
    ("fault", "step"),
    [
        ("revoked_document", "se.12 revocation"),
        ("expired_document", "se.11 host key document"),
        ("two_signers", "se.9 signing certificate"),
        ("no_root_list", "se.10 chain"),
        ("other_root", "se.10 chain"),
    ],
)
async def test_no_challenge_for_a_host_key_that_does_not_hold(
    folders: Path, site: Site, mainframe: Mainframe, fault: str, step: str
) -> None:
    mainframe.install(folders, fault)
    status, body = await guest_of(site, mainframe).auth()
    assert (status, FOUND(body).step) == (401, step)


@pytest.mark.parametrize(
    ("gone", "words"),
    [("hkds/host-key.pem", "host key documents"), ("hdr/hdr0.bin", "image headers")],
)
async def test_no_challenge_without_what_it_is_made_from(
    folders: Path, site: Site, mainframe: Mainframe, gone: str, words: str
) -> None:
    (folders / gone).unlink()
    status, body = await guest_of(site, mainframe).auth()
    assert status == 401
    assert words in FOUND(body).detail


async def test_folders_are_read_again_after_a_minute(
    folders: Path, site: Site, mainframe: Mainframe
) -> None:
    guest = guest_of(site, mainframe)
    assert (await guest.auth())[0] == 200
    mainframe.install(folders, "revoked_document")
    assert (await guest.auth())[0] == 200
    site.clock.now += 61
    assert (await guest.auth())[0] == 401


async def test_a_host_revoked_between_the_rounds_is_refused(
    folders: Path, site: Site, mainframe: Mainframe
) -> None:
    guest = guest_of(site, mainframe)
    await guest.auth()
    mainframe.install(folders, "revoked_document")
    site.clock.now += 61
    assert (await refused(guest)).step == "se.12 revocation"


@pytest.mark.parametrize(
    ("offered", "selected"),
    [
        ("", ""),
        ({}, ""),
        ([], ""),
        ({"supported-hash-algorithms": ["SHA512"]}, {"selected-hash-algorithm": "sha512"}),
        ({"supported-hash-algorithms": ["sha384"]}, None),
        ({"supported-hash-algorithms": "sha512"}, None),
    ],
)
async def test_hash_algorithm_is_selected_from_what_is_offered(
    site: Site, mainframe: Mainframe, offered: object, selected: object
) -> None:
    request = {"version": "0.4.0", "tee": "se", "extra-params": offered}
    status, body = await guest_of(site, mainframe).auth(json.dumps(request).encode())
    if selected is None:
        assert status == 401
    else:
        assert json.loads(body)["extra-params"] == selected


async def test_a_configured_customer_key_is_in_every_request(
    tmp_path: Path, folders: Path, mainframe: Mainframe
) -> None:
    key = PrivateKey.generate(Kind.P521)
    (tmp_path / "customer.pem").write_bytes(key.pem().reveal())
    values = settings(folders) | {"se.customer_key": str(tmp_path / "customer.pem")}
    site = Site.found(tmp_path / "trustee", **values)
    guest = guest_of(site, mainframe)
    points = set()
    for _ in range(2):
        await guest.auth()
        points.add(msgspec.json.decode(guest.nonce, type=SeRequest).request_blob[64:224])
    assert len(points) == 1
    assert (await guest.attest())[0] == 200
    site.trustee.close()


# ---- settings ----


def test_upstreams_names_are_taken_and_ours_win() -> None:
    environment = {
        "DEFAULT_SE_HOST_KEY_DOCUMENTS_ROOT": "a",
        "SE_CERTIFICATES_ROOT": "b",
        "SE_CERTIFICATE_ROOT_CA": "c",
        "SE_CERTIFICATE_REVOCATION_LISTS_ROOT": "d",
        "SE_IMAGE_HEADER_FILE": "e",
        "SE_SKIP_CERTS_VERIFICATION": "true",
        "CASEMATE_TRUSTEE_SE_LISTS": "ours",
    }
    values = read(TABLE, file=None, prefix=PREFIX, environment=environment)
    assert {name: value for name, value in values.items() if name.startswith("se.")} == {
        "se.host_key_documents": "a",
        "se.certificates": "b",
        "se.root": "c",
        "se.lists": "ours",
        "se.image_headers": ["e"],
        "se.customer_key": "",
        "se.skip_host_key_verification": True,
    }


def test_unverified_host_keys_are_for_development() -> None:
    values = read(TABLE, file=None, prefix=PREFIX, environment={})
    loose = values | {"se.skip_host_key_verification": True}
    with pytest.raises(InputError, match="skip_host_key_verification"):
        require_profile(loose)
    require_profile(loose | {"profile": "development"})


async def test_unverified_host_keys_serve_in_development(
    tmp_path: Path, folders: Path, mainframe: Mainframe
) -> None:
    mainframe.install(folders, "revoked_document")
    values = settings(folders) | {"se.skip_host_key_verification": True}
    site = Site.found(tmp_path / "trustee", **values)
    guest = guest_of(site, mainframe)
    await guest.auth()
    assert (await guest.attest())[0] == 200
    site.trustee.close()


# ---- an attestation service in another process ----


class Direct:
    """A gRPC client whose server is in this process."""

    def __init__(self, services: Any) -> None:
        self._services = services

    def call(self, service: str, method: str, request: bytes) -> bytes:
        async def answer() -> bytes:
            answered = self._services[service][method](request)
            return bytes(answered if isinstance(answered, bytes) else await answered)

        return asyncio.run(answer())


@pytest.fixture
def service(tmp_path: Path, folders: Path) -> Iterator[Trustee]:
    found(tmp_path / "as")
    trustee = Trustee.build(
        tmp_path / "as" / "trustee.toml",
        environment={},
        overrides=settings(folders),
        only=Part.AS,
    )
    yield trustee
    trustee.close()


def attestation(guest: SecureGuest) -> kbs.Attestation:
    return kbs.Attestation(
        kbs.RuntimeData(guest.nonce, guest.key.public),
        kbs.CompositeEvidence(msgspec.Raw(msgspec.json.encode(guest.response()))),
    )


async def _nobody(_path: str, _body: bytes, _cookie: str) -> tuple[int, bytes, str]:
    raise AssertionError


def challenged(nonce: str | None, mainframe: Mainframe) -> SecureGuest:
    parameters = {"selected-hash-algorithm": "sha512"}
    guest = SecureGuest(mainframe.machine, _nobody)
    guest.challenge = json.dumps({"nonce": nonce, "extra-params": parameters}).encode()
    return guest


def test_session_crosses_the_processes(service: Trustee, mainframe: Mainframe) -> None:
    remote = RemoteAttestation(Direct(service.services))  # type: ignore[arg-type]
    assert remote.challenge("tpm", "s") is None
    assert remote.challenge("nosuch", "s") is None
    guest = challenged(remote.challenge("se", "session"), mainframe)
    token = remote.attest("se", attestation(guest), "session")
    assert claims_of(token)["submods"]["cpu0"]
    with pytest.raises(VerificationError) as caught:
        remote.attest("se", attestation(guest), "another")
    assert caught.value.refusal.step == "se.5 session"


def test_upstreams_broker_names_no_session(service: Trustee, mainframe: Mainframe) -> None:
    asked = pb.ChallengeRequest(inner={"tee": "se", "tee_params": "{}"}).SerializeToString()
    answer = Direct(service.services).call(ATTESTATION, "GetAttestationChallenge", asked)
    guest = challenged(pb.ChallengeResponse.FromString(answer).attestation_challenge, mainframe)
    remote = RemoteAttestation(Direct(service.services))  # type: ignore[arg-type]
    assert remote.attest("se", attestation(guest), "")


def test_evidence_that_names_no_challenge_is_refused(
    service: Trustee, mainframe: Mainframe
) -> None:
    remote = RemoteAttestation(Direct(service.services))  # type: ignore[arg-type]
    guest = challenged(remote.challenge("se", ""), mainframe)
    pair = {"request": json.loads(guest.nonce), "response": msgspec.to_builtins(guest.response())}
    for evidence in (msgspec.json.encode(guest.response()), json.dumps(pair).encode()):
        request = pb.AttestationRequest(
            verification_requests=[
                pb.IndividualAttestationRequest(
                    tee="se",
                    evidence=base64url.encode(evidence),
                    raw_runtime_data=base64url.encode(guest.response().user_data),
                )
            ]
        )
        with pytest.raises(VerificationError) as caught:
            Direct(service.services).call(
                ATTESTATION, "AttestationEvaluate", request.SerializeToString()
            )
        assert caught.value.refusal.step.startswith(("se.1 ", "se.2 "))


def test_challenges_are_for_tees_that_have_them(service: Trustee) -> None:
    asked = pb.ChallengeRequest(inner={"tee": "tpm"}).SerializeToString()
    with pytest.raises((InputError, VerificationError)):
        service.services[ATTESTATION]["GetAttestationChallenge"](asked)


async def test_a_folder_or_file_that_cannot_be_read_is_said(
    folders: Path, site: Site, mainframe: Mainframe
) -> None:
    (folders / "root_ca.crt").write_bytes(bytes((4 << 20) + 1))
    status, body = await guest_of(site, mainframe).auth()
    assert (status, "larger file" in FOUND(body).detail) == (401, True)
    (folders / "root_ca.crt").unlink()
    (folders / "root_ca.crt").mkdir()
    assert (await guest_of(site, mainframe).auth())[0] == 503
    mainframe.install(folders.with_name("other"))
    (folders / "hkds" / "host-key.pem").unlink()
    (folders / "hkds").rmdir()
    (folders / "root_ca.crt").rmdir()
    status, body = await guest_of(site, mainframe).auth()
    assert (status, "host key documents" in FOUND(body).detail) == (401, True)
    (folders / "hkds").write_bytes(b"no folder")
    site.clock.now += 61
    assert (await guest_of(site, mainframe).auth())[0] == 503
