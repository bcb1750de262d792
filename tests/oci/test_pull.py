import base64
import json
import tarfile
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from casemate.crypto.digest import sha256
from casemate.errors import CasemateError, InputError, PeerError, VerificationError
from casemate.oci.encryption.packet import AnnotationPacket, unwrap
from casemate.oci.layout import Layout, opened
from casemate.oci.manifest import DOCKER_MANIFEST, Descriptor, Manifest, parse_document
from casemate.oci.pull import PulledImage, pull_from
from casemate.oci.reference import Reference
from casemate.oci.source import Document, Image, require_stated
from casemate.secret import Secret
from tests.oci.trees import tree
from tests.vectors import vector


async def accept(_: Image) -> tuple[str, ...]:
    return ()


async def no_key(packet: AnnotationPacket) -> Secret:
    raise AssertionError(f"a key was asked for: {packet.kid}")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def unpacked(path: Path, target: Path, **given: Any) -> PulledImage:
    with opened(path) as layout:
        wanted = Reference("localhost", "x", None, layout.entry().content)
        options: dict[str, Any] = {"judge": accept, "unwrap_key": no_key, "target": target} | given
        return await pull_from(layout, wanted, **options)


def assert_same_tree(found: Path, expected: Path) -> None:
    wanted = json.loads(expected.read_text())
    made_by_umoci = 1_790_000_000
    seen = tree(found)
    for entry, want in zip(seen, wanted, strict=True):
        if want["mtime"] > made_by_umoci:
            entry["mtime"] = want["mtime"]
    assert seen == wanted


@pytest.mark.root
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("rich-gzip", "rich"),
        ("rich-tar", "rich"),
        ("rich-zstd", "rich"),
        ("small-gzip", "small"),
        ("small-gzip-two-members", "small"),
    ],
)
async def test_image_unpacks_as_umoci_does(name: str, expected: str, tmp_path: Path) -> None:
    pulled = await unpacked(vector("guest", "images", f"{name}.oci.tar"), tmp_path / "rootfs")
    assert_same_tree(tmp_path / "rootfs", vector("guest", "images", f"{expected}.tree.json"))
    assert not any(layer.encrypted for layer in pulled.layers)
    assert names(tmp_path) == ["rootfs"]


