import hashlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from casemate.errors import PeerError
from casemate.tee.tdx.tdreport import TDREPORT, TdxReport
from tests.vectors import vector


def made(**changes: bytes) -> bytes:
    zeros = TdxReport(*(bytes(part.size) for part in TDREPORT.parts))
    report = msgspec.structs.replace(zeros, type=b"\x81\0\0\0", **changes)
    info = hashlib.sha384(report.encode()[512:]).digest()
    module = hashlib.sha384(report.tee_tcb_info).digest()
    return msgspec.structs.replace(report, tee_info_hash=info, tee_tcb_info_hash=module).encode()


def test_report_of_a_real_td() -> None:
    raw = vector("tdx", "tdx_report_1.bin").read_bytes()
    report = TdxReport.parse(raw)
    assert report.rtmr_0.hex().startswith("f4ec1a04")
    assert report.rtmr_1.hex().startswith("4e5f8826")
    assert report.rtmrs[2] == report.rtmr_2
    assert report.encode() == raw


def test_report_inside_azures_is_read() -> None:
    raw = vector("az-tdx-vtpm", "act-hcl-report-tdx.bin").read_bytes()[32:1056]
    assert TdxReport.parse(raw).report_data.hex().startswith("e8f0796193ba21d6")


def test_table_is_in_the_types_order_and_as_long() -> None:
    assert TDREPORT.size == 1024
    assert [one.name for one in msgspec.structs.fields(TdxReport)] == list(TDREPORT.names)


@pytest.mark.parametrize("size", [0, 1023, 1025])
def test_other_sizes_are_refused(size: int) -> None:
    with pytest.raises(PeerError):
        TdxReport.parse(made().ljust(size, b"\0")[:size])


@pytest.mark.parametrize("at", [0, 40, 90, 256, 494, 512, 1023])
def test_changed_reports_are_refused(at: int) -> None:
    raw = made(mr_td=b"\1" * 48)
    assert TdxReport.parse(raw).mr_td == b"\1" * 48
    with pytest.raises(PeerError):
        TdxReport.parse(raw[:at] + bytes((raw[at] ^ 1,)) + raw[at + 1 :])


@given(st.binary(max_size=1100))
def test_any_bytes_raise_only_our_error(raw: bytes) -> None:
    with pytest.raises(PeerError):
        TdxReport.parse(raw)
