import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casemate.errors import InputError
from casemate.guest.attestation import settings as agent_settings
from casemate.guest.hub import settings as hub_settings
from casemate.guest.hub.settings import BrokerKind, CredentialSettings
from tests.vectors import vector

UPSTREAM = ("guest", "upstream", "guest-components")


@pytest.mark.parametrize("name", ["test/config1", "test/config2", "test/config4", "config.example"])
def test_upstreams_aa_toml_is_read(name: str) -> None:
    path = vector(*UPSTREAM, "attestation-agent", "attestation-agent", f"{name}.toml")
    parsed = agent_settings.parse(path.read_text())
    assert parsed.eventlog_config.init_pcr == 17
    assert (parsed.token_configs.kbs is None) == name.endswith("4")


def test_upstreams_cdh_toml_is_read() -> None:
    path = vector(*UPSTREAM, "confidential-data-hub", "hub", "tests", "cdh.toml")
    parsed = hub_settings.parse(path.read_text())
    assert parsed.kbc is not None
    assert parsed.kbc.name is BrokerKind.FILES
    assert parsed.image.image_security_policy_uri == "kbs:///default/security-policy/test"
    assert parsed.image.max_concurrent_layer_downloads_per_image == 4


@pytest.mark.parametrize(
    ("text", "begins"),
    [
        ("", False),
        ("[kbc]\nname = 'cc_kbc'\nurl = 'https://x'", False),
        ("[image]\nimage_security_policy_uri = 'kbs:///a/b/c'", False),
        ("[kbc]\nname = 'offline_fs_kbc'\n[image]\nsigstore_config_uri = 'kbs:///a/b/c'", False),
        ("[kbc]\nname = 'cc_kbc'\n[image]\nsigstore_config_uri = 'file:///a'", False),
        ("[kbc]\nname = 'cc_kbc'\n[image]\nimage_security_policy_uri = 'kbs:///a/b/c'", True),
        ("[kbc]\nname = 'cc_kbc'\n[image]\nregistry_configuration_uri = 'kbs:///a/b/c'", True),
        (
            f"""
            [kbc]
            name = 'cc_kbc'
            [[credentials]]
            resource_uri = 'kbs:///a/b/c'
            path = '{hub_settings.CREDENTIALS}/x'
            """,
            True,
        ),
    ],
)
def test_guest_begins_with_attestation_where_something_attested_is_fetched_at_start(
    text: str, *, begins: bool
) -> None:
    assert hub_settings.parse(text).begins_with_attestation is begins


def test_empty_documents_give_the_defaults() -> None:
    assert agent_settings.parse("").token_configs.kbs is None
    assert not agent_settings.parse("").eventlog_config.enable_eventlog
    assert hub_settings.parse("").image.work_dir == "/run/kata-containers/image/"


@pytest.mark.parametrize(
    "text",
    [
        "[image",
        "[kbc]\nurl = 'https://x'",
        "[kbc]\nname = 'other'",
        "[image]\nimage_security_polcy_uri = 'kbs:///a/b/c'",
        "[image]\nmax_concurrent_layer_downloads_per_image = 0",
        "[image]\nextra_root_certificates = 'one'",
        "credentials = [{resource_uri = 'kbs:///a/b/c', path = '/etc/passwd'}]",
        "x = " + "[" * 5000,
        "a" * (2 << 20),
    ],
)
def test_hub_settings_that_cannot_be_meant_are_refused(text: str) -> None:
    with pytest.raises(InputError):
        hub_settings.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "[eventlog_config]\ninit_pcr = 24",
        "[token_configs.kbs]\ncert = 'no url'",
        "[token_configs.kbs]\nurl = 'https://x'\ntee_key_algorithm = 'ECDH-ES+A256KW-P384'",
    ],
)
def test_agent_settings_that_cannot_be_meant_are_refused(text: str) -> None:
    with pytest.raises(InputError):
        agent_settings.parse(text)


def test_credentials_stay_in_their_folder() -> None:
    rows = json.loads(vector("guest", "tables", "credential-paths.json").read_text())
    folder = "/run/confidential-containers/cdh/kbs"
    rows += [
        {"path": f"{folder}/aws/credential.json", "valid": True},
        {"path": folder, "valid": False},
        {"path": f"{folder}er/x", "valid": False},
        {"path": f"{folder}//x", "valid": False},
        {"path": f"{folder}/x/", "valid": False},
        {"path": f"x{folder}/x", "valid": False},
        {"path": f"{folder}/x\0", "valid": False},
    ]
    for row in rows:
        credential = CredentialSettings(resource_uri="kbs:///a/b/c", path=row["path"])
        if row["valid"]:
            assert str(credential.target) == row["path"]
        else:
            with pytest.raises(InputError):
                _ = credential.target


@settings(max_examples=100)
@given(st.text(max_size=200) | st.text("[]=\"'.#\nab1{}, ", max_size=60))
def test_any_text_is_settings_or_an_input_error(text: str) -> None:
    for parse in (agent_settings.parse, hub_settings.parse):
        try:
            parse(text)
        except InputError:
            continue
