"""Whatever comes, only our errors come out, and memory stays bounded."""

import gzip
import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from casemate.errors import CasemateError, PeerError
from casemate.oci import credentials, rules
from casemate.oci.authorization import parse_challenge
from casemate.oci.encryption import packet
from casemate.oci.encryption.options import parse_private, public_of
from casemate.oci.inflate import inflater
from casemate.oci.manifest import Descriptor, parse_config, parse_document
from casemate.oci.mediatype import Packing
from casemate.oci.reference import Reference
from casemate.oci.signature import policy
from casemate.oci.tar import TarReader
from casemate.oci.tree import Tree
from casemate.oci.unpack import LayerUnpacker
from casemate.secret import Secret
from tests.oci.trees import tree
from tests.vectors import vector

PARSERS: list[Callable[[bytes], object]] = [
    parse_document,
    parse_config,
    packet.parse,
    policy.parse,
    credentials.parse,
    lambda raw: Reference.parse(raw.decode("latin-1")),
    lambda raw: rules.parse(raw.decode("latin-1")),
    lambda raw: parse_challenge(raw.decode("latin-1")),
    lambda raw: parse_private(Secret(raw)),
    lambda raw: public_of(_layer(raw.decode("latin-1"))),
    lambda raw: packet.packets_of(_layer(raw.decode("latin-1"))),
]

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(_NAMES := [
        "schemaVersion", "mediaType", "config", "layers", "digest", "size", "annotations",
        "manifests", "rootfs", "diff_ids", "kid", "wrapped_data", "iv", "wrap_type", "provider",
        "default", "transports", "docker", "type", "keyPath", "signedIdentity", "auths", "auth",
        "symkey", "cipheroptions", "nonce", "registry", "prefix",
    ]), inner, max_size=5),
    max_leaves=15,
)  # fmt: skip


def _layer(text: str) -> Descriptor:
    names = (packet.PROVIDER_ANNOTATION + "x", "org.opencontainers.image.enc.pubopts")
    annotations = dict.fromkeys(names, text)
    return Descriptor(media_type="", digest="", size=0, annotations=annotations)


def feed_all(raw: bytes) -> None:
    for parse in PARSERS:
        try:
            parse(raw)
        except CasemateError:
            continue


@settings(max_examples=100)
@given(st.binary(max_size=400))
def test_any_bytes(raw: bytes) -> None:
    feed_all(raw)


@settings(max_examples=200)
@given(json_values)
def test_any_json(value: object) -> None:
    feed_all(json.dumps(value).encode())


def test_deep_json_and_toml() -> None:
    for raw in (b"[" * 200_000, b'{"a":' * 200_000, b"a = " + b"[" * 200_000):
        feed_all(raw)


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_any_tar_stays_inside(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Real hostile layers with bytes changed, checksums made right again."""
    names = sorted(p.name for p in vector("guest", "hostile-layers").glob("*.tar.gz"))
    name = data.draw(st.sampled_from([n for n in names if "zeros" not in n]))
    raw = bytearray(gzip.decompress(vector("guest", "hostile-layers", name).read_bytes()))
    for _ in range(data.draw(st.integers(0, 4)) if raw else 0):
        raw[data.draw(st.integers(0, min(len(raw), 3000) - 1))] = data.draw(st.integers(0, 255))
    for start in range(0, len(raw) - 511, 512):
        block = raw[start : start + 512]
        if block[257:262] == b"ustar":
            total = sum(block[:148]) + 256 + sum(block[156:])
            raw[start + 148 : start + 156] = b"%06o\0 " % total
    outside = tmp_path_factory.mktemp("any")
    _unpack(bytes(raw), outside / "a" / "root")
    assert [e["path"] for e in tree(outside) if not e["path"].startswith("a/root")] == ["a"]


@settings(max_examples=60, deadline=None)
@given(raw=st.binary(max_size=2000))
def test_any_bytes_are_no_tar(raw: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    _unpack(raw, tmp_path_factory.mktemp("raw") / "root")


def _unpack(raw: bytes, root: Path) -> None:
    root.mkdir(parents=True)
    with Tree(root) as confined:
        writer, reader = LayerUnpacker(confined, devices=False), TarReader()
        try:
            for start in range(0, len(raw), 700):
                for event in reader.feed(raw[start : start + 700]):
                    writer.take(event)
            reader.finish()
            writer.finish()
        except CasemateError:
            pass
        finally:
            writer.close()


@pytest.mark.parametrize("packing", [Packing.GZIP, Packing.ZSTD])
@given(raw=st.binary(max_size=200), head=st.booleans())
@settings(max_examples=60)
def test_any_bytes_inflate_or_fail(packing: Packing, raw: bytes, head: bool) -> None:  # noqa: FBT001
    start = {Packing.GZIP: b"\x1f\x8b\x08\x00", Packing.ZSTD: b"\x28\xb5\x2f\xfd"}[packing]
    stream = inflater(packing)
    try:
        for _ in stream.feed((start if head else b"") + raw):
            pass
        stream.finish()
    except PeerError:
        pass


@pytest.mark.parametrize("packing", [Packing.GZIP, Packing.ZSTD])
def test_bombs_inflate_in_bounded_steps(packing: Packing) -> None:
    zeros = bytes(64 << 20)
    bomb = gzip.compress(zeros, 9) if packing is Packing.GZIP else zstandard.compress(zeros, 19)
    stream = inflater(packing)
    tracemalloc.start()
    try:
        total = sum(len(piece) for piece in stream.feed(bomb))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert total == len(zeros)
    assert peak < 40 << 20


@pytest.mark.parametrize("packing", list(Packing))
@given(data=st.binary(max_size=5000), cut=st.integers(1, 700))
@settings(max_examples=30)
def test_inflate_gives_back_what_was_packed(packing: Packing, data: bytes, cut: int) -> None:
    pack: dict[Packing, Callable[[bytes], bytes]] = {
        Packing.PLAIN: bytes,
        Packing.GZIP: gzip.compress,
        Packing.ZSTD: zstandard.compress,
    }
    packed = pack[packing](data)
    stream = inflater(packing)
    plain = b"".join(
        piece for at in range(0, len(packed), cut) for piece in stream.feed(packed[at : at + cut])
    )
    stream.finish()
    assert plain == data
