from contextlib import suppress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from casemate.crypto.keys import PublicKey
from casemate.errors import CasemateError, HostError, PeerError
from casemate.wire import tpm_command as commands
from casemate.wire.tpm import ALG_SHA256, ALL_PCRS, PcrSelection, Quote, RsaPublic, Signature
from tests.vectors import vector

SELECTIONS = st.lists(
    st.builds(PcrSelection, st.integers(0, 0xFFFF), st.binary(max_size=4)), max_size=4
).map(tuple)
QUOTES = st.builds(
    Quote,
    qualified_signer=st.binary(max_size=70),
    extra_data=st.binary(max_size=64),
    clock=st.integers(0, 2**64 - 1),
    reset_count=st.integers(0, 2**32 - 1),
    restart_count=st.integers(0, 2**32 - 1),
    safe=st.booleans(),
    firmware_version=st.integers(0, 2**64 - 1),
    selections=SELECTIONS,
    pcr_digest=st.binary(max_size=64),
)
PUBLICS = st.builds(
    RsaPublic,
    attributes=st.integers(0, 2**32 - 1),
    key_bits=st.sampled_from([2048, 3072, 4096]),
    exponent=st.sampled_from([3, 65537]),
    modulus=st.binary(max_size=512),
    policy=st.binary(max_size=32),
)


@given(QUOTES)
def test_quote_survives_the_wire(quote: Quote) -> None:
    assert Quote.parse(quote.encode()) == quote


@given(st.binary(max_size=300))
def test_signature_survives_the_wire(raw: bytes) -> None:
    assert Signature.parse(Signature(raw).encode()) == Signature(raw)


@given(PUBLICS)
def test_public_key_survives_the_wire(public: RsaPublic) -> None:
    assert RsaPublic.parse(public.encode()) == public


@given(st.binary(max_size=300))
def test_any_bytes_at_all_raise_only_our_error(data: bytes) -> None:
    for parse in (Quote.parse, Signature.parse, RsaPublic.parse):
        with suppress(PeerError):
            parse(data)


@given(QUOTES, st.data())
def test_quote_cut_anywhere_is_refused(quote: Quote, data: st.DataObject) -> None:
    raw = quote.encode()
    with pytest.raises(PeerError):
        Quote.parse(raw[: data.draw(st.integers(0, len(raw) - 1))])


@given(QUOTES, st.binary(min_size=1, max_size=8))
def test_quote_with_bytes_left_over_is_refused(quote: Quote, tail: bytes) -> None:
    with pytest.raises(PeerError, match="left over"):
        Quote.parse(quote.encode() + tail)


@given(st.binary(max_size=200))
def test_any_answer_at_all_raises_only_our_errors(data: bytes) -> None:
    with suppress(CasemateError):
        commands.parse_quote(commands.parse_response(commands.quote(1, b""), data))
    with suppress(CasemateError):
        commands.parse_pcr_read(commands.parse_response(commands.pcr_read(ALL_PCRS), data))
    with suppress(CasemateError):
        commands.parse_read_public(commands.parse_response(commands.read_public(1), data))
    with suppress(CasemateError):
        commands.parse_nv_public(commands.parse_response(commands.nv_read_public(1), data))


def test_refusal_of_the_tpm_names_its_code() -> None:
    with pytest.raises(HostError, match="0x922"):
        commands.parse_response(commands.startup(), bytes.fromhex("80010000000a00000922"))


def test_bitmap_of_more_than_four_bytes_is_refused() -> None:
    quote = Quote(
        qualified_signer=b"",
        extra_data=b"",
        selections=(PcrSelection(ALG_SHA256, bytes(5)),),
        pcr_digest=b"",
    )
    with pytest.raises(PeerError, match="bitmap"):
        Quote.parse(quote.encode())


def test_selection_names_its_registers() -> None:
    assert PcrSelection.of((0, 8, 23)).indices == (0, 8, 23)
    assert ALL_PCRS.indices == tuple(range(24))


def test_real_quote_is_read() -> None:
    raw = msgspec.json.decode(vector("tpm", "tpm_evidence.json").read_bytes())
    quote = Quote.parse(msgspec.convert(raw["tpm_quote"]["message"], bytes))
    assert quote.selections == (ALL_PCRS,)
    assert quote.extra_data.hex().startswith("a04182b5")
    signature = Signature.parse(msgspec.convert(raw["tpm_quote"]["signature"], bytes))
    assert len(signature.signature) == 256


def test_subject_public_key_info_is_what_a_library_reads() -> None:
    modulus = b"\xc5" + bytes(254) + b"\x0d"
    key = PublicKey.from_der(RsaPublic(modulus=modulus).spki())
    assert key.der() == RsaPublic(modulus=modulus).spki()
