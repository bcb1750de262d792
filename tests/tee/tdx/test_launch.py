"""MRTD and RTMRs predicted: against logs of real TDs, and against the sums done another way."""

import hashlib
import struct
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from casemate.errors import InputError
from casemate.tee.firmware_table import FOOTER
from casemate.tee.tdx import hand_off, launch
from casemate.tee.tdx.launch import (
    Launch,
    Machine,
    Measuring,
    Order,
    Separator,
    differences,
    mr_td,
)
from casemate.tee.tdx.tdvf import METADATA, Section, SectionKind, Tdvf
from casemate.tee.vtpm.firmware_variables import GLOBAL, Variable, parse_store
from casemate.tee.vtpm.firmware_volume import Firmware
from casemate.wire.eventlog import EventLog, LoggedEvent, replay
from casemate.wire.tpm import ALG_SHA384
from tests.sim.uki import tiny_uki
from tests.vectors import vector

OVMF = Path("/usr/share/ovmf/OVMF.fd")
CODE, VARS = (Path("/usr/share/OVMF") / f"OVMF_{name}_4M.fd" for name in ("CODE", "VARS"))
SECTIONS = (
    (0x1000, 0x3000, 0xFFFFD000, 0x3000, 0, 1),
    (0, 0x800, 0xFFFFC000, 0x1000, 1, 0),
    (0, 0, 0x809000, 0x2000, 2, 0),
    (0, 0, 0x80B000, 0x1000, 3, 0),
    (0, 0, 0x80F000, 0x1000, 4, 2),
)


def image(
    sections: tuple[tuple[int, ...], ...] = SECTIONS,
    *,
    signature: bytes = b"TDVF",
    version: int = 1,
    count: int | None = None,
    distance: int = 0x500,
) -> bytes:
    """Make an image that holds nothing but what a VMM reads of OVMF's."""
    whole = bytearray(bytes(range(256)) * 16 * 4)
    metadata = struct.pack(
        "<4sIII",
        signature,
        16 + 32 * len(sections),
        version,
        len(sections) if count is None else count,
    )
    metadata += b"".join(struct.pack("<IIQQII", *one) for one in sections)
    whole[-0x500 : -0x500 + len(metadata)] = metadata
    entry = struct.pack("<IH", distance, 22) + METADATA.bytes_le
    table = entry + struct.pack("<H", len(entry) + 18) + FOOTER.bytes_le
    whole[-32 - len(table) : -32] = table
    return bytes(whole)


def on_disk(path: Path) -> bytes:
    if not path.exists():
        pytest.skip(f"no {path}: apt-get install ovmf")
    return path.read_bytes()


def log(name: str) -> EventLog:
    return EventLog.parse(vector("eventlog", name).read_bytes())


def test_metadata_of_debians_firmware() -> None:
    firmware = Tdvf.parse(on_disk(OVMF))
    assert [(one.kind.name, one.address, one.size, one.extended) for one in firmware.sections] == [
        ("BOOT_VOLUME", 0xFFE20000, 0x1E0000, True),
        ("CONFIGURATION_VOLUME", 0xFFE00000, 0x20000, False),
        ("TEMPORARY_MEMORY", 0x810000, 0x10000, False),
        ("TEMPORARY_MEMORY", 0x80B000, 0x2000, False),
        ("HAND_OFF", 0x809000, 0x2000, False),
        ("TEMPORARY_MEMORY", 0x800000, 0x6000, False),
    ]


def test_every_page_is_added_and_wanted_content_extended() -> None:
    firmware = Tdvf.parse(image())
    said = b""
    for section in firmware.sections[:4]:
        for page in range(section.address, section.address + section.size, 4096):
            said += b"MEM.PAGE.ADD".ljust(16, b"\0") + page.to_bytes(8, "little") + bytes(104)
            if section.kind is SectionKind.BOOT_VOLUME:
                for at in range(page, page + 4096, 256):
                    begin = at - section.address
                    said += b"MR.EXTEND".ljust(16, b"\0") + at.to_bytes(8, "little") + bytes(104)
                    said += section.content[begin : begin + 256]
    assert mr_td(firmware) == hashlib.sha384(said).digest()
    assert mr_td(firmware) != mr_td(firmware, Order.PAGES_FIRST)


def test_order_of_a_section_of_one_page_does_not_matter() -> None:
    firmware = Tdvf.parse(image(((0x1000, 0x1000, 0xFFFFD000, 0x1000, 0, 1),)))
    assert mr_td(firmware) == mr_td(firmware, Order.PAGES_FIRST)


