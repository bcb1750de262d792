"""What evidence is worth: the shipped attestation policy and resource policies (spec §12, §9)."""

import hashlib
from typing import Any

import pytest

from casemate.crypto import base64url
from casemate.crypto.authority import CertificateAuthority
from casemate.crypto.digest import Algorithm
from casemate.crypto.keys import Kind, PrivateKey
from casemate.tee.vtpm.fake import SoftwareTpm, separators
from casemate.trustee.kbs.policy import shipped
from casemate.wire.eventlog import LoggedEvent
from casemate.wire.initdata import build
from casemate.wire.token import Tier
from casemate.wire.tpm import ALG_SHA256
from tests.trustee.site import Site, claims_of, refusal, variant

PATH = "default/key/1"
MEASURED = (0, 1, 2, 3, 4, 5, 6, 7, 9, 11)


def measured(register: int, what: bytes) -> LoggedEvent:
    return LoggedEvent(register, 13, ((ALG_SHA256, hashlib.sha256(what).digest()),), what)


def booted(site: Site, *more: LoggedEvent) -> SoftwareTpm:
    boot = [measured(register, b"boot %d" % register) for register in (0, 4, 9, 11)]
    return SoftwareTpm(site.platform, [*separators(), *boot, *more])


def expect(site: Site, tpm: SoftwareTpm) -> None:
    values = {f"tpm_pcr{n:02}": [tpm.pcrs[n].hex()] for n in MEASURED}
    assert site.register(**values).status == 200


def appraised(site: Site, attester: Any, **options: Any) -> dict[str, Any]:
    cpu: dict[str, Any] = claims_of(site.client(attester).token(**options))["submods"]["cpu0"]
    return cpu


def test_a_tpm_as_expected_is_a_warning_for_its_hardware_alone(site: Site) -> None:
    tpm = booted(site)
    expect(site, tpm)
    cpu = appraised(site, tpm)
    vector = cpu["ear.trustworthiness-vector"]
    assert (vector["hardware"], vector["executables"], vector["configuration"]) == (32, 3, 2)
    assert cpu["ear.status"] == "warning"
    assert [reason["claim"] for reason in cpu["ear.casemate.reasons"]] == ["hardware"]


@pytest.mark.parametrize("register", MEASURED)
def test_a_register_that_differs_names_itself(site: Site, register: int) -> None:
    site = site.reopened()
    site.set_policy(shipped("local"))
    site.put(PATH, b"secret")
    good = booted(site)
    expect(site, good)
    bad = booted(site, measured(register, b"something else"))
    client = site.client(bad)
    client.token()
    answer = client.get(PATH)
    assert (answer.status, variant(answer)) == (401, "PolicyDeny")
    body = refusal(answer)
    name = f"pcr{register:02}"
    assert name in str(body.claim)
    assert bad.pcrs[register].hex() in str(body.got)
    assert good.pcrs[register].hex() in str(body.expected)
    assert "default_cpu: " in str(body.rule)
    assert name in str(body.remedy)


@pytest.mark.parametrize("register", [12, 13, 14, 15])
def test_what_comes_from_outside_the_image_shows(site: Site, register: int) -> None:
    expect(site, booted(site))
    cpu = appraised(site, booted(site, measured(register, b"init=/bin/sh")))
    assert cpu["ear.trustworthiness-vector"]["configuration"] == 36
    assert f"pcr{register}" in [reason["claim"] for reason in cpu["ear.casemate.reasons"]]


def test_without_reference_values_nothing_is_as_expected(site: Site) -> None:
    cpu = appraised(site, booted(site))
    vector = cpu["ear.trustworthiness-vector"]
    assert (vector["executables"], vector["configuration"]) == (33, 36)
    reasons = {reason["claim"]: reason for reason in cpu["ear.casemate.reasons"]}
    assert set(reasons) == {"hardware", *(f"pcr{n:02}" for n in MEASURED)}
    assert "there is none" in reasons["pcr11"]["expected"]


def test_reference_values_may_list_several_images(site: Site) -> None:
    tpm = booted(site)
    site.register(**{f"tpm_pcr{n:02}": ["00" * 32, tpm.pcrs[n].hex()] for n in MEASURED})
    assert appraised(site, tpm)["ear.trustworthiness-vector"]["executables"] == 3


def test_new_reference_values_count_at_once_and_removed_ones_no_more(site: Site) -> None:
    tpm = booted(site)

    def executables() -> int:
        return int(appraised(site, tpm)["ear.trustworthiness-vector"]["executables"])

    assert executables() == 33
    expect(site, tpm)
    assert executables() == 3
    site.admin("DELETE", "reference-value/tpm_pcr11")
    assert executables() == 33


def test_expired_reference_values_count_no_more_without_a_restart(site: Site) -> None:
    site.register(launch_digest=["abcde"])
    assert appraised(site, None)["ear.trustworthiness-vector"]["executables"] == 3
    site.clock.now += 366 * 86400
    assert appraised(site, None)["ear.trustworthiness-vector"]["executables"] == 33


