"""``pull``: an image from a registry to a root file system, beside skopeo and umoci.

The same registry, the same image, in turns. Both sides verify every digest and unpack as the same
user; a second measurement decrypts every layer besides.
"""

import asyncio
import os
import random
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from time import perf_counter
from typing import Final

from casemate.errors import CasemateError, HostError
from casemate.linux import process
from casemate.net import ports
from casemate.net.http import HttpClient
from casemate.oci.encryption.packet import AnnotationPacket, unwrap
from casemate.oci.layout import Layout
from casemate.oci.manifest import (
    OCI_CONFIG,
    OCI_MANIFEST,
    Descriptor,
    ImageConfig,
    Manifest,
    RootFs,
    encode,
)
from casemate.oci.pull import Guards, pull
from casemate.oci.reference import Reference
from casemate.oci.registry import Registry
from casemate.oci.signature.policy import ACCEPT_ANYTHING
from casemate.secret import Secret
from casemate.stack import services
from casemate.stack.bench.result import BenchResult
from casemate.stack.folder import StateFolder
from casemate.stack.probe import Probe
from casemate.workload import publish
from casemate.workload.encryption import WrappingKey, encrypt_image
from casemate.workload.layers import GZIP, File, pack

_MEGABYTES: Final = 96
_LAYERS: Final = 3
_ROUNDS: Final = 3
_KEY: Final = "kbs:///default/image-key/bench"
_PATIENCE: Final = 600.0  # seconds for one run of a peer's program


async def run(
    progress: Callable[[str], None], *, megabytes: int = _MEGABYTES, rounds: int = _ROUNDS
) -> BenchResult:
    """Measure; the best of ``rounds`` counts for each side.

    Raises:
        HostError: no docker-registry, skopeo or umoci on this machine.
    """
    for program in ("docker-registry", "skopeo", "umoci"):
        program.find(program)
    with tempfile.TemporaryDirectory(prefix="casemate-bench-") as name:
        bench = _Bench(Path(name))
        async with bench.registry():
            progress(f"making an image of {megabytes} MB")
            await bench.publish(megabytes)
            ours, sealed, theirs = [], [], []
            for number in range(rounds):
                progress(f"round {number + 1} of {rounds}: ours")
                ours.append(await bench.ours("plain", number))
                sealed.append(await bench.ours("sealed", number))
                progress(f"round {number + 1} of {rounds}: skopeo + umoci")
                theirs.append(await bench.theirs(number))
    return _result(megabytes, min(ours), min(sealed), min(theirs))


def _result(megabytes: int, ours: float, sealed: float, theirs: float) -> BenchResult:
    return BenchResult(
        name="pull",
        unit="MB/s unpacked",
        ours=megabytes / ours,
        floor=megabytes / theirs,
        floor_name="skopeo + umoci",
        ratio=theirs / ours,
        details={
            "ours s": round(ours, 3),
            "ours, encrypted s": round(sealed, 3),
            "skopeo + umoci s": round(theirs, 3),
        },
    )


class _Bench:
    def __init__(self, folder: Path) -> None:
        self._folder = StateFolder(folder)
        self._root = folder
        self._port = ports.free()
        self._wrapping = WrappingKey.create(_KEY)

    @property
    def _anchors(self) -> str:
        return (self._folder.registry / "ca.pem").read_text()

    def _reference(self, tag: str) -> Reference:
        return Reference.parse(f"localhost:{self._port}/bench:{tag}")

    @asynccontextmanager
    async def registry(self) -> AsyncIterator[None]:
        self._folder.registry.mkdir(parents=True)
        launch = services.registry(self._folder, self._port)
        with (self._root / "registry.log").open("wb") as log:
            child = await process.Child.spawn(launch.argv, stdout=log, stderr=log)
            try:
                await _until_ready(launch.ready)
                yield
            finally:
                await child.terminate()

    async def publish(self, megabytes: int) -> None:
        plain = Layout.create(self._root / "plain")
        entry = _image(plain, megabytes)
        sealed = Layout.create(self._root / "sealed")
        await encrypt_image(plain, entry, into=sealed, name="bench", wrapping=self._wrapping)
        async with HttpClient(anchors_pem=self._anchors) as http:
            for tag, layout in (("plain", plain), ("sealed", sealed)):
                reference = self._reference(tag)
                registry = Registry(http, reference)
                await publish.push(layout, layout.entry(), registry, reference, lambda _: None)

    async def ours(self, tag: str, number: int) -> float:
        guards = Guards(ACCEPT_ANYTHING, _no_key, self._unwrap)
        target = self._root / f"ours-{tag}-{number}"
        begin = perf_counter()
        async with HttpClient(anchors_pem=self._anchors) as http:
            await pull(self._reference(tag), http=http, guards=guards, target=target)
        return perf_counter() - begin

    async def theirs(self, number: int) -> float:
        layout, target = self._root / f"theirs-{number}", self._root / f"unpacked-{number}"
        certificates = self._root / "certificates"
        certificates.mkdir(exist_ok=True)
        (certificates / "ca.crt").write_text(self._anchors)
        begin = perf_counter()
        await process.run_async(
            [
                *("skopeo", "copy", "--insecure-policy", f"--src-cert-dir={certificates}"),
                *(f"docker://{self._reference('plain')}", f"oci:{layout}:bench"),
            ],
            timeout=_PATIENCE,
        )
        user = [] if os.geteuid() == 0 else ["--rootless"]  # who is not root gives files to nobody
        await process.run_async(
            ["umoci", "unpack", *user, "--image", f"{layout}:bench", target], timeout=_PATIENCE
        )
        return perf_counter() - begin

    async def _unwrap(self, packet: AnnotationPacket) -> Secret:
        return unwrap(packet, self._wrapping.key)


def _image(layout: Layout, megabytes: int) -> Descriptor:
    """Make an image of many files, some dense and some that compress well, as real ones are."""
    source = random.Random(1)  # noqa: S311  # the same bytes each time, and no secret
    packed = [pack(_files(source, megabytes // _LAYERS, n)) for n in range(_LAYERS)]
    config = ImageConfig(rootfs=RootFs(tuple(str(layer.diff_id) for layer in packed)))
    manifest = Manifest(
        schema_version=2,
        media_type=OCI_MANIFEST,
        config=layout.put(encode(config), OCI_CONFIG),
        layers=tuple(layout.put(layer.blob, GZIP) for layer in packed),
    )
    descriptor = layout.put(encode(manifest), OCI_MANIFEST)
    layout.add(descriptor, "bench")
    return descriptor


def _files(source: random.Random, megabytes: int, layer: int) -> list[File]:
    words = [source.randbytes(source.randint(2, 9)).hex().encode() for _ in range(2000)]
    files = [File(path=f"layer{layer}")]
    size, left = 0, megabytes << 20
    while left > 0:
        size = min(left, source.choice((4 << 10, 40 << 10, 400 << 10, 2 << 20)))
        left -= size
        text = b" ".join(source.choices(words, k=size // 8))[: size * 3 // 4]
        content = text + source.randbytes(size - len(text))
        files.append(File(path=f"layer{layer}/{len(files)}", content=content, mode=0o644))
    return files


async def _until_ready(ready: Probe) -> None:
    for _ in range(400):
        with suppress(CasemateError):  # nobody listens yet
            if await ready():
                return
        await asyncio.sleep(0.05)
    raise HostError("docker-registry", got="no answer in 20 s", want="a registry that answers")


async def _no_key(path: str) -> bytes:
    raise HostError(path, got="a key asked for", want="none: the policy accepts anything")
