import msgspec
import pytest

from casemate.errors import PeerError
from casemate.tee.snp.product import GENOA, MILAN, PRODUCTS, TURIN, TcbLayout, by_model, by_name
from casemate.tee.snp.report import FIELDS, LAYOUT, SIGNED_SIZE, SIZE, Release, Report, tcb_layout
from casemate.tee.snp.tcb import Tcb, part_at
from tests.tee.snp.machine import simulate


def report(**fields: str) -> Report:
    raw = simulate(**fields).binary
    assert raw is not None
    return Report.parse(raw)


def test_table_covers_every_byte_once() -> None:
    at = 0
    for part in LAYOUT:
        assert part.offset == at
        at += part.size
    assert at == SIZE
    assert next(part.offset for part in LAYOUT if part.name == "signature_r") == SIGNED_SIZE


def test_report_has_the_fields_of_the_table_in_its_order() -> None:
    assert Report.__struct_fields__ == tuple(part.name for part in FIELDS)


@pytest.mark.parametrize("version", [2, 3, 4, 5])
def test_version_decides_which_fields_there_are(version: int) -> None:
    found = report(version=str(version), product="Milan")
    assert (found.cpuid_fam_id is None) is (version < 3)
    assert (found.launch_mit_vector is None) is (version < 5)
    assert (found.product is None) is (version < 3)


@pytest.mark.parametrize("part", [part for part in LAYOUT if part.since], ids=lambda p: p.name)
def test_field_of_a_later_version_is_reserved_before(part: object) -> None:
    assert isinstance(part, type(LAYOUT[0]))
    raw = bytearray(simulate(version=str(max(2, part.since - 1)), product="Milan").binary or b"")
    raw[part.offset] = 0xA0
    if part.name == "cpuid_fam_id" and part.since == 3:
        raw[0] = 2
    with pytest.raises(PeerError):
        Report.parse(bytes(raw))


def test_tcb_words_are_in_the_order_of_the_product() -> None:
    milan = Tcb.parse(bytes.fromhex("0300000000000873"), TcbLayout.MILAN, "tcb")
    assert milan == Tcb(bootloader=3, tee=0, snp=8, microcode=0x73)
    turin = Tcb.parse(bytes.fromhex("0102030400000007"), TcbLayout.TURIN, "tcb")
    assert turin == Tcb(fmc=1, bootloader=2, tee=3, snp=4, microcode=7)
    assert str(turin) == "fmc 1, bootloader 2, tee 3, snp 4, microcode 7"
    assert [part_at(TcbLayout.TURIN, index) for index in (0, 4)] == ["fmc", None]


@pytest.mark.parametrize(
    ("layout", "index"),
    [(TcbLayout.MILAN, i) for i in (2, 3, 4, 5)] + [(TcbLayout.TURIN, i) for i in (4, 5, 6)],
)
def test_reserved_byte_of_a_tcb_word_is_refused(layout: TcbLayout, index: int) -> None:
    word = bytearray(8)
    word[index] = 1
    with pytest.raises(PeerError):
        Tcb.parse(bytes(word), layout, "tcb")


@pytest.mark.parametrize(
    ("layout", "tcb"),
    [
        (TcbLayout.TURIN, Tcb(bootloader=1, tee=0, snp=0, microcode=0)),
        (TcbLayout.MILAN, Tcb(fmc=1, bootloader=1, tee=0, snp=0, microcode=0)),
        (TcbLayout.MILAN, Tcb(bootloader=256, tee=0, snp=0, microcode=0)),
        (TcbLayout.TURIN, Tcb(fmc=-1, bootloader=0, tee=0, snp=0, microcode=0)),
    ],
)
def test_tcb_that_does_not_fit_its_word_is_refused(layout: TcbLayout, tcb: Tcb) -> None:
    with pytest.raises(PeerError):
        tcb.encode(layout, "tcb")


def test_numbers_that_do_not_fit_are_refused() -> None:
    found = report()
    for change in (
        {"policy": 1 << 64},
        {"current": Release(256, 0, 0)},
        {"cpuid_mod_id": 0xFF},
        {"cpuid_fam_id": None},
    ):
        with pytest.raises(PeerError):
            msgspec.structs.replace(found, **change).encode()


def test_version_2_tells_its_tcb_order_by_the_chip_id() -> None:
    short = bytes(range(1, 9)).ljust(64, b"\0")
    assert tcb_layout(2, None, None, short) is TcbLayout.TURIN
    assert tcb_layout(2, None, None, bytes(range(1, 65))) is TcbLayout.MILAN
    assert tcb_layout(2, None, None, bytes(64)) is TcbLayout.MILAN


def test_products_are_told_apart_by_family_and_model() -> None:
    assert by_model(0x19, 0xAF) is GENOA
    assert by_model(0x19, 0x01) is MILAN
    assert by_model(0x1A, 0x11) is TURIN
    for family, model in ((0x19, 0x20), (0x19, 0xB0), (0x1A, 0x12), (0x1A, 0x58), (0x17, 0x31)):
        assert by_model(family, model) is None
    for product in PRODUCTS:
        assert by_name(f"{product.name}-B0") is product
    assert by_name("Rome") is None


def test_report_is_written_as_it_was_read() -> None:
    raw = simulate(version="5", launch_mit_vector="0xffffffffffffffff").binary
    assert raw is not None
    assert Report.parse(raw).encode() == raw


def test_firmware_versions_are_read_backwards() -> None:
    found = report(current="08370200", committed="08370100")
    assert found.current == Release(2, 55, 8)
    assert str(found.committed) == "1.55.8"
    assert found.committed < found.current
    with pytest.raises(PeerError):
        report(current="08370101")
