import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casemate.crypto import openpgp
from casemate.crypto.digest import Digest, sha256
from casemate.errors import CasemateError, InputError, VerificationError
from casemate.net.http import HttpClient
from casemate.oci.manifest import ImageConfig, Manifest, RootFs, describe, encode
from casemate.oci.reference import Reference
from casemate.oci.signature import lookaside
from casemate.oci.signature import policy as policies
from casemate.oci.signature.judgement import Judgement
from casemate.oci.source import Image
from tests.vectors import vector

DECIDED = {"bad-then-good": True}
"""Where the reference tool refuses and upstream tries the others, we try the others."""


class Folder:
    """A case's signatures as a lookaside."""

    def __init__(self, names: list[str]) -> None:
        self._names = names

    async def fetch(self, reference: Reference, digest: Digest) -> tuple[bytes, ...]:
        del reference, digest
        return tuple(signature(name) for name in self._names)


def signature(name: str) -> bytes:
    return vector("guest", "simple-signing", "signatures", f"{name}.sig").read_bytes()


def key(name: str) -> bytes:
    return vector("guest", "simple-signing", "keys", name).read_bytes()


def image() -> Image:
    raw = vector("guest", "simple-signing", "manifest.json").read_bytes()
    config = ImageConfig(rootfs=RootFs(()))
    manifest = Manifest(schema_version=2, config=describe(encode(config), ""), layers=())
    return Image(sha256(raw), None, manifest, config, raw, b"")


async def read_key(path: str) -> bytes:
    file = Path(path.replace("{{keys}}", str(vector("guest", "simple-signing", "keys"))))
    try:
        return file.read_bytes()  # noqa: ASYNC240
    except OSError as error:
        raise InputError(path, got=error.strerror, want="a key") from error


async def accepted(case: dict[str, Any]) -> bool:
    try:
        judge = Judgement(
            policies.parse(json.dumps(case["policy"]).encode()),
            Reference.parse(case["image"]),
            source=None,  # type: ignore[arg-type]  # no requirement here looks at the registry
            read_key=read_key,
            lookaside=Folder(case["signatures"]),
        )
        await judge(image())
    except CasemateError:
        return False
    return True


async def test_verdicts_of_the_reference_tool() -> None:
    facts = json.loads(vector("guest", "simple-signing", "cases.json").read_text())
    assert str(image().digest) == facts["manifest_digest"]
    for case in facts["cases"]:
        want = DECIDED.get(case["name"], case["accepted"])
        assert await accepted(case) is want, case["name"]


@pytest.mark.parametrize(("name", "count"), [("key-a.gpg", 1), ("key-a.asc", 1), ("key-ab.gpg", 2)])
def test_keyrings_are_read(name: str, count: int) -> None:
    assert len(openpgp.parse_keyring(key(name))) == count


def test_ed25519_signature_verifies() -> None:
    keys = openpgp.parse_keyring(key("key-c.gpg"))
    content = openpgp.open_message(signature("c-team-v1"), keys, now=time.time())
    assert json.loads(content)["critical"]["type"] == "atomic container signature"


def test_sha1_signature_of_upstream_is_refused() -> None:
    base = ("guest", "upstream", "guest-components", "image-rs", "test_data", "signature")
    keys = openpgp.parse_keyring(vector(*base, "pubring.gpg").read_bytes())
    raw = vector(*base, "signatures", "signature-1").read_bytes()
    with pytest.raises(InputError, match="OpenPGP signature"):
        openpgp.open_message(raw, keys, now=time.time())


@settings(max_examples=150)
@given(st.data())
def test_any_change_of_a_signature_is_refused(data: st.DataObject) -> None:
    keys = openpgp.parse_keyring(key("key-a.gpg"))
    raw = bytearray(signature("a-team-v1"))
    good = openpgp.open_message(bytes(raw), keys, now=0)
    at, bit = data.draw(st.integers(0, len(raw) - 1)), data.draw(st.integers(0, 7))
    raw[at] ^= 1 << bit
    try:
        assert openpgp.open_message(bytes(raw), keys, now=0) == good
    except (InputError, VerificationError):
        return


@settings(max_examples=100)
@given(
    st.binary(max_size=300), st.sampled_from([b"", b"\xa3\x01", b"\x99\x01\x0d", b"-----BEGIN PGP"])
)
def test_any_bytes_raise_only_our_errors(tail: bytes, head: bytes) -> None:
    keys = openpgp.parse_keyring(key("key-a.gpg"))
    for read in (openpgp.parse_keyring, lambda raw: openpgp.open_message(raw, keys, now=0)):
        try:
            read(head + tail)
        except CasemateError:
            continue


@settings(max_examples=100)
@given(st.text(st.sampled_from("docker: -sigtore\n\"'#{}/f"), max_size=80))
def test_any_text_is_a_sigstore_document_or_refused(text: str) -> None:
    try:
        lookaside.parse(text)
    except InputError:
        return


def test_sigstore_document_of_upstream() -> None:
    base = ("guest", "upstream", "guest-components", "image-rs", "test_data", "signature")
    text = vector(*base, "sigstore_config", "get_base_url", "res.yaml").read_text()
    places = lookaside.parse(text)
    for name, url in [
        ("example1.com/a/b:1", "file:///var/lib/containers/sigstore"),
        ("example.com/a:1", "file:///default/sigstore"),
    ]:
        assert places.base(Reference.parse(name)) == url


async def test_signatures_are_read_until_one_is_missing(tmp_path: Path) -> None:
    digest = sha256(b"x")
    folder = tmp_path / f"team/app@sha256={digest.hex}"
    folder.mkdir(parents=True)
    for number in (1, 2, 4):
        (folder / f"signature-{number}").write_text(str(number))
    places = lookaside.parse(f"docker:\n  h.io:5000/team:\n    sigstore: file://{tmp_path}\n")
    async with HttpClient() as http:
        found = lookaside.SigstorePlaces(places, http)
        assert await found.fetch(Reference.parse("h.io:5000/team/app:1"), digest) == (b"1", b"2")
        assert await found.fetch(Reference.parse("h.io/team/app:1"), digest) == ()


@pytest.mark.parametrize(
    "text",
    [
        "other:\n  sigstore: file:///x\n",
        "docker:\n  a:\n    sigstore: ftp://x\n",
        "docker:\n  a:\n    sigstore: file:///x\n  a:\n    sigstore: file:///y\n",
        "docker: x\n",
        "nonsense\n",
        "{nonsense",
    ],
)
def test_bad_sigstore_document_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        lookaside.parse(text)
