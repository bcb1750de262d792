"""Prediction against a log that was recorded once from a real boot (tests/vm boots anew)."""

import hashlib
import lzma
import struct
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casemate.crypto.digest import Algorithm, Digest
from casemate.errors import InputError
from casemate.tee.vtpm.boot_aggregate import boot_aggregate_register
from casemate.tee.vtpm.explanation import explain
from casemate.tee.vtpm.firmware_variables import GLOBAL, Variable, parse_store
from casemate.tee.vtpm.firmware_volume import Firmware
from casemate.tee.vtpm.launch import (
    Launch,
    MachineFacts,
    PredictedEvent,
    predict,
    registers,
)
from casemate.tee.vtpm.platform_info import measured_pei_volume
from casemate.tee.vtpm.portable_executable import PortableExecutable
from casemate.tee.vtpm.report import init_data_register
from casemate.tee.vtpm.uki_facts import UkiFacts
from casemate.wire.eventlog import EventLog, LoggedEvent
from casemate.wire.tpm import ALG_SHA256
from tests.sim.uki import portable_executable, tiny_uki

OVMF = Path("/usr/share/OVMF")
MACHINE = MachineFacts(memory_mib=1024, vcpus=1)


def firmware(name: str) -> bytes:
    path = OVMF / name
    if not path.exists():
        pytest.skip(f"no {path}: apt-get install ovmf")
    return path.read_bytes()


def debian_build(code: bytes, known: str) -> None:
    """Skip where Debian has published another build than the one whose boot was recorded."""
    if hashlib.sha256(Firmware.parse(code).pei.raw).hexdigest() != known:
        pytest.skip("another build of OVMF than the recorded one")


PEI_2M = "18e2c1cc4960c2694c162e8e756fbf467aaeceee7dbfe1e1dd919ffb2cd9a9d2"
PEI_4M = "471281a7d197d12ac61a810e5150b9b5ddc47be78ef0c24af7a8192c81b3a808"


@pytest.mark.parametrize(
    ("name", "known", "vcpus", "memory", "seen"),
    [
        ("OVMF_CODE.fd", PEI_2M, 1, 1024, "0a1d9b9b2dce86ed"),
        ("OVMF_CODE.fd", PEI_2M, 2, 1024, "ebe33dae7d1eef60"),
        ("OVMF_CODE.fd", PEI_2M, 2, 2048, "b0d991bd8dc7c6a6"),
        ("OVMF_CODE.fd", PEI_2M, 2, 3072, "b0d991bd8dc7c6a6"),
        ("OVMF_CODE.fd", PEI_2M, 4, 6144, "92f9220c9d851e83"),
        ("OVMF_CODE_4M.fd", PEI_4M, 1, 1024, "4c251b0c52a393c1"),
    ],
)
def test_pei_volume_is_the_one_seen_in_memory(
    name: str, known: str, vcpus: int, memory: int, seen: str
) -> None:
    code = firmware(name)
    debian_build(code, known)
    machine = MachineFacts(vcpus=vcpus, memory_mib=memory)
    volume = measured_pei_volume(Firmware.parse(code).pei, machine)
    assert hashlib.sha256(volume).hexdigest()[:16] == seen


@pytest.mark.parametrize(
    ("code", "variables", "known", "zero"),
    [
        (
            "OVMF_CODE.fd",
            "OVMF_VARS.fd",
            PEI_2M,
            "0831538094ae7d222de8318131a584d588af4be751a16aa2346e8606daf85cc0",
        ),
        (
            "OVMF_CODE_4M.fd",
            "OVMF_VARS_4M.fd",
            PEI_4M,
            "eaa650ae9b6b9c6d0ef4fab4dda3af9769f23c839ca3c98307a7a84831cbb472",
        ),
    ],
)
def test_firmware_registers_are_those_of_a_real_boot(
    code: str, variables: str, known: str, zero: str
) -> None:
    raw = firmware(code)
    debian_build(raw, known)
    found = predict(raw, firmware(variables), tiny_uki(), MACHINE)
    separator = "3d458cfe55cc03ea1f443f1562beec8df51c75e14a9fcf9a7234a13f198e7969"
    assert found[0].hex() == zero
    assert found[1].hex() == "8e9d1fe23131f12d6a523e9c32eb3223d4dc25e14eb5fd60163e7ba8de0f248c"
    assert [found[i].hex() for i in (2, 3, 6)] == [separator] * 3
    assert found[5].hex() == "a5ceb755d043f32431d63e39f5161464620a3437280494b5850dc1b47cc074e0"
    assert found[7].hex() == "65caf8dd1e0ea7a6347b635d2b379c93b9a1351edc2afc3ecda700e534eb3068"
    assert [found[i] for i in (8, 12, 13, 14, 15, 16, 23)] == [bytes(32)] * 7


