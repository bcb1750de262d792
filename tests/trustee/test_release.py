"""Who gets a resource, in what form, and every token that gets nothing (spec §2.3, §4, §8, §9)."""

import hashlib
import hmac
import json
from typing import Any

import msgspec
import pytest

from casemate.crypto import base64url, jwe, jwt
from casemate.crypto.authority import CertificateAuthority
from casemate.crypto.jwk import EcTeeKey
from casemate.crypto.keys import Kind, PrivateKey
from casemate.crypto.x509 import Usage, split_pem
from casemate.errors import VerificationError
from casemate.tee.vtpm.fake import SoftwareTpm
from casemate.trustee.attestation.signer import TokenSigner
from tests.trustee.site import Site, claims_of, refusal, variant

PATH = "default/key/1"


def test_resource_is_sealed_to_the_key_in_the_evidence(site: Site) -> None:
    site.put(PATH, b"hunter2")
    client = site.client()
    client.token()
    answer = client.get(PATH)
    assert dict(answer.headers)["content-type"] == "application/json"
    assert b"hunter2" not in answer.body
    assert jwe.decrypt(answer.body, client.key).reveal() == b"hunter2"
    with pytest.raises(VerificationError):
        jwe.decrypt(answer.body, PrivateKey.generate(Kind.P256))


@pytest.mark.parametrize("kind", [Kind.P256, Kind.P521, Kind.RSA])
def test_every_kind_of_tee_key_opens_its_secret(site: Site, kind: Kind) -> None:
    site.put(PATH, b"hunter2")
    client = site.client()
    client.key = PrivateKey.generate(kind, bits=2048)
    client.token()
    assert client.secret(PATH).reveal() == b"hunter2"


def test_a_token_serves_as_bearer_too(site: Site) -> None:
    site.put(PATH, b"hunter2")
    client = site.client()
    token = client.token()
    client.cookie = ""
    answer = client.get(PATH, authorization=f"Bearer {token}")
    assert jwe.decrypt(answer.body, client.key).reveal() == b"hunter2"


@pytest.mark.parametrize("scheme", ["bearer", "Basic", "Bearer  ", ""])
def test_no_token_no_resource(site: Site, scheme: str) -> None:
    site.put(PATH, b"hunter2")
    answer = site.ask("GET", f"resource/{PATH}", authorization=scheme)
    assert (answer.status, variant(answer)) == (401, "TokenNotFound")
    assert refusal(answer).detail == "Attestation Token not found"


def test_a_session_that_did_not_attest_gets_nothing(site: Site) -> None:
    site.put(PATH, b"hunter2")
    client = site.client()
    client.auth()
    assert variant(client.get(PATH)) == "TokenNotFound"


def _resigned(token: str, header: dict[str, Any], signature: bytes | None = None) -> str:
    body = token.split(".")[1]
    head = base64url.encode(json.dumps(header).encode())
    return f"{head}.{body}.{base64url.encode(signature or b'')}"


def _header(token: str) -> dict[str, Any]:
    header: dict[str, Any] = json.loads(base64url.decode(token.split(".", maxsplit=1)[0]))
    return header


def test_forged_tokens_are_refused(site: Site) -> None:
    site.put(PATH, b"hunter2")
    token = site.client().token()
    header = _header(token)
    genuine = PrivateKey.from_pem((site.folder / "token.key").read_bytes())
    mine = PrivateKey.generate(Kind.P256)
    stranger = CertificateAuthority.create("Casemate Trustee")
    strange = split_pem(stranger.issue_for_public_key(mine.public.der(), "x", Usage.DOCUMENT))
    claims = claims_of(token)
    expired = claims | {"exp": site.clock() - 61}
    server = CertificateAuthority.load(
        (site.folder / "ca.pem").read_bytes(), (site.folder / "ca.key").read_bytes()
    )
    tls = split_pem(server.issue_for_public_key(mine.public.der(), "x", Usage.SERVER))

    def signed(key: PrivateKey, chain: list[bytes]) -> str:
        signer = TokenSigner(key, chain, lifetime=300, clock=site.clock)
        return signer.sign(claims["submods"])

    def hs256(secret: bytes) -> str:
        head = base64url.encode(json.dumps(header | {"alg": "HS256"}).encode())
        text = f"{head}.{token.split('.')[1]}"
        mac = hmac.digest(secret, text.encode(), hashlib.sha256)
        return f"{text}.{base64url.encode(mac)}"

    forged = {
        "alg none": _resigned(token, header | {"alg": "none"}),
        "alg none, jwk none": _resigned(
            token, header | {"alg": "none", "jwk": header["jwk"] | {"alg": "none"}}
        ),
        "HS256 with the public key": hs256(genuine.public.pem()),
        "own key, no chain": signed(mine, []),
        "own key, own authority": signed(mine, strange),
        "own key, genuine chain": signed(mine, split_pem((site.folder / "token.pem").read_bytes())),
        "TLS certificate of our authority": signed(mine, tls),
        "expired": jwt.sign(expired, genuine, header=token.split(".")[0]),
        "no exp": jwt.sign(
            {k: v for k, v in claims.items() if k != "exp"}, genuine, header=token.split(".")[0]
        ),
        "no tee key": jwt.sign(claims | {"submods": {}}, genuine, header=token.split(".")[0]),
        "crit": jwt.sign(claims, genuine, header=jwt.encode_header(header | {"crit": ["exp"]})),
        "changed claims": ".".join(
            [token.split(".")[0], base64url.encode(b'{"exp":9999999999}'), token.split(".")[2]]
        ),
        "admin token": site.admin_token(),
        "garbage": "a.b.c",
        "": "x",
    }
    for name, text in forged.items():
        answer = site.ask("GET", f"resource/{PATH}", authorization=f"Bearer {text}")
        assert (answer.status, variant(answer)) == (401, "TokenVerifierError"), name
        assert refusal(answer).got, name


