"""Real builds. Debian's packages and wheels come from the cache all builds share, or the net."""

import marshal
import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import msgspec
import pytest

from casemate.errors import HostError, InputError
from casemate.linux import lock, program
from casemate.podvm import build, image, recipe, verity
from casemate.podvm.image import PodVmImage
from casemate.podvm.recipe import Recipe, Variant
from casemate.podvm.root import BUNDLE
from tests.sim.podvm_image import small_image

pytestmark = pytest.mark.xdist_group("podvm")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of our own for images, that shares what was fetched with everyone."""
    folder = tmp_path_factory.mktemp("cache")
    shared = build.default_cache()
    for name in ("packages", "wheels"):
        (shared / name).mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(shared / name)
    return folder


@pytest.fixture(scope="module")
def built(cache: Path) -> PodVmImage:
    return build.build(Recipe(), cache=cache)


@pytest.fixture(scope="module")
def root(built: PodVmImage, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root file system, unpacked from the disk again."""
    folder = tmp_path_factory.mktemp("unpacked")
    program.run(["fsck.erofs", f"--extract={folder}/root", built.root], timeout=120)
    return folder / "root"


def test_two_builds_are_bit_for_bit_the_same(built: PodVmImage, cache: Path) -> None:
    again = build.build(Recipe(), cache=cache, again=True)
    assert again.manifest == built.manifest
    assert again.measurements == built.measurements


def test_image_of_the_same_inputs_is_not_built_again(built: PodVmImage, cache: Path) -> None:
    before = built.root.stat().st_mtime_ns
    assert build.build(Recipe(), cache=cache).root.stat().st_mtime_ns == before
    assert build.cached(Recipe(), cache) is not None


