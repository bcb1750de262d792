import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casemate.errors import InputError
from casemate.podvm import elf
from tests.sim.elf import elf as make_elf
from tests.sim.elf import linked_with, module


def test_needed_libraries_are_read_in_order() -> None:
    assert elf.needed(linked_with(["libc.so.6", "libm.so.6"])) == ["libc.so.6", "libm.so.6"]


def test_static_program_needs_nothing() -> None:
    assert elf.needed(make_elf({})) == []


def test_module_tells_what_it_depends_on() -> None:
    facts = elf.module_facts(module("dm_verity", ["dm_mod", "dm_bufio"]))
    assert facts["name"] == ["dm_verity"]
    assert facts["depends"] == ["dm_mod,dm_bufio"]


def test_section_that_is_not_there_is_none() -> None:
    assert elf.section(make_elf({}), ".interp") is None


def test_name_past_the_string_table_is_refused() -> None:
    good = linked_with(["libc.so.6"])
    row = struct.pack("<qQ", 1, 1)
    with pytest.raises(InputError):
        elf.needed(good.replace(row, struct.pack("<qQ", 1, 1 << 40)))


def test_what_no_loader_maps_is_left_out() -> None:
    head = elf.MAGIC + bytes(0x20 - 6) + struct.pack("<QQIHHHHHH", 64, 200, 0, 64, 56, 1, 64, 2, 1)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, 0, 0, 160, 160, 4096)
    whole = head + segment + bytes(40) + b"SYMBOLS" * 20
    kept = elf.loaded(whole)
    assert len(kept) == 160
    assert kept[:0x28] == whole[:0x28]
    assert (kept[0x28:0x30], kept[0x3C:0x40]) == (bytes(8), bytes(4))
    assert kept[0x40:] == whole[0x40:160]
    assert elf.loaded(kept) == kept


def test_file_without_segments_is_left_as_it_is() -> None:
    built = module("dm_verity", ["dm_mod"])
    assert elf.loaded(built) == built


def test_segment_beyond_the_file_is_refused() -> None:
    head = elf.MAGIC + bytes(0x20 - 6) + struct.pack("<QQIHHHHHH", 64, 0, 0, 64, 56, 1, 64, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, 0, 0, 1 << 62, 160, 4096)
    with pytest.raises(InputError):
        elf.loaded(head + segment)


@given(st.binary(max_size=300))
def test_any_bytes_raise_only_our_error(data: bytes) -> None:
    with suppress(InputError):
        elf.needed(elf.MAGIC + data)
    with suppress(InputError):
        elf.module_facts(elf.MAGIC + data)
    with suppress(InputError):
        elf.loaded(elf.MAGIC + data)


@given(st.integers(0, 400), st.binary(min_size=1, max_size=8))
def test_any_change_of_a_good_file_raises_only_our_error(at: int, change: bytes) -> None:
    good = bytearray(linked_with(["libc.so.6"]))
    good[at : at + len(change)] = change
    with suppress(InputError):
        elf.needed(bytes(good))