def test_token_of_the_genuine_signer_is_the_only_one_that_counts(site: Site) -> None:
    site.put(PATH, b"hunter2")
    client = site.client()
    token = client.token()
    for _ in range(2):  # the second time the endorsement comes from the cache
        assert site.ask("GET", f"resource/{PATH}", authorization=f"Bearer {token}").status == 200
    site.clock.now += 361
    answer = site.ask("GET", f"resource/{PATH}", authorization=f"Bearer {token}")
    assert variant(answer) == "TokenVerifierError"


def test_missing_resource_is_404_after_the_policy_and_only_then(site: Site) -> None:
    client = site.client()
    client.token()
    answer = client.get("default/key/none")
    assert (answer.status, variant(answer)) == (404, "PluginInternalError")
    deny = site.reopened(resource_policy="deny_all")
    deny.set_policy("package policy\nimport rego.v1\ndefault allow := false")
    client.site = deny
    answer = client.get("default/key/none")
    assert (answer.status, variant(answer)) == (401, "PolicyDeny")


@pytest.mark.parametrize(
    "path",
    [
        "..%2f..%2ftrustee/db/x",
        "default/key/..",
        "default/../1",
        ".a/key/1",
        "default/key",
        "default/key/1/2",
        "default//1",
        "default/key/",
        "default/key/1%00",
        "default/k%2fey/1",
        "default/key/%E2%80%AE",
        "default/key/1%0a",
        "a" * 300 + "/key/1",
        "",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_tricks_in_resource_names_are_refused(site: Site, path: str, method: str) -> None:
    if method == "GET":
        client = site.client()
        client.token()
        answer = client.get(path)
    else:
        answer = site.admin(method, f"resource/{path}", b"x")
    assert answer.status == 401
    assert "Plugin internal error" in refusal(answer).detail or variant(answer).startswith("Admin")


@pytest.mark.parametrize("path", ["%ff/key/1", "default/key/1?a=%ff"])
def test_text_that_cannot_be_decoded_is_a_bad_request(site: Site, path: str) -> None:
    assert site.ask("GET", f"resource/{path}").status == 400


def test_put_goes_through_token_and_policy_and_is_refused(site: Site) -> None:
    client = site.client()
    assert variant(site.ask("PUT", f"resource/{PATH}", b"x")) == "TokenNotFound"
    client.token()
    answer = site.ask("PUT", f"resource/{PATH}", b"x", cookie=client.cookie)
    assert (answer.status, variant(answer)) == (401, "PluginInternalError")


def test_policy_chooses_between_two_keys_by_claims(site: Site) -> None:
    """Mission row E05."""
    site.put("default/key/tpm", b"for the tpm")
    site.put("default/key/sample", b"for the sample")
    site.set_policy(
        """package policy
        import rego.v1
        default allow := false
        evidence := input.submods.cpu0["ear.veraison.annotated-evidence"]
        allow if { data["resource-path"] == ["default", "key", "tpm"]; evidence.tpm.ak_certified }
        allow if { data["resource-path"] == ["default", "key", "sample"]; evidence.sample }
        """
    )
    for attester, name in ((SoftwareTpm(site.platform), "tpm"), (None, "sample")):
        client = site.client(attester)
        client.token()
        assert client.secret(f"default/key/{name}").reveal() == f"for the {name}".encode()
        other = "sample" if name == "tpm" else "tpm"
        assert variant(client.get(f"default/key/{other}")) == "PolicyDeny"


def test_policy_sees_plugin_path_and_query(site: Site) -> None:
    site.put(PATH, b"x")
    site.set_policy(
        """package policy
        import rego.v1
        default allow := false
        allow if { data.plugin == "resource"; data.query.purpose == "backup" }
        """
    )
    client = site.client()
    client.token()
    assert client.get(f"{PATH}?purpose=backup").status == 200
    assert client.get(f"{PATH}?purpose=").status == 401
    assert client.get(PATH).status == 401


@pytest.mark.parametrize("value", ['"true"', "1", "null", "{}", "false"])
def test_only_true_allows(site: Site, value: str) -> None:
    site.put(PATH, b"x")
    site.set_policy(f"package policy\nimport rego.v1\nallow := {value}")
    client = site.client()
    client.token()
    answer = client.get(PATH)
    assert (answer.status, refusal(answer).detail) == (401, "Access denied by policy")


def test_policy_that_fails_to_evaluate_denies(site: Site) -> None:
    site.set_policy("package policy\nimport rego.v1\nallow if input.exp > nosuch(1)")
    client = site.client()
    client.token()
    assert variant(client.get(PATH)) in {"PolicyEngineError", "PolicyDeny"}


def test_a_tee_key_nothing_is_sealed_to_gets_nothing(site: Site) -> None:
    site.put(PATH, b"x")
    client = site.client()
    p384 = PrivateKey.generate(Kind.P384).public.jwk()
    jwk = msgspec.to_builtins(p384)
    key = EcTeeKey(crv="P-384", alg="ECDH-ES+A256KW", x=jwk["x"], y=jwk["y"])
    from casemate.wire import kbs

    client.runtime_data = lambda: kbs.RuntimeData(client.nonce, key)  # type: ignore[method-assign]
    client.token()
    answer = client.get(PATH)
    assert (answer.status, refusal(answer).detail) == (401, "JWE failed")
