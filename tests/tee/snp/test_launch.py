"""Launch prediction, and whether IBM's sev-snp-measure says the same."""

import struct
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from casemate.errors import InputError
from casemate.tee import firmware_table
from casemate.tee.firmware_table import LARGEST_FIRMWARE
from casemate.tee.snp.firmware import HASH_TABLE, PAGE, RESET_BLOCK, Firmware, SectionKind
from casemate.tee.snp.kernel_hashes import Kernel
from casemate.tee.snp.launch import (
    Launch,
    PageKind,
    differences,
    digest_of,
    pages,
    predict,
    processor_signature,
)
from casemate.tee.snp.save_area import Vmm, save_area, signature
from tests.tee.snp.firmware import HASHES_AT, SECTIONS, entry, image

KERNEL = Kernel(b"a kernel", b"an initrd", "console=ttyS0")
OVMF = Path("/usr/share/ovmf/OVMF.fd")


def launch(raw: bytes | None = None, **changes: object) -> Launch:
    made = Launch(
        firmware=Firmware.parse(image() if raw is None else raw),
        processors=2,
        signature=processor_signature("EPYC-v4"),
    )
    return msgspec.structs.replace(made, **changes)


def oracle(folder: Path, raw: bytes, given: Launch) -> bytes:
    """Ask sev-snp-measure."""
    guest = pytest.importorskip("sevsnpmeasure.guest", reason="an oracle for tests, not installed")
    mode = pytest.importorskip("sevsnpmeasure.sev_mode").SevMode.SEV_SNP
    kinds = pytest.importorskip("sevsnpmeasure.vmm_types").VMMType
    (folder / "ovmf").write_bytes(raw)
    kernel = ("", "", "")
    if given.kernel:
        (folder / "kernel").write_bytes(given.kernel.kernel)
        (folder / "initrd").write_bytes(given.kernel.initrd)
        kernel = (str(folder / "kernel"), str(folder / "initrd"), given.kernel.command_line)
    kind = {Vmm.QEMU: kinds.QEMU, Vmm.EC2: kinds.ec2, Vmm.GCE: kinds.gce}[given.vmm]
    digest: bytes = guest.calc_launch_digest(
        mode,
        given.processors,
        given.signature,
        str(folder / "ovmf"),
        *kernel,
        given.features,
        vmm_type=kind,
    )
    return digest


@pytest.mark.parametrize("vmm", list(Vmm))
@pytest.mark.parametrize("processors", [1, 2, 5])
@pytest.mark.parametrize("kernel", [None, KERNEL, Kernel(b"k")], ids=["none", "all", "bare"])
def test_prediction_is_the_oracles(
    tmp_path: Path, vmm: Vmm, processors: int, kernel: Kernel | None
) -> None:
    raw = image()
    given = launch(raw, processors=processors, vmm=vmm, kernel=kernel)
    assert predict(given) == oracle(tmp_path, raw, given)


@pytest.mark.parametrize("features", [0, 1, 0x21, 1 << 63])
@pytest.mark.parametrize("model", ["EPYC-Milan-v2", "EPYC-Genoa", "EPYC-Turin", "EPYC-Rome-v3"])
def test_features_and_processor_models_are_the_oracles(
    tmp_path: Path, features: int, model: str
) -> None:
    types = pytest.importorskip("sevsnpmeasure.vcpu_types", reason="an oracle, not installed")
    assert processor_signature(model) == types.CPU_SIGS[model]
    given = launch(features=features, signature=processor_signature(model))
    assert predict(given) == oracle(tmp_path, image(), given)


def test_every_model_of_the_oracle_is_known() -> None:
    types = pytest.importorskip("sevsnpmeasure.vcpu_types", reason="an oracle, not installed")
    for model, value in types.CPU_SIGS.items():
        assert processor_signature(model) == value
    for model in ("EPYC-Naples", "Skylake", "EPYC-Milan-vx", "", "-v1"):
        with pytest.raises(InputError):
            processor_signature(model)


