"""Evidence that is broken in every way there is: only our refusals, in bounded time and memory."""

import base64
from collections.abc import Callable
from functools import cache
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casemate.errors import VerificationError
from casemate.tee.az_snp_vtpm import report as snp
from casemate.tee.az_tdx_vtpm import report as tdx
from casemate.tee.azure.evidence import Presented
from casemate.tee.evidence import Expectation, Inputs
from casemate.tee.simulation import Simulated
from casemate.tee.tdx.verifier import parse_quote
from casemate.tee.verifiers import verify
from tests.tee.azure.simulated import NOW, inputs, make

REPORTS: dict[str, tuple[Callable[[bytes], Presented], Callable[[Presented], bytes]]] = {
    "az-snp-vtpm": (snp.parse, snp.encode),
    "az-tdx-vtpm": (tdx.parse, tdx.encode),
}
TEES = pytest.mark.parametrize("tee", REPORTS)
QUICK = settings(max_examples=60, deadline=None)


@cache
def right(tee: str) -> Simulated:
    return make(tee, {})


def presented(tee: str) -> Presented:
    return REPORTS[tee][0](right(tee).evidence)


def refused(tee: str, raw: bytes, report_data: bytes | None = None) -> str:
    made = right(tee)
    expected = Expectation(report_data=made.report_data if report_data is None else report_data)
    with pytest.raises(VerificationError) as caught:
        verify(tee, raw, expected, inputs(made))
    return caught.value.refusal.step


def with_bytes(tee: str, member: str, data: bytes) -> bytes:
    return REPORTS[tee][1](msgspec.structs.replace(presented(tee), **{member: data}))


@TEES
@pytest.mark.parametrize("member", ["message", "signature", "hcl_report", "endorsement"])
@given(data=st.data())
@QUICK
def test_one_bit_flipped_anywhere_is_refused(tee: str, member: str, data: st.DataObject) -> None:
    raw = bytearray(getattr(presented(tee), member))
    last = len(raw)
    if member == "hcl_report":
        last = 1236 + int.from_bytes(raw[1232:1236], "little")
    if member == "endorsement" and tee == "az-tdx-vtpm":
        last = len(parse_quote(bytes(raw))[0].signed) + 4 + 64 + 64 + 6 + 384 + 64  # then PEM
    at = data.draw(st.integers(0, last - 1))
    if member == "hcl_report" and tee == "az-tdx-vtpm" and _is_unread(at - 32):
        at = 32
    raw[at] ^= 1 << data.draw(st.integers(0, 7))
    if member == "hcl_report" and bytes(raw[4:8]) == b"\x01\0\0\0":
        return  # the report's version is unsigned, and may be 1 or 2
    refused(tee, with_bytes(tee, member, bytes(raw)))


def _is_unread(at: int) -> bool:
    """TDREPORT: reserved bytes, CPU's versions and MAC, which only its CPU can check."""
    return 1 <= at < 32 or 192 <= at < 256 or 495 <= at < 512 or 1024 <= at < 1184


@TEES
@pytest.mark.parametrize("member", ["message", "signature", "hcl_report", "endorsement"])
def test_bytes_cut_at_any_length_are_refused(tee: str, member: str) -> None:
    raw = getattr(presented(tee), member)
    end = len(raw)
    if member == "hcl_report":
        end = 1236 + int.from_bytes(raw[1232:1236], "little")
    if member == "endorsement" and tee == "az-tdx-vtpm":
        end -= 70
    for size in {*range(0, end, 37), end - 1}:
        refused(tee, with_bytes(tee, member, raw[:size]))


@TEES
@pytest.mark.parametrize("at", [8, 1216, 1232])
@pytest.mark.parametrize("value", ["zero", "less", "more", "most"])
def test_length_that_does_not_fit_is_refused(tee: str, at: int, value: str) -> None:
    raw = bytearray(presented(tee).hcl_report)
    found = int.from_bytes(raw[at : at + 4], "little")
    number = {"zero": 0, "less": found - 1, "more": found + 1, "most": 0xFFFF_FFFF}[value]
    raw[at : at + 4] = number.to_bytes(4, "little")
    assert refused(tee, with_bytes(tee, "hcl_report", bytes(raw))).endswith("3 hcl report")


