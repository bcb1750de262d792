import struct
from itertools import accumulate, pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from casemate.errors import PeerError
from casemate.tee.dcap import bodies
from casemate.tee.dcap.bodies import SGX_REPORT, TD_REPORT, TD_REPORT_15, SgxReport, TdReport
from casemate.tee.dcap.quote import (
    INTEL_QE,
    LARGEST,
    BodyType,
    Header,
    Quote,
    SignatureData,
    TeeType,
)
from tests.sim.dcap import simulated
from tests.vectors import vector

FORMS = {
    "sgx v3": ("sgx", {}),
    "td 1.0 v4": ("tdx", {"version": "4"}),
    "td 1.0 v5": ("tdx", {"td": "1.0"}),
    "td 1.5 v5": ("tdx", {}),
}


def quote_of(form: str) -> bytes:
    tee, fields = FORMS[form]
    binary = simulated(tee, **fields).binary
    assert binary is not None
    return binary


@pytest.mark.parametrize("form", FORMS)
def test_what_is_parsed_is_written_again(form: str) -> None:
    raw = quote_of(form)
    quote = Quote.parse(raw)
    assert quote.encode() == raw
    assert quote.size == len(raw)
    assert quote.tail == 0


@pytest.mark.parametrize(
    ("folder", "name", "version", "kind", "tail"),
    [
        ("sgx", "occlum_quote.dat", 3, BodyType.SGX, 0),
        ("sgx", "qvl_sgx_quote.dat", 3, BodyType.SGX, 0),
        ("tdx", "tdx_quote_4.dat", 4, BodyType.TD_10, 0),
        ("tdx", "tdx_quote_6.dat", 4, BodyType.TD_10, 70),
        ("tdx", "gtdx_quote_v5_sample.dat", 5, BodyType.TD_15, 0),
        ("tdx", "gtdx_prod_quote_SPR_E4.dat", 4, BodyType.TD_10, 39),
        ("tdx", "gtdx_cos_113_quote.dat", 4, BodyType.TD_10, 3065),
        ("tdx", "qvl_tdx_quote.dat", 4, BodyType.TD_10, 70),
        ("tdx", "qvl_tdx_quote_outdated.dat", 5, BodyType.TD_15, 0),
    ],
)
def test_real_quotes_are_read_to_their_end(
    folder: str, name: str, version: int, kind: BodyType, tail: int
) -> None:
    raw = vector(folder, name).read_bytes()
    quote = Quote.parse(raw)
    assert (quote.version, quote.body_type, quote.tail) == (version, kind, tail)
    assert quote.encode() == raw[: quote.size]


def test_a_tail_is_counted_and_not_read() -> None:
    raw = quote_of("td 1.5 v5")
    quote = Quote.parse(raw + bytes(70))
    assert quote.tail == 70
    assert quote.encode() == raw


def test_tables_are_as_long_as_the_bodies_and_in_the_types_order() -> None:
    assert [record.size for record in (SGX_REPORT, TD_REPORT, TD_REPORT_15)] == [384, 584, 648]
    for kind, record in ((SgxReport, SGX_REPORT), (TdReport, TD_REPORT_15)):
        fields = [one.name for one in msgspec.structs.fields(kind)]
        assert fields == [name.replace(".", "_") for name in record.names]


def test_fields_lie_where_the_fact_sheet_says() -> None:
    td = dict(zip(TD_REPORT_15.names, TD_REPORT_15.offsets, strict=True))
    wanted = {"mr_seam": 16, "td_attributes": 120, "mr_td": 136, "rtmr_0": 328, "report_data": 520}
    assert {name: td[name] for name in wanted} == wanted
    sgx = dict(zip(SGX_REPORT.names, SGX_REPORT.offsets, strict=True))
    wanted = {"attributes.flags": 48, "mr_enclave": 64, "config_id": 192, "report_data": 320}
    assert {name: sgx[name] for name in wanted} == wanted


@pytest.mark.parametrize("form", FORMS)
def test_a_quote_cut_at_any_length_is_refused(form: str) -> None:
    raw = quote_of(form)
    for size in range(len(raw)):
        with pytest.raises(PeerError):
            Quote.parse(raw[:size])