def test_machines_differ_in_the_firmware_register_alone() -> None:
    launch = Launch.of(firmware("OVMF_CODE.fd"), firmware("OVMF_VARS.fd"), tiny_uki())
    machines = (MACHINE, MachineFacts(vcpus=2), MachineFacts(physical_address_bits=36))
    found = [launch.registers(machine) for machine in machines]
    assert {i for i in found[0] if found[0][i] != found[1][i]} == {0, 10}
    assert launch.firmware_registers(machines) == tuple(pcrs[0] for pcrs in found)


def test_boot_aggregate_is_that_of_a_real_boot() -> None:
    separator = "3d458cfe55cc03ea1f443f1562beec8df51c75e14a9fcf9a7234a13f198e7969"
    pcrs = {
        0: "0831538094ae7d222de8318131a584d588af4be751a16aa2346e8606daf85cc0",
        1: "8e9d1fe23131f12d6a523e9c32eb3223d4dc25e14eb5fd60163e7ba8de0f248c",
        2: separator,
        3: separator,
        4: "954a9b52bb079cfdddb6c19cd721d136b3f923b822c598fe38112918fee1cbf7",
        5: "a5ceb755d043f32431d63e39f5161464620a3437280494b5850dc1b47cc074e0",
        6: separator,
        7: "65caf8dd1e0ea7a6347b635d2b379c93b9a1351edc2afc3ecda700e534eb3068",
        9: "5aa189e99b87ce521b6a1bdd994b370d392aa7a3d11e04a066b9ee8f5e2c3629",
    }
    found = boot_aggregate_register({i: bytes.fromhex(v) for i, v in pcrs.items()})
    assert found.hex() == "f0cf4dfe5158cb53ac833968e16723ab73e55fb9b4452f257723cac223f353a6"


def events(uki: bytes) -> tuple[PredictedEvent, ...]:
    launch = Launch.of(firmware("OVMF_CODE.fd"), firmware("OVMF_VARS.fd"), uki)
    return launch.events(MACHINE)


def test_another_command_line_changes_only_what_holds_it() -> None:
    one = registers(events(tiny_uki(command_line="root=1")))
    two = registers(events(tiny_uki(command_line="root=2")))
    assert {i for i in one if one[i] != two[i]} == {4, 9, 10, 11}


def test_another_kernel_changes_only_what_holds_it() -> None:
    one = registers(events(tiny_uki(kernel=portable_executable({".text": b"one"}))))
    two = registers(events(tiny_uki(kernel=portable_executable({".text": b"two"}))))
    assert {i for i in one if one[i] != two[i]} == {4, 10, 11}


def seen(predicted: tuple[PredictedEvent, ...]) -> EventLog:
    logged = tuple(
        LoggedEvent(e.register, e.kind, ((ALG_SHA256, e.digest),), b"")
        for e in predicted
        if e.logged and e.kind != 0x80000003
    )
    return EventLog(((ALG_SHA256, 32),), logged)


def test_same_boot_has_no_differences() -> None:
    predicted = tuple(e for e in events(tiny_uki()) if e.kind != 0x80000003)
    assert explain(predicted, seen(predicted)) == []


def test_difference_names_the_event() -> None:
    predicted = tuple(e for e in events(tiny_uki(command_line="ro")) if e.register == 9)
    other = tuple(e for e in events(tiny_uki(command_line="rw")) if e.register == 9)
    (difference,) = explain(predicted, seen(other))
    assert (difference.register, difference.predicted) == (9, "kernel command line")
    assert str(difference).startswith("PCR 9: predicted kernel command line")


def test_event_nobody_predicted_is_named() -> None:
    predicted = tuple(e for e in events(tiny_uki()) if e.kind != 0x80000003)
    log = seen(predicted)
    extra = LoggedEvent(12, 0xD, ((ALG_SHA256, bytes(32)),), b".\0c\0m\0d\0l\0i\0n\0e\0\0\0")
    (difference,) = explain(predicted, EventLog(log.algorithms, (*log.events, extra)))
    assert difference.predicted is None
    assert difference.seen == "EV_IPL 'cmdline'"