def test_root_hash_holds_for_the_disk_and_for_no_other(built: PodVmImage) -> None:
    """That the kernel reads it so is shown by every boot, and by ``test_verity.py``."""
    disk = built.root.read_bytes()
    end = int(_argument(built, "casemate.blocks")) * verity.BLOCK
    salt = bytes.fromhex(_argument(built, "casemate.salt"))
    made = verity.tree(disk[:end], salt=salt)
    assert (made.root, made.blocks) == (built.root_hash, disk[end:])
    changed = bytearray(disk[:end])
    changed[end // 2] ^= 1
    assert verity.tree(bytes(changed), salt=salt).root != built.root_hash


def test_root_hash_stands_in_the_measured_command_line(built: PodVmImage) -> None:
    assert f"casemate.verity={built.root_hash.hex()}".encode() in built.uki.read_bytes()


def test_image_is_small(built: PodVmImage) -> None:
    assert built.root.stat().st_size < 90 << 20
    assert built.uki.stat().st_size < 20 << 20


def test_nothing_to_log_in_with(root: Path) -> None:
    names = {path.name for path in root.rglob("*")}
    shells = {"sh", "bash", "dash", "busybox", "login", "getty", "agetty", "sshd", "su", "sudo"}
    assert not names & (shells | {"apt", "dpkg", "perl", "tcc"})


def test_nothing_runs_with_more_rights_than_its_caller(root: Path) -> None:
    modes = [path.lstat().st_mode for path in root.rglob("*") if path.is_file()]
    assert not any(mode & (stat.S_ISUID | stat.S_ISGID) for mode in modes)


def test_no_verifier_and_no_other_party_is_inside(root: Path) -> None:
    names = modules(root)
    assert {"casemate.guest.init", "cryptography.x509", "asyncio"} <= names
    rooms = {name.split(".")[1] for name in names if name.startswith("casemate.")}
    assert not rooms & {"trustee", "cli", "stack", "podvm", "runtime", "peerpods", "workload"}
    assert not [name for name in names if name.endswith((".verifier", ".verifiers"))]


def test_no_source_is_shipped(root: Path) -> None:
    assert not list(root.rglob("*.py"))


def test_bill_of_materials_names_what_is_inside(built: PodVmImage) -> None:
    bill = msgspec.json.decode(built.sbom.read_bytes())
    names = {package["name"] for package in bill["packages"]}
    assert {"crun", "libc6", "cryptography", "casemate-guest"} <= names


def test_reference_values_hold_what_is_predicted(built: PodVmImage) -> None:
    values = msgspec.json.decode(built.reference_values.read_bytes())
    for number in (0, 4, 5, 7, 9, 11):
        assert built.measurements[number] in values[f"tpm_pcr{number:02}"]


def test_variants_are_measured_differently(built: PodVmImage, cache: Path) -> None:
    bare = build.build(Recipe(variant=Variant.BARE), cache=cache)
    assert bare.measurements[4] != built.measurements[4]
    assert bare.measurements[0] == built.measurements[0]


@pytest.fixture(scope="module")
def after_a_kill(built: PodVmImage, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with an old image and new ones, in which a build was killed."""
    folder = tmp_path_factory.mktemp("killed")
    for name in ("packages", "wheels"):
        (folder / name).symlink_to(cache / name)
    for name in ("old", "new"):
        small_image(folder / name)
    shutil.copytree(built.folder, folder / built.key)
    os.utime(folder / "old" / image.MANIFEST, (0, 0))
    script = (
        "import sys; from pathlib import Path\n"
        "from casemate.podvm import build\nfrom casemate.podvm.recipe import Recipe, Variant\n"
        "bare = Recipe(variant=Variant.BARE)\n"
        "build.build(bare, cache=Path(sys.argv[1]), progress=lambda t: print(t, flush=True))"
    )
    with subprocess.Popen([sys.executable, "-c", script, folder], stdout=subprocess.PIPE) as run:
        assert run.stdout is not None
        for line in run.stdout:
            if b"root disk" in line:
                run.send_signal(signal.SIGKILL)
                break
        run.wait()
    return folder


def test_killed_build_is_never_used(after_a_kill: Path) -> None:
    assert list(after_a_kill.glob(".build-*"))
    assert build.cached(Recipe(variant=Variant.BARE), after_a_kill) is None


def test_next_build_clears_up(after_a_kill: Path) -> None:
    build.build(Recipe(), cache=after_a_kill)
    assert not list(after_a_kill.glob(".build-*"))
    assert (after_a_kill / "new").exists()
    assert not (after_a_kill / "old").exists(), "nobody asked for it in a long time"


def test_second_build_waits_for_the_first(built: PodVmImage, cache: Path) -> None:
    said: list[str] = []
    made: list[PodVmImage] = []
    with lock.hold(cache / "lock", purpose="test"):
        waiting = threading.Thread(
            target=lambda: made.append(build.build(Recipe(), cache=cache, progress=said.append))
        )
        waiting.start()
        while not said:
            time.sleep(0.01)
    waiting.join(timeout=60)
    assert said[0] == "waiting for another build to end"
    assert made[0].variant == built.variant


def test_firmware_that_is_missing_names_its_package(cache: Path) -> None:
    with pytest.raises(HostError, match="apt-get install ovmf"):
        build.build(Recipe(firmware_code=Path("/nowhere")), cache=cache)


def test_requirements_that_are_missing_are_the_callers_mistake(cache: Path) -> None:
    with pytest.raises(InputError, match="checkout"):
        build.build(Recipe(requirements=Path("/nowhere")), cache=cache)


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_cache_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(HostError):
        build.build(Recipe(), cache=tmp_path / "cache")


def modules(root: Path) -> set[str]:
    """Names of the Python modules in the bundle."""
    raw = (root / BUNDLE).read_bytes()
    return set(marshal.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")]))


def _argument(made: PodVmImage, name: str) -> str:
    arguments = dict(word.partition("=")[::2] for word in made.manifest.command_line.split())
    return arguments[name]


@pytest.mark.root
def test_every_module_of_ours_can_be_imported_inside_the_image(root: Path) -> None:
    ours = sorted(name for name in modules(root) if name.startswith("casemate."))
    script = (
        "import sys; sys.path[:] = ['/usr/lib/casemate/site', '/usr/lib/python3.11',"
        " '/usr/lib/python3.11/lib-dynload']\n"
        "import casemate_start; casemate_start.install('/usr/lib/casemate/bundle')\n"
        f"import importlib\nfor name in {ours!r}: importlib.import_module(name)\n"
        "for name in ('regorus', 'isal.isal_zlib', 'zstandard', 'cryptography.x509'):\n"
        "    importlib.import_module(name)\n"
        "print('imported')"
    )
    python = ["/usr/bin/python3.11", "-ISB", "-c", script]
    done = program.run(["chroot", root, *python], timeout=120)
    assert done.stdout == b"imported\n"


@pytest.mark.root
@pytest.mark.parametrize("path", recipe.PROGRAMS)
def test_programs_find_their_libraries_inside_the_image(root: Path, path: str) -> None:
    loader = "/lib64/ld-linux-x86-64.so.2"
    assert program.run(["chroot", root, loader, "--list", f"/{path}"], timeout=30).status == 0
