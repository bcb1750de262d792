import struct
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casemate.errors import PeerError
from casemate.tee.snp import certificate_table
from casemate.tee.snp.certificate_table import GUIDS
from casemate.tee.snp.evidence import OtherKind

KINDS = st.one_of(
    st.sampled_from(sorted(GUIDS)),
    st.uuids(allow_nil=False).map(lambda one: OtherKind(str(one))),
)


@given(st.lists(st.tuples(KINDS, st.binary(max_size=50)), max_size=10))
def test_table_reads_as_it_was_written(pieces: list[tuple[object, bytes]]) -> None:
    raw = certificate_table.encode(pieces)  # type: ignore[arg-type]
    found = [(one.cert_type, one.der()) for one in certificate_table.parse(raw)]
    assert found == pieces


def test_guids_are_in_the_order_they_are_written() -> None:
    raw = certificate_table.encode([("VCEK", b"abc")])
    assert raw[:16].hex() == "63da758de6644564adc5f4b93be8accd"
    assert raw[:16] == UUID("63da758d-e664-4564-adc5-f4b93be8accd").bytes
    assert struct.unpack_from("<II", raw, 16) == (48, 3)
    assert raw[24:48] == bytes(24)
    assert raw[48:] == b"abc"


def test_page_behind_the_pieces_is_passed_over() -> None:
    raw = certificate_table.encode([("VLEK", b"abc")]).ljust(4096, b"\0")
    (found,) = certificate_table.parse(raw)
    assert (found.cert_type, found.der()) == ("VLEK", b"abc")


def test_empty_table_holds_nothing() -> None:
    assert certificate_table.parse(bytes(24)) == ()
    assert certificate_table.parse(bytes(4096)) == ()


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        bytes(23),
        GUIDS["ARK"] + bytes(8),
        GUIDS["ARK"] + struct.pack("<II", 48, 1) + bytes(24),
        GUIDS["ARK"] + struct.pack("<II", 0xFFFFFFFF, 0xFFFFFFFF) + bytes(24),
        (GUIDS["ARK"] + bytes(8)) * 65 + bytes(24),
        bytes(certificate_table.LARGEST + 1),
    ],
    ids=["empty", "short", "open", "outside", "far outside", "many", "large"],
)
def test_broken_table_is_refused(raw: bytes) -> None:
    with pytest.raises(PeerError):
        certificate_table.parse(raw)


@pytest.mark.parametrize(
    "name", ["", "VCEK", "63da758d", "63da758de6644564adc5f4b93be8accd", "z" * 36, "-" * 36]
)
def test_kind_that_is_no_guid_as_people_write_it_is_refused(name: str) -> None:
    with pytest.raises(PeerError, match="want a GUID"):
        certificate_table.encode([(OtherKind(name), b"abc")])
