"""Upstream's tables: references, scopes, identities, rules, credentials, cosign verdicts."""

import base64
import json
from collections.abc import AsyncGenerator
from typing import Any

import msgspec
import pytest

from casemate.crypto.digest import Digest
from casemate.errors import InputError, PeerError, VerificationError
from casemate.oci import credentials, rules
from casemate.oci.credentials import lookup_keys, normalise
from casemate.oci.manifest import (
    OCI_MANIFEST,
    Descriptor,
    ImageConfig,
    Index,
    Manifest,
    Platform,
    RootFs,
    choose,
    describe,
    encode,
)
from casemate.oci.mediatype import LayerKind, Packing, parse_layer
from casemate.oci.reference import Reference
from casemate.oci.signature import policy as policies
from casemate.oci.signature.identity import Identity
from casemate.oci.signature.judgement import Judgement
from casemate.oci.signature.policy import SigstoreSigned
from casemate.oci.source import Document, Image, NotFoundError
from tests.vectors import vector


def table(*parts: str) -> Any:
    return json.loads(vector("guest", *parts).read_text())


def test_bad_references_are_refused() -> None:
    for text in table("tables", "bad-image-references.json"):
        with pytest.raises(InputError):
            Reference.parse(text)


@pytest.mark.parametrize(
    ("text", "full"),
    [
        ("busybox", "docker.io/library/busybox:latest"),
        ("a/b:1", "docker.io/a/b:1"),
        ("localhost:5000/a", "localhost:5000/a:latest"),
        ("localhost/a", "localhost/a:latest"),
        ("127.0.0.1:5000/cos/app:v1", "127.0.0.1:5000/cos/app:v1"),
        ("[::1]:5000/a:1", "[::1]:5000/a:1"),
        ("q.io/a__b/c-d.e@sha256:" + "0" * 64, "q.io/a__b/c-d.e@sha256:" + "0" * 64),
    ],
)
def test_reference_fills_in_defaults(text: str, full: str) -> None:
    assert str(Reference.parse(text)) == full
    assert Reference.parse(full) == Reference.parse(text)


def test_scopes_come_closest_first() -> None:
    for case in table("tables", "policy-scopes.json"):
        reference = Reference.parse(case["reference"])
        assert list(policies.scopes(reference)) == [str(reference), *case["scopes"], ""]


def test_signed_identities() -> None:
    for case in table("tables", "signed-identity.json"):
        rule = msgspec.convert(case["identity"], Identity)
        accepted = rule.accepts(Reference.parse(case["image"]), case["signed"])
        assert accepted is case["accept"], case


def test_registry_rules() -> None:
    facts = table("tables", "registry-rules.json")
    parsed = rules.parse(facts["config"])
    for case in facts["cases"]:
        reference = Reference.parse(case["image"])
        if "error" in case:
            with pytest.raises(InputError, match=case["error"]):
                parsed.tasks(reference)
            continue
        found = [
            {"reference": str(t.reference), "kind": str(t.way), "plain_http": t.plain_http}
            for t in parsed.tasks(reference)
        ]
        assert found == case["tasks"]


@pytest.mark.parametrize(
    ("prefix", "image", "matches"),
    [
        ("example.com", "example.com/a", True),
        ("example.com", "example.com:5000/a", False),
        ("example.com", "notexample.com/a", False),
        ("example.com/fo", "example.com/foo", False),
        ("*.example.com", "a.b.example.com/x", True),
        ("*.example.com", "example.com/x", False),
        ("localhost:5443", "localhost:5443/demo/app:1", True),
    ],
)
def test_prefixes_are_anchored(prefix: str, image: str, matches: bool) -> None:  # noqa: FBT001
    text = f'[[registry]]\nprefix = "{prefix}"\nlocation = "10.0.2.2:5443"\n'
    (task,) = rules.parse(text).tasks(Reference.parse(image))
    assert (task.reference.host == "10.0.2.2:5443") is matches


@pytest.mark.parametrize(
    "text",
    [
        "[[registry]]\nblocked = true\n",
        '[[registry]]\nprefix = "*.x"\n',
        '[[registry]]\nprefix = "x"\n[[registry.mirror]]\n',
        "short-name-mode = 1\n",
        "registry = 1\n",
        "=",
    ],
)
def test_bad_rules_are_refused(text: str) -> None:
    with pytest.raises(InputError):
        rules.parse(text)


def test_credentials() -> None:
    for case in table("tables", "registry-auth-keys.json"):
        if "lookup_order" in case:
            reference = Reference.parse(case["reference_key"])
            assert list(lookup_keys(reference)) == case["lookup_order"]
        elif "normalise" in case:
            assert normalise(case["normalise"]) == case["registry"]
        else:
            raw = json.dumps({"auths": case["auths"]}).encode()
            login = credentials.parse(raw).find(Reference.parse(case["reference"]))
            assert login is not None
            assert [login.user, login.password.reveal().decode()] == case["basic"]