def test_initdata_register_is_predicted() -> None:
    digest = bytes.fromhex("8505e4e25e50a27c5dc8147af88efbece627fbea55291911eff832d9ee127781")
    assert init_data_register(Digest(Algorithm.SHA256, digest)).hex() == (
        "bddaccb9c52249e97a31baea61b7d91be8221a16e703d92148d04fb8e9c1dfdd"
    )


def test_initdata_of_another_hash_is_the_callers_mistake() -> None:
    with pytest.raises(InputError):
        init_data_register(Digest.of(b"", Algorithm.SHA384))


def test_store_with_secure_boot_keys_is_not_predicted() -> None:
    with pytest.raises(InputError, match="platform key"):
        predict(firmware("OVMF_CODE_4M.fd"), firmware("OVMF_VARS_4M.ms.fd"), tiny_uki(), MACHINE)


def test_store_of_a_machine_that_booted_is_not_predicted() -> None:
    with pytest.raises(InputError, match="earlier boot"):
        predict(
            firmware("OVMF_CODE.fd"),
            with_variable(firmware("OVMF_VARS.fd"), Variable(GLOBAL, "Boot0000", b"x")),
            tiny_uki(),
            MACHINE,
        )


def with_variable(store: bytes, variable: Variable) -> bytes:
    name = variable.name.encode("utf-16-le") + b"\0\0"
    head = struct.pack("<HBxI28xII", 0x55AA, 0x3F, 7, len(name), len(variable.value))
    at = int.from_bytes(store[48:50], "little") + 28
    entry = head + variable.vendor + name + variable.value
    return store[:at] + entry + store[at + len(entry) :]


def test_variables_are_read_back() -> None:
    store = firmware("OVMF_VARS.fd")
    variable = Variable(GLOBAL, "BootNext", b"\1\0")
    assert parse_store(store) == ()
    assert parse_store(with_variable(store, variable)) == (variable,)


@pytest.mark.parametrize("memory", [0, 2560, 65536])
def test_machine_of_an_unknown_shape_is_not_predicted(memory: int) -> None:
    volume = Firmware.parse(firmware("OVMF_CODE.fd")).pei
    with pytest.raises(InputError):
        measured_pei_volume(volume, MachineFacts(memory_mib=memory))


def test_authenticode_ignores_checksum_and_certificates() -> None:
    plain = portable_executable({".text": b"code"})
    image = PortableExecutable.parse(plain)
    signed = bytearray(plain + b"certificate!")
    struct.pack_into("<I", signed, image.checksum_at, 0x1234)
    struct.pack_into("<II", signed, image.certificate_entry_at, len(plain), 12)
    assert PortableExecutable.parse(bytes(signed)).authenticode() == image.authenticode()


def test_uki_without_a_command_line_is_the_callers_mistake() -> None:
    with pytest.raises(InputError):
        UkiFacts.parse(portable_executable({".linux": portable_executable({})}))


@given(st.binary(max_size=2048))
@settings(max_examples=60)
def test_any_bytes_at_all_are_refused_as_firmware_uki_or_store(data: bytes) -> None:
    for parse in (Firmware.parse, PortableExecutable.parse, UkiFacts.parse, parse_store):
        with pytest.raises(InputError):
            parse(data)


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_damaged_uki_is_read_or_refused(data: st.DataObject) -> None:
    damaged = bytearray(_UKI)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, 600))] = data.draw(st.integers(0, 255))
    with suppress(InputError):
        UkiFacts.parse(bytes(damaged))


def test_compressed_section_that_never_ends_is_refused() -> None:
    endless = lzma.compress(bytes(4096), lzma.FORMAT_ALONE)[:-6]
    code = bytearray(firmware("OVMF_CODE.fd"))
    volume = Firmware.parse(bytes(code))
    assert volume.dxe.raw
    start = bytes(code).index(bytes.fromhex("98584eee143959429d6edc7bd79403cf")) + 20
    code[start : start + len(endless)] = endless
    with pytest.raises(InputError):
        Firmware.parse(bytes(code))


_UKI = tiny_uki()
