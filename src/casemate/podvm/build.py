"""Build a pod VM image: one call a line, in the order it happens."""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from casemate.crypto.digest import sha256
from casemate.errors import HostError, InputError
from casemate.linux import lock, program
from casemate.podvm import (
    bytecode,
    debian,
    disk,
    image,
    initrd,
    inputs,
    measurements,
    modules,
    rehearsal,
    root,
    sbom,
    uki,
    wheels,
)
from casemate.podvm import recipe as recipes
from casemate.podvm.image import PodVmImage
from casemate.podvm.inputs import Inputs
from casemate.podvm.recipe import Recipe, Variant
from casemate.podvm.root import Packages
from casemate.podvm.sources import Progress
from casemate.podvm.tree import File, Tree
from casemate.tee.vtpm.launch import Launch

_STUB: Final = "usr/lib/systemd/boot/efi/linuxx64.efi.stub"
_COMPILER: Final = "usr/bin/tcc"
_PATIENCE: Final = 60.0
_WAIT: Final = 900.0
"""Seconds to wait for another build to end."""
_UNUSED: Final = 14 * 24 * 3600.0
"""Seconds after which an image that nobody asked for is forgotten."""
_FREE: Final = 1 << 30
"""Bytes that a build needs on the cache's disk."""


def default_cache() -> Path:
    """Folder that keeps images and fetched inputs (environment: ``CASEMATE_CACHE``)."""
    given = os.environ.get("CASEMATE_CACHE")
    base = Path(given) if given else Path("~/.cache/casemate").expanduser()
    return base.absolute() / "podvm"


def cached(recipe: Recipe, cache: Path | None = None) -> PodVmImage | None:
    """Give the image of these inputs if it was built before; no network, no building."""
    folder = cache or default_cache()
    kept = inputs.kept(recipe, folder)
    return None if kept is None else _finished(folder / kept.key)


def require_cached(recipe: Recipe | None = None, cache: Path | None = None) -> PodVmImage:
    """Give the image of these inputs, which must have been built before.

    Raises:
        InputError: it was not.
    """
    found = cached(recipe or Recipe(), cache)
    if found is None:
        raise InputError(
            "pod VM image",
            got="none of the present inputs",
            want="one in the cache",
            remedy="Make it: casemate podvm build",
        )
    return found


def build(
    recipe: Recipe,
    *,
    cache: Path | None = None,
    progress: Progress = lambda _text: None,
    refresh: bool = False,
    again: bool = False,
) -> PodVmImage:
    """Give the image of a recipe: a kept one where inputs are the same, or a new one.

    A build works in a temporary folder that takes its final name when all is there, so a build
    that was killed leaves nothing that could be used.

    Args:
        recipe: what to build.
        cache: folder for images and fetched inputs.
        progress: told what is done now.
        refresh: ask Debian's archive for newer packages.
        again: build even when an image of these inputs is kept.

    Raises:
        HostError: a tool, the network or disk space is missing.
        InputError: our own inputs are wrong.
    """
    folder = cache or default_cache()
    _make(folder)
    with _alone(folder, progress):
        _sweep(folder)
        given = inputs.gather(recipe, folder, progress=progress, refresh=refresh)
        place = folder / given.key
        found = None if again else _finished(place)
        return found or _build_into(place, given, progress)


@dataclass(slots=True)
class Context:
    """The state of one build: what each step left for the next."""

    given: Inputs
    progress: Progress
    work: Path
    """Folder for temporary files, removed at the end."""
    out: Path
    """Folder that becomes the image."""
    packages: Packages
    tree: Tree = field(default_factory=Tree)
    verity: disk.Verity | None = None
    command_line: str = ""