def test_debians_firmware_is_measured_as_the_oracle_does(tmp_path: Path) -> None:
    if not OVMF.exists():
        pytest.skip(f"no {OVMF}: install Debian's package ovmf")
    raw = OVMF.read_bytes()
    given = launch(raw, processors=3)
    assert predict(given) == oracle(tmp_path, raw, given)
    with pytest.raises(InputError, match="hashes of a kernel"):
        predict(launch(raw, kernel=KERNEL))


def test_prediction_of_a_small_image_does_not_change() -> None:
    assert predict(launch(kernel=KERNEL)).hex() == (
        "e283d4877029acd442917451d9cc773c7d949aaf2d8b3f9f"
        "9dae94ecacc275dbeb2eba879897dafc21dc06ee22514c82"
    )


def test_every_input_changes_the_measurement() -> None:
    base = launch(kernel=KERNEL)
    raw = bytearray(image())
    raw[0] ^= 1
    others = [
        launch(bytes(raw), kernel=KERNEL),
        launch(kernel=None),
        launch(kernel=msgspec.structs.replace(KERNEL, kernel=b"another")),
        launch(kernel=msgspec.structs.replace(KERNEL, initrd=b"another")),
        launch(kernel=msgspec.structs.replace(KERNEL, command_line="console=ttyS1")),
        launch(kernel=KERNEL, processors=1),
        launch(kernel=KERNEL, signature=processor_signature("EPYC-Milan")),
        launch(kernel=KERNEL, features=0x21),
        launch(kernel=KERNEL, vmm=Vmm.EC2),
        launch(kernel=KERNEL, vmm=Vmm.GCE),
        launch(image(SECTIONS[:-1]), kernel=KERNEL),
        launch(image(reset=(0x80B008).to_bytes(4, "little")), kernel=KERNEL),
        launch(image(hashes_at=HASHES_AT + 16), kernel=KERNEL),
    ]
    digests = [predict(one) for one in (base, *others)]
    assert len(set(digests)) == len(digests)
    assert {len(one) for one in digests} == {48}


def test_differences_are_named() -> None:
    base = launch(kernel=KERNEL)
    assert differences(base, base) == ()
    assert differences(base, launch(kernel=KERNEL, processors=3)) == ("processor 2",)
    assert differences(base, launch(kernel=KERNEL, features=3)) == ("processor 0", "processor 1")
    for name in ("kernel", "initrd"):
        changed = msgspec.structs.replace(KERNEL, **{name: b"another"})
        assert differences(base, launch(kernel=changed)) == (name,)
    changed = msgspec.structs.replace(KERNEL, command_line="")
    assert differences(base, launch(kernel=changed)) == ("command line",)
    raw = bytearray(image())
    raw[0] ^= 1
    assert differences(base, launch(bytes(raw), kernel=KERNEL)) == ("firmware",)
    assert set(differences(base, launch())) == {
        "kernel",
        "initrd",
        "command line",
        "kernel_hashes memory",
    }


def test_pages_are_in_the_order_of_the_launch() -> None:
    found = list(pages(launch(kernel=KERNEL)))
    assert [page.kind for page in found] == [
        *[PageKind.NORMAL] * 4,
        *[PageKind.ZERO] * 3,
        PageKind.SECRETS,
        PageKind.CPUID,
        PageKind.NORMAL,
        *[PageKind.ZERO] * 3,
        *[PageKind.SAVE_AREA] * 2,
    ]
    assert found[0].address == (1 << 32) - 4 * PAGE
    assert found[-1].address == 0xFFFFFFFFF000
    ec2 = [page.kind for page in pages(launch(vmm=Vmm.EC2))]
    assert ec2[-3] is PageKind.CPUID
    gce = [page.kind for page in pages(launch(vmm=Vmm.GCE))]
    assert gce.count(PageKind.UNMEASURED) == 5
    assert digest_of([]) == bytes(48)