def lengths_in(raw: bytes) -> list[tuple[int, int]]:
    """Offset and size of every length field of a quote."""
    quote = Quote.parse(raw)
    at = len(quote.signed)
    found = [(50, 4)] if quote.version == 5 else []
    sizes = [(at, 4)]
    at += 4 + 64 + 64
    if quote.version != 3:
        sizes.append((at + 2, 4))
        at += 6
    at += 384 + 64
    sizes += [(at, 2), (at + 2 + len(quote.signature_data.auth_data) + 2, 4)]
    return found + sizes


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("tail", [b"", bytes(70)])
def test_every_length_field_that_is_wrong_is_refused(form: str, tail: bytes) -> None:
    raw = quote_of(form) + tail
    for at, size in lengths_in(raw):
        right = int.from_bytes(raw[at : at + size], "little")
        for wrong in (0, right - 1, right + 1, 256**size - 1):
            changed = raw[:at] + wrong.to_bytes(size, "little") + raw[at + size :]
            with pytest.raises(PeerError):
                Quote.parse(changed)


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"version": "2"}, "quote version"),
        ({"version": "6"}, "quote version"),
        ({"att_key_type": "3"}, "attestation key type"),
        ({"tee_type": "0x82"}, "TEE type"),
        ({"vendor_id": "00" * 16}, "QE vendor id"),
        ({"body_type": "1"}, "body type"),
        ({"body_type": "4"}, "body type"),
        ({"body_type": "2"}, "body size"),
        ({"body_size": "647"}, "body size"),
        ({"qe_certification": "5"}, "certification data type"),
        *(({"certification": str(kind)}, "certification data type") for kind in (0, 1, 2, 3, 4, 6)),
    ],
)
def test_other_kinds_are_refused(fields: dict[str, str], where: str) -> None:
    binary = simulated("tdx", **fields).binary
    assert binary is not None
    with pytest.raises(PeerError) as caught:
        Quote.parse(binary)
    assert caught.value.where == where


def test_version_3_has_no_tee_type() -> None:
    binary = simulated("sgx", tee_type="0x81").binary
    assert binary is not None
    with pytest.raises(PeerError):
        Quote.parse(binary)


def test_version_4_with_tee_type_0_is_no_td() -> None:
    raw = vector("tdx", "tdx_quote_4.dat").read_bytes()
    with pytest.raises(PeerError):
        Quote.parse(raw[:4] + bytes(4) + raw[8:])


def test_an_enclave_may_be_quoted_in_version_4_and_5() -> None:
    made = simulated("sgx").binary
    assert made is not None
    quote = Quote.parse(made)
    for version in (4, 5):
        header = msgspec.structs.replace(quote.header, version=version)
        again = Quote.parse(msgspec.structs.replace(quote, header=header).encode())
        assert again.body == quote.body
        assert again.body_type is BodyType.SGX


def test_a_body_of_another_size_is_none() -> None:
    with pytest.raises(PeerError):
        TdReport.parse(bytes(585))
    with pytest.raises(PeerError):
        SgxReport.parse(bytes(383))
    with pytest.raises(PeerError):
        TD_REPORT.split(bytes(583))
    assert TdReport.parse(bytes(648)).tee_tcb_svn2 == bytes(16)
    assert bodies.TdReport.parse(bytes(584)).tee_tcb_svn2 is None


def test_too_much_is_not_looked_at() -> None:
    with pytest.raises(PeerError):
        Quote.parse(quote_of("sgx v3") + bytes(LARGEST))
    huge = SignatureData(
        signature=bytes(64),
        attestation_key=bytes(64),
        qe_report=bytes(384),
        qe_signature=bytes(64),
        auth_data=b"",
        certificates=bytes(64 * 1024 + 1),
    )
    quote = msgspec.structs.replace(Quote.parse(quote_of("td 1.5 v5")), signature_data=huge)
    with pytest.raises(PeerError):
        Quote.parse(quote.encode())


@given(st.binary(max_size=2000))
def test_any_bytes_raise_only_our_error(raw: bytes) -> None:
    head = Header(4, 2, TeeType.TDX, bytes(4), INTEL_QE, bytes(20)).encode()
    for candidate in (raw, head + raw, head + bytes(584) + struct.pack("<I", len(raw)) + raw):
        try:
            Quote.parse(candidate)
        except PeerError:
            continue


_PARTS = [64, 64, 384, 64]


@given(
    st.binary(min_size=sum(_PARTS), max_size=sum(_PARTS)),
    st.binary(max_size=40),
    st.binary(max_size=300),
    st.sampled_from([3, 4, 5]),
)
def test_whatever_is_written_is_read_back(
    fixed: bytes, auth_data: bytes, certificates: bytes, version: int
) -> None:
    cuts = list(accumulate(_PARTS, initial=0))
    signature, key, report, qe_signature = (fixed[begin:end] for begin, end in pairwise(cuts))
    data = SignatureData(
        signature=signature,
        attestation_key=key,
        qe_report=report,
        qe_signature=qe_signature,
        auth_data=auth_data,
        certificates=certificates,
    )
    sgx = version == 3
    body = SgxReport.parse(fixed[:384]) if sgx else TdReport.parse(fixed[:520].ljust(584, b"\1"))
    tee = TeeType.SGX if sgx else TeeType.TDX
    header = Header(version, 2, tee, fixed[:4], INTEL_QE, fixed[:20])
    quote = Quote(
        header=header,
        body_type=BodyType.SGX if sgx else BodyType.TD_10,
        body=body,
        signature_data=data,
        signed=b"",
    )
    raw = quote.encode()
    again = Quote.parse(raw)
    assert again == msgspec.structs.replace(quote, signed=again.signed)
    assert again.encode() == raw
