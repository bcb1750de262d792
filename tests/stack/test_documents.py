import msgspec
import pytest

from casemate.guest.attestation import settings as agent_settings
from casemate.guest.hub import settings as hub_settings
from casemate.stack.owner import documents

AUTHORITY = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"


def test_guest_reads_the_agent_configuration_as_it_was_meant() -> None:
    text = documents.agent_configuration(trustee="https://10.0.2.2:1", authority=AUTHORITY)
    parsed = agent_settings.parse(text).token_configs.kbs
    assert parsed is not None
    assert (parsed.url, parsed.cert) == ("https://10.0.2.2:1", AUTHORITY)


def test_guest_reads_the_hub_configuration_as_it_was_meant() -> None:
    text = documents.hub_configuration(
        trustee="https://10.0.2.2:1",
        authority=AUTHORITY,
        registry="localhost:2",
        reachable_at="10.0.2.2:2",
        registry_authority=AUTHORITY,
    )
    image = hub_settings.parse(text).image
    assert image.image_security_policy_uri == f"kbs:///{documents.IMAGE_POLICY}"
    assert image.extra_root_certificates == (AUTHORITY,)
    assert image.registry_config == {
        "registry": [{"prefix": "localhost:2", "location": "10.0.2.2:2"}]
    }


def test_images_of_others_are_rejected_by_default() -> None:
    policy = msgspec.json.decode(documents.image_policy("localhost:2"))
    assert policy["default"] == [{"type": "reject"}]


@pytest.mark.parametrize("request_name", ["ExecProcess", "SetPolicy", "CopyFile", "WriteStream"])
def test_agent_policy_denies_what_lets_a_host_in(request_name: str) -> None:
    assert f"default {request_name}Request := false" in documents.agent_policy("localhost:5443")
