from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casemate.crypto import base64url
from casemate.errors import PeerError
from casemate.tee.az_snp_vtpm.report import encode as encode_snp
from casemate.tee.az_snp_vtpm.report import parse as parse_snp
from casemate.tee.az_tdx_vtpm.report import encode as encode_tdx
from casemate.tee.az_tdx_vtpm.report import parse as parse_tdx
from casemate.tee.azure.evidence import Presented, read_base64, read_hex, version_of
from casemate.tee.azure.metadata import parse_quote, parse_vcek

PRESENTED = st.builds(
    Presented,
    version=st.sampled_from([0, 1, 2]),
    signature=st.binary(max_size=64),
    message=st.binary(max_size=64),
    pcrs=st.lists(st.binary(max_size=33), max_size=25).map(tuple),
    hcl_report=st.binary(max_size=64),
    endorsement=st.binary(min_size=1, max_size=64),
)


@given(PRESENTED)
def test_evidence_survives_the_wire(presented: Presented) -> None:
    assert parse_snp(encode_snp(presented)) == presented
    assert parse_tdx(encode_tdx(presented)) == presented


@given(st.binary(max_size=300))
def test_any_bytes_at_all_raise_only_our_error(raw: bytes) -> None:
    for parse in (parse_snp, parse_tdx, parse_quote, parse_vcek):
        with suppress(PeerError):
            parse(raw)


@given(st.text(max_size=40))
def test_any_text_at_all_raises_only_our_error(text: str) -> None:
    with suppress(PeerError):
        read_base64(text, "here")
    with suppress(PeerError):
        read_hex(text, "here")


@given(st.binary(max_size=40))
def test_base64url_is_read_with_and_without_padding(data: bytes) -> None:
    bare = base64url.encode(data)
    assert read_base64(bare, "here") == data
    assert read_base64(bare + "=" * (-len(bare) % 4), "here") == data


@pytest.mark.parametrize(
    "text", ["=", "==", "====", "AA=", "A", "AAA==", "AA===", "AB==", "+/+/", "A A="]
)
def test_other_base64_is_refused(text: str) -> None:
    with pytest.raises(PeerError):
        read_base64(text, "here")


@pytest.mark.parametrize("text", ["0", "0x00", "zz", "00 00", " 00", "00\n", "\u0660\u0660"])
def test_other_hex_is_refused(text: str) -> None:
    with pytest.raises(PeerError):
        read_hex(text, "here")


@pytest.mark.parametrize("raw", [b"", b"[]", b"1", b'{"version":1.0e1}', b'{"version":null}'])
def test_version_of_something_else_is_refused(raw: bytes) -> None:
    with pytest.raises(PeerError):
        version_of(raw, "az-snp-vtpm")


@pytest.mark.parametrize("answer", [b"{}", b'{"quote":"+/"}', b'{"quote":1}', bytes(1 << 21)])
def test_nonsense_for_a_quote_is_the_services_mistake(answer: bytes) -> None:
    with pytest.raises(PeerError):
        parse_quote(answer)
