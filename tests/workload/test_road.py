"""An image's whole road over a real registry, and the ways an attacker leaves it."""

import asyncio
import json
import os
import shutil
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from casemate.crypto.keys import Kind, PrivateKey
from casemate.errors import PeerError, VerificationError
from casemate.oci import credentials, rules
from casemate.oci.manifest import OCI_MANIFEST, Descriptor, Manifest, encode, parse_document
from casemate.oci.registry import Registry
from casemate.oci.signature.policy import ACCEPT_ANYTHING
from casemate.oci.source import Document
from casemate.workload import application
from tests.sim.registry import RunningRegistry, registry
from tests.workload.desk import Desk

pytestmark = pytest.mark.skipif(
    not application.BUSYBOX.exists(), reason="no busybox-static: apt-get install busybox-static"
)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRegistry]:
    with registry(tmp_path_factory.mktemp("registry")) as made:
        yield made


@pytest.fixture
def desk(running: RunningRegistry, tmp_path: Path) -> Desk:
    return Desk(running, tmp_path)


async def test_signed_and_encrypted_image_arrives(desk: Desk, tmp_path: Path) -> None:
    digest = await desk.push("good:1")
    await desk.sign("good:1", digest)
    pulled = await desk.pull("good:1", tmp_path / "rootfs")
    assert [layer.encrypted for layer in pulled.layers] == [False, True]
    assert pulled.manifest_digest == digest
    assert "signed by" in pulled.signed_by[0]
    assert pulled.config.arguments == ("/app/main",)
    assert (tmp_path / "rootfs/app/main").read_text().startswith("#!/bin/sh")
    assert (tmp_path / "rootfs/bin/sh").resolve().name == "busybox"


async def test_second_signature_stands_beside_the_first(desk: Desk, tmp_path: Path) -> None:
    digest = await desk.push("twice:1")
    await desk.sign("twice:1", digest)
    await desk.sign("twice:1", digest, PrivateKey.generate(Kind.ED25519))
    await desk.pull("twice:1", tmp_path / "rootfs")


@pytest.mark.parametrize("kind", [Kind.P256, Kind.P384, Kind.ED25519, Kind.RSA])
async def test_every_kind_of_key_signs(desk: Desk, tmp_path: Path, kind: Kind) -> None:
    desk.signer = PrivateKey.generate(kind, bits=2048)
    digest = await desk.push(f"kind:{kind.value.lower()}")
    await desk.sign(f"kind:{kind.value.lower()}", digest)
    await desk.pull(f"kind:{kind.value.lower()}", tmp_path / "rootfs")


async def test_unsigned_image_is_refused_before_layers_and_keys(desk: Desk, tmp_path: Path) -> None:
    await desk.push("unsigned:1")
    with pytest.raises(VerificationError) as caught:
        await desk.pull("unsigned:1", tmp_path / "rootfs")
    refusal = caught.value.refusal
    assert refusal.got == "no signature"
    assert "sigstoreSigned" in refusal.rule
    assert "casemate image sign" in refusal.remedy
    assert desk.asked == []
    assert not (tmp_path / "rootfs").exists()


async def test_image_signed_by_another_key_is_refused(desk: Desk, tmp_path: Path) -> None:
    digest = await desk.push("forged:1")
    await desk.sign("forged:1", digest, PrivateKey.generate(Kind.P256))
    with pytest.raises(VerificationError) as caught:
        await desk.pull("forged:1", tmp_path / "rootfs")
    assert "another key" in caught.value.refusal.got
    assert desk.asked == []


async def test_signature_of_another_repository_does_not_count(desk: Desk, tmp_path: Path) -> None:
    digest = await desk.push("mine:1", encrypt=False)
    await desk.push("theirs:1", encrypt=False)
    await desk.sign("theirs:1", digest)
    shutil.copytree(_repository(desk, "theirs"), _repository(desk, "mine"), dirs_exist_ok=True)
    with pytest.raises(VerificationError) as caught:
        await desk.pull("mine:1", tmp_path / "rootfs")
    assert "theirs" in caught.value.refusal.got