def test_measured_content_and_place_show_in_the_measurement() -> None:
    firmware = Tdvf.parse(image())
    boot, *others = firmware.sections
    for changes in (
        {"content": boot.content[:-1] + b"\0"},
        {"address": boot.address - 4096},
        {"extended": False},
        {"augmented": True},
    ):
        other = msgspec.structs.replace(boot, **changes)
        assert mr_td(Tdvf((other, *others))) != mr_td(firmware)
    zeros = Tdvf((boot, msgspec.structs.replace(others[0], content=bytes(4096)), *others[1:]))
    assert mr_td(zeros) == mr_td(firmware)


def test_content_shorter_than_its_range_is_padded() -> None:
    variables = Tdvf.parse(image()).of_kind(SectionKind.CONFIGURATION_VOLUME)
    assert variables.content == (bytes(range(256)) * 8).ljust(4096, b"\0")


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        bytes(4096),
        image(signature=b"TDVG"),
        image(version=2),
        image(count=65),
        image(count=6),
        image(distance=0x5000),
        image(distance=8),
        image(((0, 0, 0x800001, 0x1000, 3, 0),)),
        image(((0, 0, 0x800000, 0x1001, 3, 0),)),
        image(((0, 0, 0x800000, 0, 3, 0),)),
        image(((0, 0, 0x800000, 0x8000000, 3, 0),)),
        image(((0, 0x2000, 0x800000, 0x1000, 0, 1),)),
        image(((0x4000, 0x1000, 0x800000, 0x1000, 0, 1),)),
        image(((0, 0, 0x800000, 0x1000, 8, 0),)),
        image(((0, 0, 0xFFFFFFFFFFFFF000, 0x1000, 3, 0),)),
        image(((0, 0, (1 << 51) - 0x1000, 0x2000, 3, 0),)),
        image(((0, 0, 0x800000, 0x2000, 3, 0), (0, 0, 0x801000, 0x1000, 3, 0))),
        image(((0, 0, 0x801000, 0x1000, 3, 0), (0, 0, 0x800000, 0x4000, 3, 2))),
        image(((0, 0, 0x800000, 0x1000, 3, 0), (0, 0, 0x800000, 0x1000, 3, 0))),
        image(tuple((0, 0, at << 26, 64 << 20, 3, 0) for at in range(64))),
        image(((0, 0x800, 0xFFFFC000, 0x1000, 0, 1),)),
        image(((0, 0, 0x809000, 0x1000, 2, 1),)),
        image(((0, 0x1000, 0x809000, 0x1000, 3, 1),)),
    ],
)
def test_broken_firmware_is_the_callers_mistake(broken: bytes) -> None:
    with pytest.raises(InputError):
        Tdvf.parse(broken)


@given(st.binary(max_size=400))
def test_any_metadata_raise_only_our_error(raw: bytes) -> None:
    whole = bytearray(image())
    whole[-0x500 : -0x500 + len(raw)] = raw
    try:
        mr_td(Tdvf.parse(bytes(whole)))
    except InputError:
        return


_EDGES = st.sampled_from([0, 1, 0x800, 0x1000, 0x2000, 0x4000, 0x4001, 0x800000, 1 << 26])
_LONG_EDGES = _EDGES | st.sampled_from([(1 << 51) - 0x1000, 1 << 51, (1 << 64) - 0x1000])


@given(
    st.lists(
        st.tuples(*[_EDGES] * 2, *[_LONG_EDGES] * 2, st.integers(0, 8), st.integers(0, 3)),
        max_size=8,
    ),
    st.sampled_from(list(Order)),
)
def test_any_sections_are_measured_or_refused(
    sections: list[tuple[int, ...]], order: Order
) -> None:
    try:
        firmware = Tdvf.parse(image(tuple(sections)))
    except InputError:
        return
    assert sum(len(one.content) for one in firmware.sections) <= 128 << 20
    small = Tdvf(tuple(one for one in firmware.sections if one.size <= 0x4000))
    assert mr_td(small, order) == summed(small, order)


