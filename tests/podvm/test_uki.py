import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casemate.errors import InputError
from casemate.podvm import uki
from casemate.tee.vtpm.portable_executable import PortableExecutable
from casemate.tee.vtpm.uki_facts import UkiFacts
from tests.sim.uki import portable_executable

STUB = portable_executable({f".s{i}": bytes(40) for i in range(5)})
KERNEL = portable_executable({".text": b"kernel"})
SECTIONS = {".osrel": b"ID=x\n", ".cmdline": b"quiet\0", ".linux": KERNEL, ".initrd": b"i" * 5000}


def test_sections_are_found_by_who_measures_them() -> None:
    facts = UkiFacts.parse(uki.build(STUB, SECTIONS))
    assert facts.command_line == "quiet"
    assert facts.section(".initrd") == b"i" * 5000
    assert facts.section(".linux") == KERNEL


def test_same_inputs_give_the_same_bytes() -> None:
    assert uki.build(STUB, SECTIONS) == uki.build(STUB, dict(SECTIONS))


def test_sections_lie_on_pages_and_do_not_overlap() -> None:
    made = uki.build(STUB, SECTIONS)
    (pe,) = struct.unpack_from("<I", made, 0x3C)
    count, optional_size = struct.unpack_from("<2xH12xH", made, pe + 4)
    table = pe + 24 + optional_size
    end = 0
    for i in range(count):
        size, address, raw, offset = struct.unpack_from("<IIII", made, table + 40 * i + 8)
        assert address % 4096 == 0
        assert address >= end
        assert offset % 512 == 0
        assert raw >= size
        end = address + size
    (size_of_image,) = struct.unpack_from("<I", made, pe + 24 + 56)
    assert size_of_image % 4096 == 0
    assert size_of_image >= end


def test_stub_without_room_for_sections_is_refused() -> None:
    full = portable_executable({".text": b"x"})
    with pytest.raises(InputError, match="room for"):
        uki.build(full, SECTIONS)


def test_signed_stub_is_refused() -> None:
    signed = bytearray(STUB)
    (pe,) = struct.unpack_from("<I", signed, 0x3C)
    struct.pack_into("<II", signed, pe + 24 + 112 + 32, 1, 8)
    with pytest.raises(InputError, match="signed"):
        uki.build(bytes(signed), SECTIONS)


@pytest.mark.parametrize("alignment", [0, 3, 1 << 17, 1 << 31])
def test_alignment_that_would_fill_the_disk_is_refused(alignment: int) -> None:
    stub = bytearray(STUB)
    (pe,) = struct.unpack_from("<I", stub, 0x3C)
    struct.pack_into("<I", stub, pe + 24 + 36, alignment)
    with pytest.raises(InputError, match="aligned"):
        uki.build(bytes(stub), SECTIONS)


@given(st.binary(max_size=600))
def test_any_stub_raises_only_our_error(data: bytes) -> None:
    with pytest.raises(InputError):
        uki.build(data, SECTIONS)


@given(st.integers(0, 500), st.binary(min_size=1, max_size=4))
def test_any_change_of_the_stub_raises_only_our_error(at: int, change: bytes) -> None:
    stub = bytearray(STUB)
    stub[at : at + len(change)] = change
    try:
        made = uki.build(bytes(stub), SECTIONS)
    except InputError:
        return
    assert isinstance(made, bytes)


def test_result_is_a_portable_executable() -> None:
    assert PortableExecutable.parse(uki.build(STUB, SECTIONS)).authenticode()