def _repository(desk: Desk, name: str) -> Path:
    return desk.registry.folder / "data/docker/registry/v2/repositories" / name


async def test_unlisted_registry_is_rejected(desk: Desk, tmp_path: Path) -> None:
    digest = await desk.push("rejected:1")
    await desk.sign("rejected:1", digest)
    policy = desk.policy()
    policy.transports.clear()
    with pytest.raises(VerificationError) as caught:
        await desk.pull("rejected:1", tmp_path / "rootfs", policy)
    assert caught.value.refusal.rule == "policy.json, scope default, requirement 1: reject"


async def test_changed_blob_is_refused_by_digest(desk: Desk, tmp_path: Path) -> None:
    digest = await desk.push("flipped:1")
    await desk.sign("flipped:1", digest)
    layer = await _encrypted_layer(desk, "flipped:1")
    _flip(desk.registry.blob(layer.digest))
    with pytest.raises(VerificationError) as caught:
        await desk.pull("flipped:1", tmp_path / "rootfs")
    assert layer.digest in caught.value.refusal.claim
    assert caught.value.refusal.expected == layer.digest
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".pull-")]  # noqa: PTH208


async def test_layer_replaced_with_its_digest_is_refused_by_hmac(
    desk: Desk, tmp_path: Path
) -> None:
    """An attacker who rewrites the manifest too, against a policy that wants no signature."""
    await desk.push("rewritten:1")
    async with desk.http() as http:
        source = Registry(http, desk.reference("rewritten:1"))
        manifest = parse_document((await source.document("1")).raw)
        assert isinstance(manifest, Manifest)
        layer = manifest.layers[application.APPLICATION_LAYER]
        blob = bytearray(desk.registry.blob(layer.digest).read_bytes())
        blob[40] ^= 1
        raw = manifest_with(manifest, layer, bytes(blob))
        changed = parse_document(raw)
        assert isinstance(changed, Manifest)
        await source.put_blob(changed.layers[1], lambda: _once(bytes(blob)))
        await source.put_document("1", Document(raw, OCI_MANIFEST))
    with pytest.raises(VerificationError) as caught:
        await desk.pull("rewritten:1", tmp_path / "rootfs", ACCEPT_ANYTHING)
    assert "HMAC" in caught.value.refusal.claim
    assert not (tmp_path / "rootfs").exists()


async def test_unreachable_registry_is_named(desk: Desk, tmp_path: Path) -> None:
    gone = Desk(RunningRegistry(1, desk.registry.anchors_pem, tmp_path), tmp_path)
    with pytest.raises(PeerError) as caught:
        await gone.pull("any:1", tmp_path / "rootfs")
    assert "localhost:1" in str(caught.value)
    assert "running" in str(caught.value)


async def test_registry_with_another_authority_is_refused(desk: Desk, tmp_path: Path) -> None:
    with_other = tmp_path / "other"
    with_other.mkdir()
    from casemate.crypto.authority import CertificateAuthority

    other = CertificateAuthority.create("other").certificate_pem.decode()
    impostor = Desk(RunningRegistry(desk.registry.port, other, tmp_path), tmp_path)
    with pytest.raises(VerificationError, match="tls"):
        await impostor.pull("any:1", tmp_path / "rootfs")


async def test_registry_with_a_password(tmp_path: Path) -> None:
    hashed = "owner:$2b$05$abcdefghijklmnopqrstuuoXuKqgZXLiJqzfmMXDDhSFPIvxV7t8."  # hunter2
    (tmp_path / "registry").mkdir()
    with registry(tmp_path / "registry", htpasswd=hashed) as locked:
        desk = Desk(locked, tmp_path)
        with pytest.raises(PeerError, match="401") as caught:
            await desk.push("locked:1")
        assert "credentials" in caught.value.remedy
        auth = b64encode(b"owner:hunter2").decode()
        document = json.dumps({"auths": {locked.host: {"auth": auth}}}).encode()
        desk.credentials = credentials.parse(document)
        digest = await desk.push("locked:1")
        await desk.sign("locked:1", digest)
        await desk.pull("locked:1", tmp_path / "rootfs")