@pytest.mark.parametrize(
    "raw",
    [
        image(hashes_at=None),
        image(hashes_at=0),
        image(hashes_at=HASHES_AT + PAGE),
        image([one for one in SECTIONS if one[2] != 0x10]),
        image([*SECTIONS, (0x820000, 0x1000, 0x10)]),
        image([(0x80F000, 0x2000, 0x10)]),
    ],
)
def test_kernel_is_not_predicted_where_the_firmware_would_not_measure_it(raw: bytes) -> None:
    predict(launch(raw))
    with pytest.raises(InputError):
        predict(launch(raw, kernel=KERNEL))


def test_table_of_hashes_must_fit_its_page() -> None:
    with pytest.raises(InputError):
        predict(launch(image(hashes_at=0x80FFF0), kernel=KERNEL))
    assert len(KERNEL.page(HASHES_AT)) == PAGE
    assert len(KERNEL.table()) % 16 == 0


@pytest.mark.parametrize("processors", [0, -1, 4097])
def test_number_of_processors_is_bounded(processors: int) -> None:
    with pytest.raises(InputError):
        predict(launch(processors=processors))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        bytes(4096),
        image()[:-1],
        image()[1:],
        image(reset=None),
        image(reset=b"\1"),
        image(distance=None),
        image(distance=4096 * 4 + 1),
        image(distance=15),
        image(version=2),
        image(header=struct.pack("<4sI", b"ASEW", 16 + 12 * 64)),
        image(header=struct.pack("<4sI", b"ASEV", 16)),
        image(count=65),
        image(count=0xFFFFFFFF),
        image(distance=60, count=6),
        image([(0x800001, 0x1000, 1)]),
        image([(0x800000, 0x1001, 1)]),
        image([(0x800000, 0x1001000, 1)]),
        image([(0x800000, 0x1000, 9)]),
        image(others=bytes(2) + RESET_BLOCK.bytes_le),
        image(others=(4000).to_bytes(2, "little") + RESET_BLOCK.bytes_le),
        bytes(LARGEST_FIRMWARE + 1),
    ],
)
def test_broken_firmware_is_the_callers_mistake(raw: bytes) -> None:
    with pytest.raises(InputError):
        Firmware.parse(raw)


def test_table_with_a_size_that_leaves_the_image_is_refused() -> None:
    for size in (0, 17, 0xFFFF):
        raw = bytearray(image(pages=1, distance=0x500))
        raw[-50:-48] = size.to_bytes(2, "little")
        with pytest.raises(InputError):
            firmware_table.parse(bytes(raw))


def test_sections_are_read() -> None:
    found = Firmware.parse(image())
    assert [(one.address, one.size, one.kind) for one in found.sections] == list(SECTIONS)
    assert found.sections[3].kind is SectionKind.KERNEL_HASHES
    assert found.reset_address == 0x80B004
    assert found.hashes_address == HASHES_AT


def test_last_of_several_entries_counts() -> None:
    other = entry(HASH_TABLE, b"\xff" * 8)
    assert Firmware.parse(image(others=other)).hashes_address == HASHES_AT


def test_registers_of_the_first_processor() -> None:
    page = save_area(0xFFFFFFF0, 0x800F12, 1)
    assert len(page) == PAGE
    assert page[0x10:0x20].hex() == "00f09b00ffff00000000ffff00000000"
    assert page[0x178:0x180] == (0xFFF0).to_bytes(8, "little")
    assert page[0x310:0x318] == (0x800F12).to_bytes(8, "little")


def test_signature_is_composed_as_cpuid_has_it() -> None:
    assert signature(0x19, 0x11, 1) == 0xA10F11
    assert signature(0x0F, 0x21, 2) == 0x20F12


@given(st.binary(max_size=300))
def test_any_bytes_raise_only_our_error(tail: bytes) -> None:
    for raw in (tail, bytes(4096 - len(tail)) + tail, image()[: -len(tail) - 1] + tail):
        try:
            predict(launch(raw))
        except InputError:
            continue


@given(st.integers(0, 2047), st.integers(0, 255))
def test_any_change_raises_only_our_error(at: int, value: int) -> None:
    raw = bytearray(image(pages=1))
    raw[-at - 1] = value
    try:
        predict(launch(bytes(raw)))
    except InputError:
        return