def summed(firmware: Tdvf, order: Order) -> bytes:
    """Measure another way: every buffer that the TDX module hashes in one list."""
    said: list[bytes] = []
    for section in firmware.sections:
        added: list[bytes] = []
        extended: list[bytes] = []
        for at in range(0, 0 if section.augmented else section.size, 256):
            where = (section.address + at).to_bytes(8, "little") + bytes(104)
            line = added if order is Order.PAGE_BY_PAGE else extended
            if at % 4096 == 0:
                added.append(b"MEM.PAGE.ADD\0\0\0\0" + where)
            if section.extended:
                line.append(b"MR.EXTEND" + bytes(7) + where + section.content[at : at + 256])
        said += added + extended
    return hashlib.sha384(b"".join(said)).digest()


BOOT = (0, 0x3000, 0xFFFFD000, 0x3000, 0, 1)
"""Without the page that holds the metadata: so that they show by themselves only."""
_, STORE, HAND_OFF, TEMPORARY, LATER = SECTIONS


@pytest.mark.parametrize(
    ("changed", "shows"),
    [
        ((BOOT, STORE, HAND_OFF, TEMPORARY), False),
        ((BOOT, STORE, HAND_OFF, LATER), True),
        ((BOOT, STORE, TEMPORARY, HAND_OFF, LATER), True),
        (((0x100, *BOOT[1:]), STORE, HAND_OFF, TEMPORARY, LATER), False),
        (((0x10, *BOOT[1:]), STORE, HAND_OFF, TEMPORARY, LATER), True),
        (((*BOOT[:2], 0xFFFF8000, *BOOT[3:]), STORE, HAND_OFF, TEMPORARY, LATER), True),
        (((*BOOT[:1], 0x2000, BOOT[2], 0x2000, 0, 1), STORE, HAND_OFF, TEMPORARY, LATER), True),
        (((*BOOT[:5], 0), STORE, HAND_OFF, TEMPORARY, LATER), True),
        (((*BOOT[:5], 3), STORE, HAND_OFF, TEMPORARY, LATER), True),
        (((*BOOT[:4], 5, 1), STORE, HAND_OFF, TEMPORARY, LATER), False),
        ((BOOT, (0x100, *STORE[1:]), HAND_OFF, TEMPORARY, LATER), False),
        ((BOOT, (*STORE[:5], 2), HAND_OFF, TEMPORARY, LATER), True),
        ((BOOT, STORE, (0, 0, 0x808000, *HAND_OFF[3:]), TEMPORARY, LATER), True),
        ((BOOT, STORE, (0, 0, 0x809000, 0x1000, 2, 0), TEMPORARY, LATER), True),
        ((BOOT, STORE, HAND_OFF, (*TEMPORARY[:5], 1), LATER), True),
        ((BOOT, STORE, HAND_OFF, TEMPORARY, (*LATER[:5], 0)), True),
    ],
)
def test_field_of_the_metadata_shows_when_the_module_sees_it(
    changed: tuple[tuple[int, ...], ...], *, shows: bool
) -> None:
    base = mr_td(Tdvf.parse(image((BOOT, STORE, HAND_OFF, TEMPORARY, LATER))))
    assert (mr_td(Tdvf.parse(image(changed))) != base) is shows


@pytest.mark.parametrize(("name", "memory"), [("CCEL_data_ovmf", 2048), ("CCEL_data_grub", 10240)])
def test_description_of_memory_is_what_real_tds_measured(name: str, memory: int) -> None:
    firmware = Tdvf.parse(on_disk(OVMF))
    digest = hashlib.sha384(hand_off.measured(firmware, memory)).digest()
    assert digest == log(name).events[0].digest(ALG_SHA384)
    other = hashlib.sha384(hand_off.measured(firmware, memory + 1)).digest()
    assert other != digest


@pytest.mark.parametrize("memory", [0, 1 << 25, 8])
def test_machine_with_no_such_memory_is_the_callers_mistake(memory: int) -> None:
    with pytest.raises(InputError):
        hand_off.measured(Tdvf.parse(image()), memory)


def test_firmware_without_one_hand_off_block_is_refused() -> None:
    sections = Tdvf.parse(image()).sections
    for chosen in (sections[:2], (*sections, sections[2])):
        with pytest.raises(InputError):
            hand_off.measured(Tdvf(chosen), 1024)


def described() -> Tdvf:
    """Debian's firmware as one image, with its larger store for variables."""
    parsed = Tdvf.parse(on_disk(OVMF))
    store = on_disk(VARS)
    return Tdvf(
        tuple(
            msgspec.structs.replace(one, content=store, size=len(store), address=0xFFC00000)
            if one.kind is SectionKind.CONFIGURATION_VOLUME
            else one
            for one in parsed.sections
        )
    )