async def test_moved_registry_serves_under_the_name_asked_for(desk: Desk, tmp_path: Path) -> None:
    """As in the guest, which reaches the owner's localhost under another address."""
    digest = await desk.push("moved:1")
    await desk.sign("moved:1", digest)
    rule = f"""
        [[registry]]
        prefix = "{desk.registry.host}"
        location = "127.0.0.1:{desk.registry.port}"
        [[registry.mirror]]
        location = "127.0.0.1:1"
    """
    pulled = await desk.pull("moved:1", tmp_path / "rootfs", rules=rules.parse(rule))
    assert pulled.reference == str(desk.reference("moved:1"))


async def test_missing_image_is_told(desk: Desk, tmp_path: Path) -> None:
    with pytest.raises(PeerError, match="manifest 9"):
        await desk.pull("nothing:9", tmp_path / "rootfs")


async def test_skopeo_reads_what_we_push(desk: Desk, tmp_path: Path) -> None:
    if not shutil.which("skopeo"):
        pytest.skip("no skopeo")
    digest = await desk.push("shown:1")
    image = f"docker://{desk.reference('shown:1')}"
    trusted = tmp_path / "certs"
    trusted.mkdir()
    shutil.copy(desk.registry.folder / "ca.crt", trusted)
    certificates = ["--cert-dir", str(trusted)]
    facts = json.loads(await run("skopeo", "inspect", *certificates, image))
    assert facts["Digest"] == str(digest)
    raw = json.loads(await run("skopeo", "inspect", "--raw", *certificates, image))
    assert facts["Layers"] == [layer["digest"] for layer in raw["layers"]]
    assert raw["layers"][1]["mediaType"].endswith("+encrypted")
    plain = await desk.push("shown:plain", encrypt=False)
    image = f"docker://{desk.reference('shown:plain')}"
    await run("skopeo", "copy", f"--src-cert-dir={trusted}", image, f"oci:{tmp_path}/copied:x")
    assert (tmp_path / "copied/blobs/sha256" / plain.hex).exists()


async def test_script_proves_the_secret_without_showing_it(desk: Desk, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("chroot needs root")
    digest = await desk.push("run:1")
    await desk.sign("run:1", digest)
    await desk.pull("run:1", tmp_path / "rootfs")
    import hashlib
    from http.server import BaseHTTPRequestHandler, HTTPServer
    from threading import Thread

    class Hub(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"top secret")

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Hub) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/x"
        shown = await run(
            "chroot", str(tmp_path / "rootfs"), "/app/main", ONCE="1", RESOURCE_URL=url
        )
        server.shutdown()
    assert application.ARRIVED + hashlib.sha256(b"top secret").hexdigest() in shown
    assert "top secret" not in shown


async def run(*argv: str, **environment: str) -> str:
    made = await asyncio.create_subprocess_exec(
        *argv,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"} | environment,
    )
    shown, said = await made.communicate()
    assert made.returncode == 0, said.decode()
    return shown.decode()


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


def manifest_with(manifest: Manifest, layer: Descriptor, blob: bytes) -> bytes:
    """Put a changed blob in place of ``layer``, digest and all."""
    import msgspec

    from casemate.crypto.digest import sha256

    changed = msgspec.structs.replace(layer, digest=str(sha256(blob)), size=len(blob))
    layers = tuple(changed if one is layer else one for one in manifest.layers)
    return encode(msgspec.structs.replace(manifest, layers=layers))


async def _encrypted_layer(desk: Desk, name: str) -> Descriptor:
    async with desk.http() as http:
        reference = desk.reference(name)
        document = await Registry(http, reference).document(reference.wanted)
    manifest = parse_document(document.raw)
    assert isinstance(manifest, Manifest)
    return manifest.layers[application.APPLICATION_LAYER]


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