def test_the_local_policy_lets_a_tpm_as_expected_pass_and_the_production_policy_does_not(
    site: Site,
) -> None:
    site.put(PATH, b"secret")
    tpm = booted(site)
    expect(site, tpm)
    client = site.client(tpm)
    client.token()
    site.set_policy(shipped("local"))
    assert client.secret(PATH).reveal() == b"secret"
    site.set_policy(shipped("production"))
    answer = client.get(PATH)
    assert variant(answer) == "PolicyDeny"
    assert refusal(answer).claim == "hardware"


@pytest.mark.parametrize("policy", ["default", "production", "affirming", "local", "deny_all"])
def test_sample_evidence_satisfies_no_policy_but_allow_all(site: Site, policy: str) -> None:
    site.put(PATH, b"secret")
    site.register(launch_digest=["abcde"], svn=["1"], major_version=1, minimum_minor_version=4)
    client = site.client()
    client.token()
    assert client.get(PATH).status == 200
    site.set_policy(shipped(policy))
    answer = client.get(PATH)
    assert (answer.status, variant(answer)) == (401, "PolicyDeny")
    assert refusal(answer).remedy


def test_a_tpm_that_no_platform_certified_is_refused(site: Site) -> None:
    anyone = SoftwareTpm(CertificateAuthority.create("anyone"))
    client = site.client(anyone)
    client.auth()
    answer = client.attest()
    assert answer.status == 401
    assert refusal(answer).step == "tpm.2 certificate"


def test_evidence_of_one_machine_with_the_key_of_another_is_refused(site: Site) -> None:
    import json

    one, two = booted(site), booted(site)
    client = site.client(one)
    client.auth()
    mixed = json.loads(client.evidence())
    mixed["ak_public"] = json.loads(two.evidence(b""))["ak_public"]
    assert refusal(client.attest(json.dumps(mixed).encode())).step == "tpm.3 key"


def test_initdata_reaches_policies_as_claims(site: Site) -> None:
    document = build(
        {
            "aa.toml": "[token_configs]\nx = 1\n",
            "policy.rego": 'package agent_policy\npolicy_data := {"containers": [{"OCI": '
            '{"Annotations": {"io.kubernetes.cri.image-name": "app:1"}, '
            '"Process": {"User": {"UID": 7}}}}]}',
        },
        Algorithm.SHA256,
    )
    tpm = booted(site)
    tpm.bind_init_data(document.digest)
    cpu = appraised(site, tpm, initdata=document.raw.decode())
    claims = cpu["ear.veraison.annotated-evidence"]["init_data_claims"]
    assert claims["aa.toml"] == {"token_configs": {"x": 1}}
    assert "policy.rego" not in claims
    assert cpu["ear.trustee.identifiers"] == {
        "validated": {"container_images": ["app:1"], "container_uids": [7]}
    }


@pytest.mark.parametrize(
    "text",
    [
        "package policy\ntrust_claims := 1",
        'package policy\ntrust_claims := {"nonsense": 1}',
        'package policy\ntrust_claims := {"hardware": 200}',
        'package policy\ntrust_claims := {"hardware": "2"}',
        "package policy\nimport rego.v1\ntrust_claims := {} if input.nosuch",
        (
            'package policy\ntrust_claims := {}\nextensions := [{"name": "ear.status", "key": 1, '
            '"value": "affirming"}]'
        ),
        "package policy\ntrust_claims := {}\nextensions := 1",
    ],
)
def test_policies_that_give_no_verdict_fail_the_attestation(site: Site, text: str) -> None:
    request = {"policy_id": "default_cpu", "policy": base64url.encode(text.encode())}
    assert site.admin("POST", "attestation-policy", request).status == 200
    client = site.client()
    client.auth()
    answer = client.attest()
    assert (answer.status, variant(answer)) == (401, "AttestationError")


def test_a_policy_without_trust_claims_says_nothing(site: Site) -> None:
    request = {"policy_id": "default_cpu", "policy": base64url.encode(b"package policy\nx := 1")}
    site.admin("POST", "attestation-policy", request)
    assert appraised(site, None)["ear.status"] == "none"


@pytest.mark.parametrize(
    ("value", "tier"),
    [
        *((-1, 0), (0, 0), (1, 0), (2, 1), (31, 1), (-2, 1), (-32, 1), (32, 2), (95, 2)),
        *((-33, 2), (-96, 2), (96, 3), (127, 3), (-97, 3), (-128, 3)),
    ],
)
def test_tiers_of_trust_claims(value: int, tier: int) -> None:
    assert Tier.of(value) == tier


def test_keys_of_other_kinds_do_not_sign_tokens() -> None:
    from casemate.errors import InputError
    from casemate.trustee.attestation.signer import TokenSigner

    with pytest.raises(InputError, match="P-256"):
        TokenSigner(PrivateKey.generate(Kind.P384), [], lifetime=1, clock=lambda: 0)