def _build_into(place: Path, given: Inputs, progress: Progress) -> PodVmImage:
    _require_room(place.parent)
    work = Path(tempfile.mkdtemp(prefix=".build-", dir=place.parent))
    try:
        out = work / "image"
        out.mkdir()
        build = Context(given, progress, work, out, Packages(work / "packages"))
        unpack_packages(build)
        compose_root(build)
        write_disk(build)
        write_kernel_image(build)
        write_measurements(build)
        write_bill_of_materials(build)
        write_manifest(build)
        shutil.rmtree(place, ignore_errors=True)
        out.rename(place)
    except OSError as error:
        raise HostError(
            str(place.parent), got=error.strerror or error, want="a disk to build on"
        ) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return image.load(place)


def unpack_packages(build: Context) -> None:
    """Unpack Debian's packages beside each other; none of their scripts runs."""
    build.progress("unpacking Debian packages")
    build.packages.folder.mkdir()
    debian.unpack(build.given.debian, build.packages.folder)


def compose_root(build: Context) -> None:
    """Choose what goes into the root file system."""
    if build.given.recipe.variant is Variant.BARE:
        build.tree = _bare_tree(build)
        return
    site = list(wheels.contents(build.given.wheels))
    build.tree = root.compose(build.packages, site)
    build.progress("compiling Python")
    sources = root.sources(build.packages, site, build.given.ours)
    compiled = bytecode.compile_modules(
        sources, packages=build.packages.folder, work=build.work / "bytecode"
    )
    held = rehearsal.hold(
        {**dict(site), **build.given.ours}, packages=build.packages.folder, work=build.work
    )
    root.add_code(build.tree, compiled, held)
    if build.given.recipe.variant is Variant.DEBUG:
        build.tree.add("usr/bin/busybox", build.packages.file("usr/bin/busybox"))


def write_disk(build: Context) -> None:
    """Make the erofs image and its hash tree."""
    build.progress(f"writing the root disk ({build.tree.size >> 20} MiB before compression)")
    build.verity = disk.build(
        build.tree,
        build.out / image.ROOT,
        work=build.work / "root",
        compression=build.given.recipe.compression,
    )


def write_kernel_image(build: Context) -> None:
    """Make the unified kernel image, with the root hash on its command line."""
    build.progress("writing the kernel image")
    assert build.verity is not None, "the disk comes first"
    release = root.kernel_release(build.packages)
    build.command_line = " ".join((*recipes.KERNEL_ARGUMENTS, *build.verity.kernel_arguments))
    sections = {
        ".osrel": recipes.TEXTS["etc/os-release"].encode(),
        ".cmdline": build.command_line.encode() + b"\0",
        ".uname": release.encode() + b"\0",
        ".linux": build.packages.file(f"boot/vmlinuz-{release}").data,
        ".initrd": _initrd(build, release),
    }
    made = uki.build(build.packages.file(_STUB).data, sections)
    (build.out / image.UKI).write_bytes(made)


def write_measurements(build: Context) -> None:
    """Predict what a TPM will hold after a boot of this image, and say so for the Trustee."""
    build.progress("predicting measurements")
    recipe = build.given.recipe
    booted = Launch.of(
        recipe.firmware_code.read_bytes(),
        recipe.firmware_vars.read_bytes(),
        (build.out / image.UKI).read_bytes(),
    )
    shown = measurements.encode(booted.registers(measurements.SHAPE))
    (build.out / image.MEASUREMENTS).write_bytes(shown)
    references = measurements.reference_values(booted)
    (build.out / image.REFERENCE_VALUES).write_bytes(references)


def write_bill_of_materials(build: Context) -> None:
    """Say what is inside."""
    bill = sbom.compose(
        key=build.given.key,
        debian=build.given.debian.sources,
        wheels=build.given.wheels.sources,
        code_digest=build.given.code_digest,
    )
    (build.out / image.SBOM).write_bytes(bill)