@TEES
@pytest.mark.parametrize("at", [6, 42, 127])
@pytest.mark.parametrize("value", [0, 1, 0xFFFF])
def test_length_in_the_quote_that_does_not_fit_is_refused(tee: str, at: int, value: int) -> None:
    raw = bytearray(presented(tee).message)
    raw[at : at + 2] = value.to_bytes(2, "big")
    refused(tee, with_bytes(tee, "message", bytes(raw)))


@TEES
def test_missing_member_is_refused(tee: str) -> None:
    found = msgspec.json.decode(right(tee).evidence)
    for name in found:
        left = {key: value for key, value in found.items() if key != name}
        assert refused(tee, msgspec.json.encode(left)).endswith("1 shape")
    for name in found["tpm_quote"]:
        left = {key: value for key, value in found["tpm_quote"].items() if key != name}
        assert refused(tee, msgspec.json.encode(found | {"tpm_quote": left})).endswith("1 shape")


@TEES
@pytest.mark.parametrize("value", [None, 1, True, [], {}, [1], "+/==", "AB=", "é", "zz", -1, 2.5])
def test_mistyped_member_is_refused(tee: str, value: Any) -> None:
    found = msgspec.json.decode(right(tee).evidence)
    for name in found:
        if name != "version":
            refused(tee, msgspec.json.encode(found | {name: value}))
    for name in found["tpm_quote"]:
        quote = found["tpm_quote"] | {name: value}
        refused(tee, msgspec.json.encode(found | {"tpm_quote": quote}))


@TEES
def test_unknown_member_is_refused(tee: str) -> None:
    found = msgspec.json.decode(right(tee).evidence)
    assert refused(tee, msgspec.json.encode(found | {"more": 1})).endswith("1 shape")


@TEES
@pytest.mark.parametrize("numbers", [[256], [-1], [1.5], [None], ["1"], [[]]])
def test_lists_of_version_0_hold_bytes_alone(tee: str, numbers: list[Any]) -> None:
    old = msgspec.json.decode(REPORTS[tee][1](msgspec.structs.replace(presented(tee), version=0)))
    quote = "quote" if tee == "az-snp-vtpm" else "tpm_quote"
    for name in ("signature", "message", "pcrs"):
        wrong = old | {quote: old[quote] | {name: numbers}}
        if name != "pcrs" or numbers != [[]]:  # which is a list of lists of bytes
            assert refused(tee, msgspec.json.encode(wrong)).endswith("1 shape")


@TEES
@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\0",
        b"{}",
        b"null",
        b"[" * 10_000,
        b'{"version":' * 10_000,
        b'{"version":2,"tpm_quote":' + b"[" * 10_000,
        b"\xff\xfe",
        b'{"version":2}',
    ],
)
def test_other_json_is_refused(tee: str, raw: bytes) -> None:
    assert refused(tee, raw).endswith("1 shape")


@TEES
def test_64_mib_of_zeros_are_refused(tee: str) -> None:
    assert refused(tee, bytes(64 << 20)).endswith("1 shape")


@TEES
@pytest.mark.parametrize("raw", [b"HCLA", b"HCLA" + bytes(3000), bytes(1184), b"\xffTCG"])
def test_binary_forms_are_no_evidence(tee: str, raw: bytes) -> None:
    assert refused(tee, raw).endswith("1 shape")


@TEES
@pytest.mark.parametrize("size", [0, 1, 31, 32, 47, 49, 63, 64, 65, 4096])
def test_report_data_of_another_length_is_refused(tee: str, size: int) -> None:
    data = right(tee).report_data.ljust(size, b"\0")[:size]
    assert refused(tee, right(tee).evidence, data).endswith("9 nonce")


@TEES
def test_standard_alphabet_of_base64_is_refused(tee: str) -> None:
    found = msgspec.json.decode(right(tee).evidence)
    data = presented(tee).hcl_report[:1236] + b"\xfb\xff\xfe" * 100
    wrong = found | {"hcl_report": base64.b64encode(data).decode()}
    assert refused(tee, msgspec.json.encode(wrong)).endswith("1 shape")


@TEES
@given(raw=st.binary(max_size=400))
@QUICK
def test_any_bytes_at_all_are_refused(tee: str, raw: bytes) -> None:
    with pytest.raises(VerificationError):
        verify(tee, raw, Expectation(report_data=b""), Inputs(now=NOW))