class SkopeoFolder:
    """skopeo's ``dir:`` form: a manifest and blobs named by their hex."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def document(self, wanted: str) -> Document:
        del wanted
        raw = (self._folder / "manifest.json").read_bytes()
        return Document(raw, DOCKER_MANIFEST)

    async def blob(self, descriptor: Descriptor) -> AsyncGenerator[bytes, None]:
        yield (self._folder / descriptor.content.hex).read_bytes()


@pytest.mark.root
async def test_docker_manifest_unpacks(tmp_path: Path) -> None:
    with tarfile.open(vector("guest", "images", "rich-docker-v2s2.dir.tar")) as archive:
        archive.extractall(tmp_path / "dir")
    (folder,) = {path.parent for path in (tmp_path / "dir").rglob("manifest.json")}
    target = tmp_path / "rootfs"
    reference = Reference.parse("localhost/x")
    source = SkopeoFolder(folder)
    await pull_from(source, reference, judge=accept, unwrap_key=no_key, target=target)
    assert_same_tree(target, vector("guest", "images", "rich.tree.json"))


@pytest.mark.root
@pytest.mark.parametrize("name", ["rich-enc-keyprovider-gcm", "rich-enc-keyprovider-ctr-v2"])
async def test_encrypted_image_unpacks(name: str, tmp_path: Path) -> None:
    facts = json.loads(vector("guest", "encrypted", "expected.json").read_text())

    async def unwrap_key(packet: AnnotationPacket) -> Secret:
        return unwrap(packet, Secret(bytes.fromhex(facts["keks_hex"][packet.kid])))

    pulled = await unpacked(
        vector("guest", "encrypted", f"{name}.oci.tar"), tmp_path / "rootfs", unwrap_key=unwrap_key
    )
    assert all(layer.encrypted for layer in pulled.layers)
    assert_same_tree(tmp_path / "rootfs", vector("guest", "images", "rich.tree.json"))


@pytest.mark.parametrize(
    "name", ["bad-diff-id-count", "bad-diff-id", "bad-layer-blob", "bad-layer-size"]
)
async def test_bad_image_is_refused_and_leaves_nothing(name: str, tmp_path: Path) -> None:
    with pytest.raises(VerificationError):
        await unpacked(vector("guest", "images", f"{name}.oci.tar"), tmp_path / "rootfs")
    assert names(tmp_path) == []


async def test_changed_ciphertext_is_refused_by_hmac(tmp_path: Path) -> None:
    facts = json.loads(vector("guest", "encrypted", "expected.json").read_text())

    async def unwrap_key(packet: AnnotationPacket) -> Secret:
        return unwrap(packet, Secret(bytes.fromhex(facts["keks_hex"][packet.kid])))

    with pytest.raises(VerificationError) as caught:
        await unpacked(
            vector("guest", "encrypted", "bad-enc-hmac.oci.tar"),
            tmp_path / "rootfs",
            unwrap_key=unwrap_key,
        )
    assert "HMAC" in caught.value.refusal.claim
    assert names(tmp_path) == []


async def test_refused_image_costs_no_layer_and_no_key(tmp_path: Path) -> None:
    class OnlyManifests(Layout):
        async def blob(self, descriptor: Any) -> Any:
            assert "layer" not in descriptor.media_type
            async for piece in super().blob(descriptor):
                yield piece

    async def refuse(image: Image) -> tuple[str, ...]:
        raise InputError(str(image.digest), got="x", want="y")

    with opened(vector("guest", "encrypted", "rich-enc-keyprovider-gcm.oci.tar")) as layout:
        wanted = Reference("localhost", "x", None, layout.entry().content)
        source = OnlyManifests(layout.folder)
        target = tmp_path / "rootfs"
        with pytest.raises(InputError):
            await pull_from(source, wanted, judge=refuse, unwrap_key=no_key, target=target)


async def test_existing_target_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "rootfs").mkdir()
    with pytest.raises(InputError):
        await unpacked(vector("guest", "images", "small-gzip.oci.tar"), tmp_path / "rootfs")


def hostile() -> list[Any]:
    path = vector("guest", "hostile-layers", "cases.json")
    return list(json.loads(path.read_text()))


def test_hostile_layers_are_contained(tmp_path: Path) -> None:
    import gzip

    from casemate.oci.tar import TarReader
    from casemate.oci.tree import Tree
    from casemate.oci.unpack import LayerUnpacker

    for case in hostile():
        data = gzip.decompress(vector("guest", "hostile-layers", case["layer"]).read_bytes())
        outside = tmp_path / case["layer"]
        target = outside / "a" / "b" / "rootfs"
        target.mkdir(parents=True)
        (outside / "precious").write_text("untouched")
        before = [e for e in tree(outside) if not e["path"].startswith("a/b/rootfs")]
        error: CasemateError | None = None
        with Tree(target) as confined:
            writer, reader = LayerUnpacker(confined), TarReader()
            try:
                for start in range(0, len(data), 100_000):
                    for event in reader.feed(data[start : start + 100_000]):
                        writer.take(event)
                reader.finish()
                writer.finish()
            except CasemateError as caught:
                error = caught
            finally:
                writer.close()
        after = [e for e in tree(outside) if not e["path"].startswith("a/b/rootfs")]
        assert after == before, case
        if case["expect"] == "error":
            assert error is not None, case
        if isinstance(case["expect"], dict):
            assert error is None, (case, error)
            for path, content in case["expect"].items():
                assert (target / path).read_text() == content
        if case["layer"] == "zeros-32m.tar.gz":
            assert names(target) == []
        chars = [e for e in tree(target) if e["type"] == "char"]
        assert not chars, case


def test_key_packets_of_vectors_are_read() -> None:
    facts = json.loads(vector("guest", "encrypted", "expected.json").read_text())
    keks = {kid: Secret(bytes.fromhex(text)) for kid, text in facts["keks_hex"].items()}
    from casemate.oci.encryption.options import parse_private
    from casemate.oci.encryption.packet import packets_of

    for name, wanted in facts["layer_private_options"].items():
        with opened(vector("guest", "encrypted", f"{name}.oci.tar")) as layout:
            path = layout.folder / "blobs" / "sha256" / layout.entry().content.hex
            manifest = parse_document(path.read_bytes())
            assert isinstance(manifest, Manifest)
            for layer, want in zip(manifest.layers, wanted, strict=True):
                (packet,) = packets_of(layer)
                private = parse_private(unwrap(packet, keks[packet.kid]))
                assert base64.b64encode(private.key.reveal()).decode() == want["symkey"]
                assert str(private.digest) == want["digest"]


@pytest.mark.parametrize("which", ["manifest", "config"])
async def test_changed_document_is_refused_by_digest(which: str, tmp_path: Path) -> None:
    with opened(vector("guest", "images", "small-gzip.oci.tar")) as layout:
        entry = layout.entry()
        manifest = parse_document((await layout.document(entry.digest)).raw)
        assert isinstance(manifest, Manifest)
        changed = {"manifest": entry, "config": manifest.config}[which]
        file = layout.folder / "blobs/sha256" / changed.content.hex
        file.write_bytes(file.read_bytes().replace(b"sha256", b"sha265", 1))
        wanted = Reference("localhost", "x", None, entry.content)
        with pytest.raises(VerificationError) as caught:
            await pull_from(
                layout, wanted, judge=accept, unwrap_key=no_key, target=tmp_path / "rootfs"
            )
    assert caught.value.refusal.expected == changed.digest


def test_digest_a_registry_states_is_compared() -> None:
    require_stated(b"x", None, "manifest")
    require_stated(b"x", str(sha256(b"x")), "manifest")
    with pytest.raises(VerificationError):
        require_stated(b"x", str(sha256(b"y")), "manifest")
    with pytest.raises(PeerError):
        require_stated(b"x", "md5:0", "manifest")
