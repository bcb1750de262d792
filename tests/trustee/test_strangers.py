"""Nobody but the owner and the attested guest gets anything: not the cloud, not its staff (A09)."""

import pytest

from casemate.crypto.keys import PrivateKey
from casemate.trustee.serve import tees_of
from casemate.trustee.settings import TABLE
from tests.trustee.site import Site

PATH = "default/key/1"


@pytest.fixture
def clouds_keys(site: Site) -> list[PrivateKey]:
    """Every key that the platform holds, and the ones that stand in the Trustee's folder but sign
    something else."""
    platform = PrivateKey.from_pem(site.platform.key_pem.reveal())
    others = [PrivateKey.from_pem((site.folder / name).read_bytes()) for name in OTHERS]
    return [platform, *others]


OTHERS = ("server.key", "token.key")


def test_no_key_of_the_cloud_administers(site: Site, clouds_keys: list[PrivateKey]) -> None:
    site.put(PATH, b"secret")
    for key in clouds_keys:
        bearer = f"Bearer {site.admin_token(key)}"
        for method, path in (("POST", f"resource/{PATH}"), ("POST", "resource-policy")):
            assert site.ask(method, path, b"{}", authorization=bearer).status == 401


def test_no_key_of_the_cloud_stands_for_an_attested_guest(
    site: Site, clouds_keys: list[PrivateKey]
) -> None:
    site.put(PATH, b"secret")
    for key in clouds_keys:
        answer = site.ask(
            "GET", f"resource/{PATH}", authorization=f"Bearer {site.admin_token(key)}"
        )
        assert answer.status == 401


def test_settings_know_roots_and_nothing_of_a_cloud() -> None:
    trusted = {s.name for s in TABLE if s.name.endswith(("authorities", "keys", "key"))}
    assert trusted == {
        *("http.key", "ak_authorities", "token.key", "token.authorities", "admin.keys"),
        "se.customer_key",
    }
    assert not [s.name for s in TABLE if "cloud" in s.name or "credential" in s.name]


def test_what_proves_nothing_is_off_unless_it_is_turned_on() -> None:
    soft = {"sample", "sampledevice"}
    production = tees_of({"profile": "production", "sample": False, "verifier.plugins": []})
    assert not production & (soft | {"tpm"})
    assert not tees_of({"profile": "development", "sample": False, "verifier.plugins": []}) & soft
    assert soft <= tees_of({"profile": "development", "sample": True, "verifier.plugins": []})
