"""Hygon's certificates: both forms, round trips, and what cannot be one."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from casemate.errors import PeerError
from casemate.tee.hygon.certificate import (
    CA_FORM,
    CA_SIGNED,
    CA_SIZE,
    CSV_FORM,
    CSV_SIGNED,
    CSV_SIZE,
    CaCertificate,
    CsvCertificate,
)
from casemate.tee.hygon.certificate_json import (
    CaJson,
    CsvJson,
    read_ca,
    read_csv,
    write_ca,
    write_csv,
)
from casemate.tee.hygon.chain import split
from tests.vectors import vector


def test_sizes_and_signed_parts_are_the_specifications() -> None:
    assert (CA_SIZE, CA_SIGNED) == (832, 576)
    assert (CSV_SIZE, CSV_SIGNED) == (2084, 1044)
    assert [CA_FORM.offsets[n] for n in ("kid", "sid", "usage", "curve", "x", "uid", "s")] == [
        4,
        20,
        36,
        64,
        68,
        214,
        648,
    ]
    assert [CSV_FORM.offsets[n] for n in ("usage", "x", "uid", "sid", "usage2", "s2")] == [
        8,
        20,
        166,
        420,
        1564,
        1644,
    ]


def test_vendors_certificates_survive_json() -> None:
    pair = split(vector("csv", "crs-hsk_cek.cert").read_bytes())
    hsk = msgspec.json.decode(msgspec.json.encode(write_ca(pair.hsk.raw)), type=CaJson)
    cek = msgspec.json.decode(msgspec.json.encode(write_csv(pair.cek.raw)), type=CsvJson)
    assert read_ca(hsk) == pair.hsk
    assert read_csv(cek) == pair.cek
    assert pair.hsk.uid == b"HYGON-SSD-HSK"
    assert pair.cek.sid == pair.hsk.kid


def test_json_has_upstreams_names() -> None:
    ca = msgspec.to_builtins(write_ca(bytes(CA_SIZE)))
    assert set(ca) == {"body", "signature", "_reserved"}
    assert set(ca["body"]) == {"preamble", "pubkey", "uid_size", "user_id", "reserved"}
    assert set(ca["body"]["preamble"]["data"]) == {"kid", "sid", "usage", "reserved"}
    csv = msgspec.to_builtins(write_csv(bytes(CSV_SIZE)))
    assert set(csv["sigs"][0]) == {"usage", "algo", "signature", "_reserved"}
    assert set(csv["body"]["data"]) == {
        "firmware",
        "reserved1",
        "pubkey",
        "uid_size",
        "user_id",
        "sid",
        "reserved2",
    }


@given(st.binary(min_size=CA_SIZE, max_size=CA_SIZE))
def test_any_authority_is_refused_or_survives(raw: bytes) -> None:
    try:
        found = CaCertificate.parse(raw)
    except PeerError:
        return
    assert read_ca(write_ca(raw)) == found
    assert CA_FORM.encode(CA_FORM.parse(raw)) == raw


@given(st.binary(min_size=CSV_SIZE, max_size=CSV_SIZE))
def test_any_certificate_is_refused_or_survives(raw: bytes) -> None:
    raw = raw[:164] + bytes([raw[164] % 255, 0]) + raw[166:]
    assert read_csv(write_csv(raw)).raw == raw


@pytest.mark.parametrize("size", [0, 1, CA_SIZE - 1, CA_SIZE + 1, CSV_SIZE - 1, CSV_SIZE + 1])
def test_other_sizes_are_refused(size: int) -> None:
    for kind in (CaCertificate, CsvCertificate):
        with pytest.raises(PeerError):
            kind.parse(bytes(size))


@pytest.mark.parametrize("size", [255, 256, 0xFFFF])
def test_identity_longer_than_its_field_is_refused(size: int) -> None:
    with pytest.raises(PeerError):
        CaCertificate.parse(CA_FORM.encode({"uid_size": size}))
    with pytest.raises(PeerError):
        CsvCertificate.parse(CSV_FORM.encode({"uid_size": size}))


def test_layout_shows_every_byte() -> None:
    for form in (CA_FORM, CSV_FORM):
        fields = form.fields(bytes(form.size), 100)
        assert fields[0].offset == 100
        assert sum(field.size or 0 for field in fields) == form.size
