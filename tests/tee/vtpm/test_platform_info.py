"""Where OVMF's early code keeps what it found of the machine: understood, or refused."""

from struct import pack

import pytest

from casemate.errors import InputError
from casemate.tee.vtpm.firmware_volume import FirmwareVolume
from casemate.tee.vtpm.platform_info import MachineFacts, measured_pei_volume
from tests.tee.vtpm.test_firmware_volume import file, volume

PLATFORM_PEI = bytes.fromhex("6d382c22bc5ab44fb124fbb82488acf4")
STORE = b"\x66\x89\x05"
CODE = b"before"


def built(distance: int, *, stores: int = 1, room: int = 256) -> FirmwareVolume:
    """Write a volume whose PlatformPei stores ``distance`` bytes behind its instruction."""
    code = CODE + (STORE + pack("<i", distance)) * stores + bytes(room)
    return FirmwareVolume.parse(volume(file(7, code, PLATFORM_PEI)))


def test_facts_are_written_where_the_code_stores_them() -> None:
    found = built(20)
    measured = measured_pei_volume(found, MachineFacts())
    assert len(measured) == len(found.raw)
    at = found.raw.index(STORE) + 7 + 20
    assert measured[:at] == found.raw[:at]
    assert measured[at : at + 2] == pack("<H", 0x29C0)
    assert found.raw[at : at + 2] == bytes(2)


@pytest.mark.parametrize("distance", [-(1 << 31), -1000, 240, 100_000, (1 << 31) - 1])
def test_place_outside_the_volume_is_refused(distance: int) -> None:
    with pytest.raises(InputError, match="outside the volume"):
        measured_pei_volume(built(distance), MachineFacts())


def test_code_that_stores_never_or_twice_is_not_guessed_at() -> None:
    for stores in (0, 2):
        with pytest.raises(InputError, match="PlatformPei that is not understood"):
            measured_pei_volume(built(20, stores=stores), MachineFacts())
    other = FirmwareVolume.parse(volume(file(7, CODE + STORE + bytes(300))))
    with pytest.raises(InputError, match="PlatformPei that is not understood"):
        measured_pei_volume(other, MachineFacts())


@pytest.mark.parametrize(
    "machine",
    [
        MachineFacts(vcpus=0),
        MachineFacts(vcpus=65),
        MachineFacts(physical_address_bits=38),
        MachineFacts(physical_address_bits=48),
        MachineFacts(memory_mib=0),
        MachineFacts(memory_mib=2049),
        MachineFacts(memory_mib=28673),
    ],
)
def test_machine_that_the_firmware_was_not_seen_on_is_refused(machine: MachineFacts) -> None:
    with pytest.raises(InputError):
        measured_pei_volume(built(20), machine)


def test_width_of_an_address_shows_but_an_unknown_one_has_a_fixed_window() -> None:
    found = {
        measured_pei_volume(built(20), MachineFacts(physical_address_bits=bits))
        for bits in (36, 39, 40, 46)
    }
    assert len(found) == 4
    (unknown,) = (one for one in found if pack("<QQ", 32 << 30, 32 << 30) in one)
    assert pack("<B", 36) in unknown
