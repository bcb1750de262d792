import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casemate.errors import PeerError
from casemate.tee.dcap.status import NEEDS, Need, TcbStatus, combine
from casemate.tee.dcap.tcb_info import (
    masked_equal,
    parse_qe_identity,
    parse_tcb_info,
    reaches,
)
from tests.vectors import vector

S = TcbStatus


def test_combining_is_defined_for_all_and_does_not_depend_on_order() -> None:
    for one, other in itertools.product(S, S):
        assert combine(one, other) is combine(other, one)
        assert combine(one, one) is one
        assert combine(S.REVOKED, one) is S.REVOKED
        assert combine(S.UP_TO_DATE, one) is one


@pytest.mark.parametrize(
    ("parts", "whole"),
    [
        ((S.SW_HARDENING, S.CONFIGURATION), S.CONFIGURATION_AND_SW_HARDENING),
        ((S.OUT_OF_DATE, S.SW_HARDENING), S.OUT_OF_DATE),
        ((S.OUT_OF_DATE, S.CONFIGURATION_AND_SW_HARDENING), S.OUT_OF_DATE_CONFIGURATION),
        ((S.RELAUNCH_ADVISED, S.CONFIGURATION), S.RELAUNCH_ADVISED_CONFIGURATION),
        ((S.RELAUNCH_ADVISED, S.SW_HARDENING), S.RELAUNCH_ADVISED),
        ((S.RELAUNCH_ADVISED, S.OUT_OF_DATE), S.OUT_OF_DATE),
    ],
)
def test_needs_add_up(parts: tuple[TcbStatus, ...], whole: TcbStatus) -> None:
    assert combine(*parts) is whole


def test_every_status_is_a_set_of_needs_of_its_own() -> None:
    assert len(set(NEEDS.values())) == len(S)
    assert Need.NOTHING in NEEDS.values()


def test_versions_are_compared_part_by_part() -> None:
    assert reaches((2, 2), (2, 1))
    assert not reaches((9, 0), (1, 1))
    assert masked_equal(b"\x15\xff", "1100", "fb00")
    assert not masked_equal(b"\x13\xff", "1100", "fb00")


def test_real_documents_are_read() -> None:
    raw = vector("tdx", "tcbInfo.json").read_bytes()
    text = raw[len(b'{"tcbInfo":') : raw.rindex(b',"signature"')]
    found = parse_tcb_info(text)
    assert (found.id, found.fmspc, found.tcb_evaluation_data_number) == ("TDX", "00A06D080000", 17)
    assert found.module_identity(3) is not None
    assert found.module_identity(9) is None
    with pytest.raises(PeerError):
        parse_qe_identity(text)


@given(st.binary(max_size=200))
def test_any_bytes_raise_only_our_error(raw: bytes) -> None:
    for parse in (parse_tcb_info, parse_qe_identity):
        with pytest.raises(PeerError):
            parse(raw)


@pytest.mark.parametrize("depth", [10_000, 1_000_000])
def test_deep_nesting_is_refused(depth: int) -> None:
    with pytest.raises(PeerError):
        parse_tcb_info(b'{"id":' + b"[" * depth)
