"""One image, measured as each platform will: what changes shows, and where."""

from pathlib import Path

import msgspec
import pytest

from casemate.errors import InputError
from casemate.podvm import image, platforms
from casemate.podvm.image import PodVmImage
from casemate.podvm.platforms import Platform, Shape
from casemate.tee.tdx.launch import Order, Separator
from tests.sim.podvm_image import small_image
from tests.sim.uki import tiny_uki
from tests.tee.snp.firmware import image as firmware

WITH_FIRMWARE = Shape(firmware=firmware())


@pytest.fixture
def made(tmp_path_factory: pytest.TempPathFactory) -> PodVmImage:
    return image.load(small_image(tmp_path_factory.mktemp("one") / "image", uki=tiny_uki()))


@pytest.fixture
def other(tmp_path_factory: pytest.TempPathFactory) -> PodVmImage:
    changed = tiny_uki(command_line="quiet debug")
    return image.load(small_image(tmp_path_factory.mktemp("two") / "image", uki=changed))


def test_azure_registers_follow_from_the_image(made: PodVmImage, other: PodVmImage) -> None:
    found = platforms.predict(made, Platform.AZURE, Shape())
    assert set(found) == {"pcr04", "pcr09", "pcr11", "pcr12", "pcr13", "pcr14", "pcr15"}
    shapes = (Shape(), Shape())
    assert platforms.differences(made, other, Platform.AZURE, shapes) == ("pcr04", "pcr09", "pcr11")
    assert platforms.differences(made, made, Platform.AZURE, shapes) == ()


def test_snp_measurement_depends_on_image_firmware_and_machine(
    made: PodVmImage, other: PodVmImage
) -> None:
    def measured(one: PodVmImage, shape: Shape) -> str:
        return platforms.predict(one, Platform.SNP, shape)["measurement"]

    shapes = [
        WITH_FIRMWARE,
        msgspec.structs.replace(WITH_FIRMWARE, processors=4),
        msgspec.structs.replace(WITH_FIRMWARE, model="EPYC-Milan"),
        Shape(firmware=firmware(pages=5)),
    ]
    found = {measured(made, shape) for shape in shapes} | {measured(other, WITH_FIRMWARE)}
    assert len(found) == 5
    assert all(len(bytes.fromhex(value)) == 48 for value in found)


def test_differing_part_of_an_snp_launch_is_named(made: PodVmImage, other: PodVmImage) -> None:
    shapes = (WITH_FIRMWARE, WITH_FIRMWARE)
    assert platforms.differences(made, other, Platform.SNP, shapes) == ("kernel",)


@pytest.mark.parametrize(
    "shape",
    [
        Shape(),
        Shape(firmware=b"no firmware"),
        Shape(firmware=firmware(), processors=0),
        Shape(firmware=firmware(), model="Moon"),
    ],
)
def test_launch_that_cannot_be_is_the_callers_mistake(made: PodVmImage, shape: Shape) -> None:
    with pytest.raises(InputError):
        platforms.predict(made, Platform.SNP, shape)


def test_a_tpm_is_measured_with_the_images_own_firmware(made: PodVmImage) -> None:
    with pytest.raises(InputError):
        platforms.predict(made, Platform.TPM, WITH_FIRMWARE)


@pytest.fixture
def td_shape() -> Shape:
    ovmf = Path("/usr/share/ovmf/OVMF.fd")
    if not ovmf.exists():
        pytest.skip("no /usr/share/ovmf/OVMF.fd: apt-get install ovmf")
    return Shape(firmware=ovmf.read_bytes(), memory_mib=2048)


def test_registers_of_a_td_are_foretold_but_the_one_with_the_hosts_tables(
    made: PodVmImage, td_shape: Shape
) -> None:
    found = platforms.predict(made, Platform.TDX, td_shape)
    assert set(found) == {"mr_td", "rtmr_1", "rtmr_2", "rtmr_3"}


def test_differing_part_of_a_td_is_named_with_its_register(
    made: PodVmImage, other: PodVmImage, td_shape: Shape
) -> None:
    shapes = (td_shape, td_shape)
    found = platforms.differences(made, other, Platform.TDX, shapes)
    assert found == ("UKI (Authenticode) in rtmr_1",)
    assert platforms.differences(made, made, Platform.TDX, shapes) == ()
    larger = msgspec.structs.replace(td_shape, memory_mib=4096)
    found = platforms.differences(made, made, Platform.TDX, (td_shape, larger))
    assert found == ("description of memory (TD HOB) in rtmr_0",)


@pytest.mark.parametrize(
    ("age", "register"),
    [({"separator": Separator.RTMR_0}, "rtmr_1"), ({"order": Order.PAGES_FIRST}, "mr_td")],
)
def test_age_of_firmware_and_host_kernel_shows_in_one_foretold_register_of_a_td(
    made: PodVmImage, td_shape: Shape, age: dict[str, object], register: str
) -> None:
    new = platforms.predict(made, Platform.TDX, td_shape)
    old = platforms.predict(made, Platform.TDX, msgspec.structs.replace(td_shape, **age))
    assert [name for name in new if new[name] != old[name]] == [register]