def test_rtmr_0_of_a_real_boot_follows_from_files_memory_and_acpi() -> None:
    real = log("CCEL_data_ovmf")
    digests = [one.digest(ALG_SHA384) for one in real.events if one.data == b"ACPI DATA"]
    machine = Machine(memory_mib=2048, acpi=tuple(one for one in digests if one))
    variables = parse_store(on_disk(VARS))
    events = (
        *launch.firmware_events(described(), variables, machine),
        *launch.boot_options(Firmware.parse(on_disk(CODE)), variables),
        *(one for one in events_of_old_firmware() if one.description == "separator"),
    )
    found = launch.registers(events)["rtmr_0"]
    assert found == replay(real.events, ALG_SHA384)[1]
    assert found.hex().startswith("8566f998798db094")


def events_of_old_firmware() -> tuple[launch.PredictedEvent, ...]:
    return opened(Measuring(separator=Separator.RTMR_0)).events(Machine())[-5:]


def opened(measuring: Measuring | None = None) -> Launch:
    return Launch.of(on_disk(OVMF), tiny_uki(), measuring)


def test_actions_of_a_real_boot_are_the_predicted_ones() -> None:
    real = {one.digest(ALG_SHA384) for one in log("CCEL_data_ovmf").events}
    actions = [one for one in opened().events(Machine()) if one.description.startswith("action")]
    assert len(actions) == 3
    assert {one.digest for one in actions} <= real


def logged(name: str, register: int) -> list[int]:
    """Kinds of a real log's events in one register, but the disk's partition table."""
    events = log(name).events
    return [one.kind for one in events if one.register == register and one.kind != 0x80000006]


def predicted(measuring: Measuring, register: int) -> list[int]:
    events = opened(measuring).events(Machine(acpi=(bytes(48),) * 3))
    return [one.kind for one in events if one.register == register]


_APPLICATION, _ACTION, _SEPARATOR = 0x80000003, 0x80000007, 4


def test_order_in_rtmr_1_is_that_of_a_real_uki_but_for_who_finds_it() -> None:
    real = logged("CCEL_data_gcp", 2)
    assert real == [_ACTION, _SEPARATOR, _APPLICATION, _APPLICATION, _ACTION, _ACTION]
    given_by_the_vmm = [_APPLICATION, _ACTION, _SEPARATOR, _APPLICATION, _ACTION, _ACTION]
    assert predicted(Measuring(), 2) == given_by_the_vmm
    assert logged("CCEL_data_gcp", 3) == predicted(Measuring(), 3) == []


def test_order_under_old_firmware_is_that_of_a_real_kernel_but_for_the_uki_around_it() -> None:
    old = Measuring(separator=Separator.RTMR_0, kernel=True)
    assert logged("CCEL_data_ovmf", 1) == predicted(old, 1)
    real = logged("CCEL_data_ovmf", 2)
    assert real == [_APPLICATION, _ACTION, _ACTION, _ACTION]
    assert predicted(old, 2) == [*real[:2], _APPLICATION, *real[2:]]
    assert logged("CCEL_data_ovmf", 3) == predicted(old, 3)


@pytest.mark.parametrize(
    ("name", "separators"),
    [
        ("CCEL_data_ovmf", [1, 1]),
        ("CCEL_data_grub", [1, 1]),
        ("CCEL_data_gcp", [1, 2]),
        ("gtdx_cos_113_ccel.dat", [1, 2]),
    ],
)
def test_firmware_of_both_ages_is_met(name: str, separators: list[int]) -> None:
    assert [one.register for one in log(name).events if one.kind == _SEPARATOR] == separators
    place = Separator.RTMR_1 if 2 in separators else Separator.RTMR_0
    events = opened(Measuring(separator=place)).events(Machine())
    assert [one.register for one in events if one.kind == _SEPARATOR] == separators


def test_place_of_the_separator_shows_in_both_registers() -> None:
    acpi = (bytes(48),) * 3
    new = opened().registers(Machine(acpi=acpi))
    old = opened(Measuring(separator=Separator.RTMR_0)).registers(Machine(acpi=acpi))
    assert [name for name in new if new[name] != old[name]] == ["rtmr_0", "rtmr_1"]


