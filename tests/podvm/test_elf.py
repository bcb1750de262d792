import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casemate.errors import InputError
from casemate.podvm import elf
from tests.sim.elf import elf as make_elf
from tests.sim.elf import linked_with, module, shared


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


def library(address: int = 0x2200) -> bytes:
    """Two segments, the second writable and with the dynamic section; names at ``address``."""
    rows = ((7, 0x1100), (8, 0x48), (5, address), (10, 0x20), (0, 0))
    dynamic = b"".join(struct.pack("<qQ", *row) for row in rows)
    head = elf.MAGIC + bytes(0x20 - 6) + struct.pack("<QQIHHHHHH", 64, 0, 0, 64, 56, 3, 64, 0, 0)
    segments = (
        (1, 4, 0, 0x1000, 0, 0x200, 0x200, 4096),
        (1, 6, 0x200, 0x2200, 0, 0x80, 0x100, 4096),
        (2, 6, 0x220, 0x2220, 0, len(dynamic), len(dynamic), 8),
    )
    table = b"".join(struct.pack("<IIQQQQQQ", *segment) for segment in segments)
    whole = bytearray(0x280)
    whole[: len(head)] = head
    whole[64 : 64 + len(table)] = table
    whole[0x220 : 0x220 + len(dynamic)] = dynamic
    return bytes(whole)


def test_loader_reads_the_tables_at_the_beginning_and_what_is_writable() -> None:
    assert elf.relocated(library(0x1140)) == [(0, 0x160), (0x200, 0x80)]
    assert elf.relocated(library(0x1020)) == [(0, 0x148), (0x200, 0x80)]


def test_table_outside_of_every_segment_is_refused() -> None:
    with pytest.raises(InputError, match="dynamic section"):
        elf.relocated(library(0x9000))


def test_symbols_are_those_that_are_wanted_and_those_that_are_there() -> None:
    wanted, there = elf.symbols(shared([], wants=["malloc"], has=["answer", "ask"]))
    assert wanted - {""} == {"malloc"}
    assert there == {"answer", "ask"}


def test_libraries_with_versions_are_read_to_the_end() -> None:
    made = shared(["libc.so.6", "libm.so.6", "libz.so.1"], versions=["libc.so.6", "libm.so.6"])
    assert elf.versioned(made) == {"libc.so.6", "libm.so.6"}
    assert elf.versioned(shared(["libz.so.1"])) == frozenset()


def test_library_is_unlinked_and_the_others_stay() -> None:
    made = shared(["liba.so", "libb.so", "libc.so"])
    left = elf.without_needed(made, "libb.so")
    assert elf.needed(left) == ["liba.so", "libc.so"]
    assert len(left) == len(made)
    assert elf.without_needed(made, "libz.so") == made


def test_file_with_no_dynamic_section_has_nothing_to_relocate() -> None:
    with pytest.raises(InputError, match="dynamic section"):
        elf.relocated(make_elf({}))


@given(st.binary(max_size=300))
def test_any_bytes_raise_only_our_error(data: bytes) -> None:
    with suppress(InputError):
        elf.needed(elf.MAGIC + data)
    with suppress(InputError):
        elf.module_facts(elf.MAGIC + data)
    with suppress(InputError):
        elf.loaded(elf.MAGIC + data)
    with suppress(InputError):
        elf.relocated(elf.MAGIC + data)


@given(st.integers(0, 0x280), st.binary(min_size=1, max_size=8))
def test_any_change_of_a_library_raises_only_our_error(at: int, change: bytes) -> None:
    good = bytearray(library())
    good[at : at + len(change)] = change
    with suppress(InputError):
        elf.relocated(bytes(good))


@given(st.integers(0, 1200), st.binary(min_size=1, max_size=8))
def test_any_change_of_its_tables_raises_only_our_error(at: int, change: bytes) -> None:
    good = bytearray(shared(["liba.so", "libc.so.6"], wants=["f"], has=["g"], versions=["liba.so"]))
    good[at : at + len(change)] = change
    for read in (elf.symbols, elf.versioned, lambda data: elf.without_needed(data, "liba.so")):
        with suppress(InputError):
            read(bytes(good))


@given(st.integers(0, 400), st.binary(min_size=1, max_size=8))
def test_any_change_of_a_good_file_raises_only_our_error(at: int, change: bytes) -> None:
    good = bytearray(linked_with(["libc.so.6"]))
    good[at : at + len(change)] = change
    with suppress(InputError):
        elf.needed(bytes(good))
