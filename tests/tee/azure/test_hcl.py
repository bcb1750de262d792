import hashlib
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casemate.crypto.jwk import RsaJwk
from casemate.errors import PeerError
from casemate.tee.azure.hcl import LAYOUT, VARIABLE_OFFSET, HclReport, Kind
from casemate.tee.azure.variable_data import VariableData
from casemate.tee.tdx.tdreport import TdxReport
from tests.vectors import vector

REPORTS = st.builds(
    HclReport,
    version=st.sampled_from([1, 2]),
    kind=st.sampled_from(Kind),
    hardware_report=st.binary(min_size=1184, max_size=1184),
    variable_data=st.binary(max_size=3000),
)
ONE = HclReport(kind=Kind.SNP, hardware_report=bytes(1184), variable_data=b"{}")
SIZES = [part for part in LAYOUT if part.name.endswith("_size")]


@given(REPORTS, st.integers(0, 5000))
def test_report_survives_the_wire(report: HclReport, size: int) -> None:
    assert HclReport.parse(report.encode(size)) == report


@given(st.binary(max_size=2600))
def test_any_bytes_at_all_raise_only_our_error(raw: bytes) -> None:
    for parse in (HclReport.parse, VariableData.parse):
        with suppress(PeerError):
            parse(raw)
    with suppress(PeerError):
        HclReport.parse(b"HCLA" + raw)


@pytest.mark.parametrize("size", [*range(0, 1300, 13), 1235, 1236, 1237])
def test_cut_report_is_refused(size: int) -> None:
    raw = ONE.encode(0)
    if size < len(raw):
        with pytest.raises(PeerError):
            HclReport.parse(raw[:size])


@pytest.mark.parametrize("part", SIZES)
@pytest.mark.parametrize("change", [-(1 << 40), -1, 1, 1 << 40])
def test_length_that_does_not_fit_is_refused(part: object, change: int) -> None:
    place = next(one for one in LAYOUT if one is part)
    raw = bytearray(ONE.encode())
    found = int.from_bytes(raw[place.offset : place.offset + 4], "little")
    value = min(max(found + change, 0), 0xFFFF_FFFF)
    raw[place.offset : place.offset + 4] = value.to_bytes(4, "little")
    with pytest.raises(PeerError, match="size"):
        HclReport.parse(bytes(raw))


def test_report_of_more_than_64_kib_is_refused() -> None:
    with pytest.raises(PeerError, match="size"):
        HclReport.parse(ONE.encode(65537))


def test_rows_of_the_layout_leave_no_gap() -> None:
    assert [part.offset for part in LAYOUT[1:]] == [p.offset + p.size for p in LAYOUT[:-1]]
    assert LAYOUT[-1].offset + LAYOUT[-1].size == VARIABLE_OFFSET


def test_real_report_of_tdx_is_read() -> None:
    raw = vector("az-tdx-vtpm", "act-hcl-report-tdx.bin").read_bytes()
    report = HclReport.parse(raw)
    assert (report.version, report.kind) == (2, Kind.TDX)
    assert report.encode() == raw
    assert len(report.variable_data) == 1202
    digest = hashlib.sha256(report.variable_data).digest()
    assert digest.hex().startswith("e8f0796193ba21d6")
    td_report = TdxReport.parse(report.hardware_report[:1024])
    assert td_report.report_data == report.binding == digest + bytes(32)
    data = VariableData.parse(report.variable_data)
    assert [key.kid for key in data.keys] == ["HCLAkPub", "HCLEkPub"]
    assert isinstance(data.attestation_key, RsaJwk)
    assert data.user_bytes == bytes(64)
    assert data.vm_configuration["root-cert-thumbprint"].startswith("6nZZ")


def test_old_report_has_no_user_data() -> None:
    raw = vector("az-snp-vtpm", "act-hcl-report-snp.bin").read_bytes()
    data = VariableData.parse(HclReport.parse(raw).variable_data)
    assert len(data.keys) == 1
    with pytest.raises(PeerError, match="user-data"):
        _ = data.user_bytes


@pytest.mark.parametrize(
    "text", ["", "00", "0x" + "00" * 63, "zz" * 64, "00" * 65, " " + "0" * 127]
)
def test_user_data_is_128_hex_digits(text: str) -> None:
    with pytest.raises(PeerError, match="user-data"):
        _ = VariableData(keys=(), vm_configuration={}, user_data=text).user_bytes