def test_rtmr_1_is_the_extensions_of_its_events() -> None:
    uki = opened()
    register = bytes(48)
    for digest in (
        uki.authenticode,
        hashlib.sha384(b"Calling EFI Application from Boot Option").digest(),
        hashlib.sha384(bytes(4)).digest(),
        uki.kernel_authenticode,
        hashlib.sha384(b"Exit Boot Services Invocation").digest(),
        hashlib.sha384(b"Exit Boot Services Returned with Success").digest(),
    ):
        register = hashlib.sha384(register + digest).digest()
    assert uki.registers(Machine())["rtmr_1"] == register


def test_differing_parts_are_named() -> None:
    one = opened()
    assert differences(one, one) == ()
    other = Launch.of(on_disk(OVMF), tiny_uki(command_line="quiet debug"))
    assert differences(one, other) == ("UKI (Authenticode) in rtmr_1",)
    old = opened(Measuring(separator=Separator.RTMR_0))
    assert differences(one, old) == ("separator in rtmr_0", "separator in rtmr_1")
    kernel = opened(Measuring(kernel=True))
    assert differences(one, kernel) == ("kernel command line in rtmr_2", "initrd in rtmr_2")
    machines = (Machine(), Machine(memory_mib=4096))
    assert differences(one, one, machines) == ("description of memory (TD HOB) in rtmr_0",)
    machines = (Machine(), Machine(order=Order.PAGES_FIRST))
    assert differences(one, one, machines) == ("firmware, boot volume, in mr_td",)
    boot, *others = one.firmware.sections
    changed = msgspec.structs.replace(boot, content=bytes(boot.size))
    firmware = msgspec.structs.replace(one, firmware=Tdvf((changed, *others)))
    assert differences(one, firmware) == ("firmware, boot volume, in mr_td",)
    later = msgspec.structs.replace(boot, augmented=True)
    firmware = msgspec.structs.replace(one, firmware=Tdvf((later, *others)))
    assert differences(one, firmware) == ("firmware, boot volume, in mr_td",)


def test_registers_bear_the_names_of_claims() -> None:
    acpi = (b"\1" * 48, b"\2" * 48, b"\3" * 48)
    found = opened().registers(Machine(acpi=acpi))
    assert list(found) == ["mr_td", "rtmr_0", "rtmr_1", "rtmr_2", "rtmr_3"]
    assert {len(one) for one in found.values()} == {48}
    assert found["rtmr_2"] == found["rtmr_3"] == bytes(48)
    assert "rtmr_0" not in opened().registers(Machine())


def test_what_the_programs_measure_shows_in_rtmr_2() -> None:
    facts = opened().uki
    kernel = opened(Measuring(kernel=True))
    options = facts.command_line.encode("utf-16-le") + b"\0\0"
    events = [LoggedEvent(3, 6, ((ALG_SHA384, hashlib.sha384(options).digest()),), b"")]
    if initrd := facts.section(".initrd"):
        events.append(LoggedEvent(3, 6, ((ALG_SHA384, hashlib.sha384(initrd).digest()),), b""))
    assert kernel.registers(Machine())["rtmr_2"] == replay(events, ALG_SHA384)[3]
    stub = opened(Measuring(stub=True)).registers(Machine())["rtmr_2"]
    assert stub not in {bytes(48), kernel.registers(Machine())["rtmr_2"]}


def test_kernel_alone_changes_rtmr_1() -> None:
    one = opened()
    other = msgspec.structs.replace(one, kernel_authenticode=bytes(48))
    before, after = one.registers(Machine()), other.registers(Machine())
    assert [name for name in before if before[name] != after[name]] == ["rtmr_1"]


def test_what_is_not_predicted_is_refused() -> None:
    firmware = Tdvf.parse(image())
    key = (Variable(GLOBAL, "PK", b"x"),)
    with pytest.raises(InputError):
        list(launch.firmware_events(firmware, key, Machine(memory_mib=1024)))
    for acpi in ((b"\0" * 48,), (b"\0" * 48, b"\0" * 48, b"\0" * 47)):
        with pytest.raises(InputError):
            list(launch.firmware_events(firmware, (), Machine(memory_mib=1024, acpi=acpi)))
    code = Firmware.parse(on_disk(CODE))
    with pytest.raises(InputError):
        list(launch.boot_options(code, (Variable(GLOBAL, "Boot0001", b""),)))


def test_sections_are_typed() -> None:
    one = Tdvf.parse(image()).sections[0]
    assert isinstance(one, Section)
    assert one.kind is SectionKind.BOOT_VOLUME
