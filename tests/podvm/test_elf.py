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


@given(st.binary(max_size=300))
def test_any_bytes_raise_only_our_error(data: bytes) -> None:
    with suppress(InputError):
        elf.needed(elf.MAGIC + data)
    with suppress(InputError):
        elf.module_facts(elf.MAGIC + data)


@given(st.integers(0, 400), st.binary(min_size=1, max_size=8))
def test_any_change_of_a_good_file_raises_only_our_error(at: int, change: bytes) -> None:
    good = bytearray(linked_with(["libc.so.6"]))
    good[at : at + len(change)] = change
    with suppress(InputError):
        elf.needed(bytes(good))
