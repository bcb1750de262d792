"""One image, measured as each platform will: what changes shows, and where."""

from pathlib import Path

import msgspec
import pytest

from casemate.errors import InputError
from casemate.podvm import image, platforms
from casemate.podvm.image import PodVmImage
from casemate.podvm.platforms import Platform, Shape
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


def test_registers_of_a_td_are_foretold_but_the_one_with_the_hosts_tables(
    made: PodVmImage, other: PodVmImage
) -> None:
    ovmf = Path("/usr/share/ovmf/OVMF.fd")
    if not ovmf.exists():
        pytest.skip("no /usr/share/ovmf/OVMF.fd: apt-get install ovmf")
    shape = Shape(firmware=ovmf.read_bytes(), memory_mib=2048)
    found = platforms.predict(made, Platform.TDX, shape)
    assert set(found) == {"mr_td", "rtmr_1", "rtmr_2", "rtmr_3"}
    assert platforms.differences(made, other, Platform.TDX, (shape, shape)) == ("rtmr_1",)