def write_manifest(build: Context) -> None:
    """Name every file with its digest; the last file of a build."""
    assert build.verity is not None, "the disk comes first"
    recipe = build.given.recipe
    manifest = image.Manifest(
        variant=recipe.variant,
        key=build.given.key,
        root_hash=build.verity.root_hash.hex(),
        kernel=root.kernel_release(build.packages),
        command_line=build.command_line,
        firmware=image.Firmware(
            code=str(recipe.firmware_code),
            code_sha256=sha256(recipe.firmware_code.read_bytes()).hex,
            vars=str(recipe.firmware_vars),
            vars_sha256=sha256(recipe.firmware_vars.read_bytes()).hex,
        ),
        files={name: image.describe(build.out / name) for name in image.FILES},
    )
    encoded = msgspec.json.format(msgspec.json.encode(manifest), indent=1)
    (build.out / image.MANIFEST).write_bytes(encoded)


def _bare_tree(build: Context) -> Tree:
    folders = set(recipes.DIRECTORIES)
    nothing = {path: File(b"") for path in root.MODULE_LISTS}
    program = _compile(build, "bare", ["-DBARE"])
    return Tree(nodes={"sbin/init": File(program, 0o755), **nothing}, folders=folders)


def _initrd(build: Context, release: str) -> bytes:
    defines = ["-DDEBUG"] if build.given.recipe.variant is Variant.DEBUG else []
    program = _compile(build, "init", defines)
    folder = build.packages.resolve(f"usr/lib/modules/{release}")
    packed = initrd.pack(program, modules.plan_initrd(folder))
    return _compress(build, packed)


def _compress(build: Context, data: bytes) -> bytes:
    """Compress with the fetched zlib: this machine's may give other bytes."""
    script = "import sys, zlib; f = zlib.compressobj(9, wbits=31); i, o = sys.stdin, sys.stdout"
    script += "; o.buffer.write(f.compress(i.buffer.read()) + f.flush())"
    python = bytecode.foreign(build.packages.folder, "usr/bin/python3.11")
    return program.run([*python, "-ISBc", script], input=data, timeout=_PATIENCE).stdout


def _compile(build: Context, name: str, defines: list[str]) -> bytes:
    """Compile init.c with the compiler that was fetched, not one of this machine."""
    output = build.work / name
    compiler = bytecode.foreign(build.packages.folder, _COMPILER)
    flags = ["-Wall", "-Werror", "-nostdlib", "-nostdinc", "-static"]
    program.run([*compiler, *flags, *defines, "-o", output, initrd.SOURCE], timeout=_PATIENCE)
    return output.read_bytes()


def _finished(place: Path) -> PodVmImage | None:
    manifest = place / image.MANIFEST
    if not manifest.exists():
        return None
    with suppress(PermissionError):
        os.utime(manifest)  # it was asked for: kept a while longer
    return image.load(place)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HostError(str(folder), got=error.strerror, want="a folder for images") from error


def _require_room(folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if free < _FREE:
        raise HostError(
            str(folder),
            got=f"{free >> 20} MiB free",
            want=f"{_FREE >> 20} MiB for a build",
            remedy="Make room, or set CASEMATE_CACHE to a folder on another disk.",
        )


def _sweep(folder: Path) -> None:
    """Remove what killed builds and fetches left, and images nobody has asked for in a long time.

    Nobody else works here while we hold the lock.
    """
    for place in (folder, folder / "packages", folder / "wheels"):
        for left in (*place.glob(".build-*"), *place.glob(".fetch-*")):
            shutil.rmtree(left, ignore_errors=True)
    for manifest in folder.glob(f"*/{image.MANIFEST}"):
        if time.time() - manifest.stat().st_mtime > _UNUSED:
            shutil.rmtree(manifest.parent, ignore_errors=True)


@contextmanager
def _alone(folder: Path, progress: Progress) -> Iterator[None]:
    """Hold the cache for one build; wait for another one to end."""
    end = time.monotonic() + _WAIT
    with ExitStack() as held:
        while not _held(held, folder / "lock", last=time.monotonic() > end):
            progress("waiting for another build to end")
            time.sleep(1)
        yield


def _held(held: ExitStack, file: Path, *, last: bool) -> bool:
    try:
        held.enter_context(lock.hold(file, purpose="podvm build"))
    except HostError:
        if last:
            raise
        return False
    return True