def test_bad_credentials_show_nothing() -> None:
    hidden = base64.b64encode(b"no-colon-but-a-password").decode()
    for raw in (b"hunter2", json.dumps({"auths": {"q.io": {"auth": hidden}}}).encode()):
        with pytest.raises(InputError) as caught:
            credentials.parse(raw)
        assert "hunter2" not in str(caught.value)
        assert hidden not in str(caught.value)


class Vector:
    """A cosign case as a source."""

    def __init__(self, case: dict[str, Any]) -> None:
        self._case = case

    async def document(self, wanted: str) -> Document:
        if wanted != self._case["signature_tag"]:
            raise NotFoundError("manifest", got="none", want=wanted)
        return Document(self._case["signature_manifest"].encode(), "")

    async def blob(self, descriptor: Descriptor) -> AsyncGenerator[bytes, None]:
        yield base64.b64decode(self._case["blobs_b64"][descriptor.digest])


def image_of(case: dict[str, Any]) -> Image:
    config = ImageConfig(rootfs=RootFs(()))
    described = describe(encode(config), "")
    index = case.get("image_index_digest")
    return Image(
        digest=Digest.parse(case["image_manifest_digest"]),
        index_digest=Digest.parse(index) if index else None,
        manifest=Manifest(schema_version=2, config=described, layers=()),
        config=config,
        raw_manifest=b"",
        raw_config=b"",
    )


async def test_cosign_verdicts() -> None:
    for case in table("cosign", "cases.json"):
        requirement = {
            "type": "sigstoreSigned",
            "keyPath": "/" + case["public_key"],
        } | ({"signedIdentity": case["signedIdentity"]} if "signedIdentity" in case else {})
        policy = policies.parse(json.dumps({"default": [requirement]}).encode())

        async def read_key(path: str) -> bytes:
            return vector("guest", "cosign", "keys", path[1:]).read_bytes()

        judge = Judgement(
            policy, Reference.parse(case["image"]), source=Vector(case), read_key=read_key
        )
        try:
            accepted = bool(await judge(image_of(case)))
        except VerificationError:
            accepted = False
        assert accepted is case["expect_accept"], case["name"]


def test_key_data_is_pem_or_base64() -> None:
    pem = "-----BEGIN PUBLIC KEY-----\nAA==\n-----END PUBLIC KEY-----\n"
    for text in (pem, base64.b64encode(pem.encode()).decode()):
        assert SigstoreSigned(key_data=text).key_text() == pem.encode()


@pytest.mark.parametrize(
    "policy",
    [
        {},
        {"default": []},
        {"default": [{"type": "other"}]},
        {"default": [{"type": "reject", "more": 1}]},
        {"default": [{"type": "reject"}], "transports": {"docker": {"x": []}}},
        {"default": [{"type": "reject"}], "more": 1},
        {"default": [{"type": "sigstoreSigned"}]},
        {"default": [{"type": "sigstoreSigned", "keyPath": "a", "keyData": "YQ=="}]},
        {"default": [{"type": "sigstoreSigned", "keyData": "?"}]},
        {"default": [{"type": "signedBy", "keyType": "X", "keyPath": "a"}]},
        {
            "default": [
                {
                    "type": "sigstoreSigned",
                    "keyPath": "a",
                    "signedIdentity": {"type": "matchExact"},
                }
            ]
        },
    ],
)
def test_bad_policies_are_refused(policy: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        policies.parse(json.dumps(policy).encode())


@pytest.mark.parametrize(
    ("media_type", "packing", "encrypted"),
    [
        ("application/vnd.oci.image.layer.v1.tar", Packing.PLAIN, False),
        ("application/vnd.oci.image.layer.v1.tar+zstd+encrypted", Packing.ZSTD, True),
        ("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", Packing.GZIP, False),
        ("application/vnd.docker.image.rootfs.diff.tar.gzip+encrypted", Packing.GZIP, True),
        ("application/vnd.docker.image.rootfs.diff.tar", Packing.PLAIN, False),
    ],
)
def test_media_types_of_layers(media_type: str, packing: Packing, encrypted: bool) -> None:  # noqa: FBT001
    assert parse_layer(media_type) == LayerKind(packing, encrypted)


def test_other_media_types_are_no_layer() -> None:
    for media_type in ("", "text/plain", "application/vnd.oci.image.layer.v1.tar+xz"):
        with pytest.raises(PeerError):
            parse_layer(media_type)


def test_index_gives_the_entry_of_the_platform() -> None:
    entries = tuple(
        Descriptor(
            media_type=OCI_MANIFEST, digest=f"sha256:{n:064x}", size=1, platform=Platform(os, arch)
        )
        for n, (os, arch) in enumerate([("linux", "arm64"), ("linux", "amd64"), ("windows", "x")])
    )
    index = Index(schema_version=2, manifests=entries)
    assert choose(index) is entries[1]
    with pytest.raises(PeerError, match="linux/s390x"):
        choose(index, architecture="s390x")
