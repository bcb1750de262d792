"""Who administers, and in which words everybody else is refused (spec §7, §2.4)."""

import hashlib
import hmac
import json

import pytest

from casemate.crypto import base64url
from casemate.crypto.keys import Kind, PrivateKey
from casemate.errors import InputError
from casemate.trustee.kbs.admin import Acl
from tests.trustee.site import Site, refusal, variant

PATH = "resource/default/key/1"


def test_the_owners_key_administers(site: Site) -> None:
    assert site.admin("POST", PATH, b"x").status == 200
    assert json.loads(site.admin("GET", "resource").body) == ["default/key/1"]
    assert site.admin("DELETE", PATH).status == 200
    assert site.admin("DELETE", PATH).status == 404


def test_admin_routes_refuse_in_upstreams_words(site: Site) -> None:
    other = PrivateKey.generate(Kind.ED25519)
    answer = site.admin("POST", "resource-policy", b"{}", key=other)
    assert (answer.status, variant(answer)) == (401, "AdminAuthAccess")
    assert refusal(answer).detail.startswith(
        "admin access denied for endpoint resource-policy: "
        "Cannot verify token with any of the issuers"
    )
    answer = site.admin("POST", PATH, b"x", key=other)
    assert (answer.status, variant(answer)) == (401, "AdminAuthInitialization")
    assert refusal(answer).detail.startswith(
        "failed to initialize [admin] configuration: Cannot verify token with any of the issuers"
    )


def test_a_token_without_a_role_is_refused(site: Site) -> None:
    answer = site.admin("POST", PATH, b"x", role=None)
    assert "claim in JWT" in refusal(answer).detail


def test_a_role_without_an_acl_is_refused(site: Site) -> None:
    answer = site.admin("POST", PATH, b"x", role="guest")
    assert f"Role guest not allowed for path /kbs/v0/{PATH}" in refusal(answer).detail


def test_a_role_reaches_only_what_its_acl_names(site: Site) -> None:
    narrow = site.reopened(
        admin__acls=["keeper=^/kbs/v0/resource/default/.*$", "admin=^/kbs/v0/.*$"]
    )
    assert narrow.admin("POST", PATH, b"x", role="keeper").status == 200
    assert narrow.admin("POST", "resource/other/key/1", b"x", role="keeper").status == 401
    assert narrow.admin("GET", "resource-policy", role="keeper").status == 401
    assert narrow.admin("GET", "resource-policy?x=1", role="admin").status == 200


def test_issuer_and_audience_count_where_they_are_configured(site: Site) -> None:
    strict = site.reopened(admin__issuer="me", admin__audience="KBS")
    assert strict.admin("POST", PATH, b"x", iss="me", aud=["other", "KBS"]).status == 200
    assert strict.admin("POST", PATH, b"x", iss="me", aud="KBS").status == 200
    assert strict.admin("POST", PATH, b"x", iss="you", aud="KBS").status == 401
    assert strict.admin("POST", PATH, b"x", iss="me").status == 401


@pytest.mark.parametrize("exp", [-61, None, "soon", True])
def test_times_are_required_and_heeded(site: Site, exp: object) -> None:
    end = site.clock() + exp if isinstance(exp, int) and exp is not True else exp
    assert site.admin("POST", PATH, b"x", exp=end).status == 401


@pytest.mark.parametrize("algorithm", ["none", "HS256", "HS512"])
def test_algorithm_confusion_is_refused(site: Site, algorithm: str) -> None:
    public = (site.folder / "admin.pub").read_bytes()
    claims = {"role": "admin", "exp": site.clock() + 60}
    parts = [base64url.encode(json.dumps(p).encode()) for p in ({"alg": algorithm}, claims)]
    text = ".".join(parts)
    mac = b"" if algorithm == "none" else hmac.digest(public, text.encode(), hashlib.sha256)
    token = f"{text}.{base64url.encode(mac)}"
    answer = site.ask("POST", PATH, b"x", authorization=f"Bearer {token}")
    assert answer.status == 401


def test_an_attestation_token_does_not_administer(site: Site) -> None:
    token = site.client().token()
    assert site.ask("POST", PATH, b"x", authorization=f"Bearer {token}").status == 401


def test_without_issuers_everybody_is_denied(site: Site) -> None:
    closed = site.reopened(admin__keys=[])
    answer = closed.admin("POST", PATH, b"x")
    assert "DenyAll authorization_mode is enabled" in refusal(answer).detail


@pytest.mark.parametrize("route", ["resource-policy", "attestation-policy", "reference-value"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_every_admin_route_wants_an_administrator(site: Site, route: str, method: str) -> None:
    assert variant(site.ask(method, route)) == "AdminAuthAccess"


@pytest.mark.parametrize("acl", ["admin", "=^/kbs$", "a=/kbs.*$", "a=^/kbs.*", "a=^/kbs($"])
def test_an_acl_that_is_not_anchored_is_no_acl(acl: str) -> None:
    with pytest.raises(InputError):
        Acl.parse(acl)


def test_policies_are_set_shown_and_listed(site: Site) -> None:
    text = "package policy\nimport rego.v1\ndefault allow := false\n"
    assert site.set_policy(text).status == 200
    assert json.loads(site.admin("GET", "resource-policy").body) == ["resource-policy"]
    assert site.admin("GET", "resource-policy/resource-policy").body.decode() == text
    assert site.admin("GET", "resource-policy/nope").status == 404
    encoded = base64url.encode(b"package policy\ntrust_claims := {}\n")
    request = {"policy_id": "default_gpu", "policy": encoded, "type": "rego"}
    assert site.admin("POST", "attestation-policy", request).status == 200
    names = json.loads(site.admin("GET", "attestation-policy").body)
    assert names == ["default_cpu", "default_gpu"]
    assert site.admin("GET", "attestation-policy/default_gpu").status == 200
    assert site.admin("GET", "attestation-policy/nope").status == 404


def test_bad_policies_are_refused_and_the_old_one_stays(site: Site) -> None:
    before = site.admin("GET", "resource-policy/resource-policy").body
    assert variant(site.set_policy("package policy\nnot rego")) == "PolicyEngineError"
    answer = site.admin("POST", "resource-policy", {"policy": "!!!"})
    assert variant(answer) == "ParsePolicyError"
    assert variant(site.admin("POST", "resource-policy", b"{}")) == "ParsePolicyError"
    assert site.admin("GET", "resource-policy/resource-policy").body == before
    for name in ("../x", "", "a/b", "x" * 200):
        request = {"policy_id": name, "policy": base64url.encode(b"package policy")}
        answer = site.admin("POST", "attestation-policy", request)
        assert refusal(answer).detail == "Attestation error: Set Attestation Policy failed"
