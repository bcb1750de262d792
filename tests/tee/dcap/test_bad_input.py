"""Whatever comes is refused by an error of ours, in bounded time and memory."""

import json
import tracemalloc
from base64 import b64encode, urlsafe_b64encode

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casemate.crypto import pem
from casemate.errors import VerificationError
from casemate.tee.dcap.quote import Quote
from casemate.tee.evidence import Expectation
from casemate.tee.simulation import Simulated
from casemate.tee.verifiers import verify
from tests.sim.dcap import evidence_around, expected_of, inputs_of, refusal, simulated
from tests.thorough import places

TEES = ("tdx", "sgx")
both = pytest.mark.parametrize("tee", TEES)
MADE = {tee: simulated(tee) for tee in TEES}
INPUTS = {tee: inputs_of(made) for tee, made in MADE.items()}


def quote_of(made: Simulated) -> bytes:
    assert made.binary is not None
    return made.binary


def refused(tee: str, evidence: bytes, made: Simulated | None = None) -> str:
    given = inputs_of(made) if made else INPUTS[tee]
    with pytest.raises(VerificationError) as caught:
        verify(tee, evidence, expected_of(made or MADE[tee]), given)
    return caught.value.refusal.step


def flipped(raw: bytes, at: int, bit: int = 0) -> bytes:
    return raw[:at] + bytes((raw[at] ^ 1 << bit,)) + raw[at + 1 :]


@both
def test_a_bit_flipped_anywhere_in_the_quote_is_refused(tee: str) -> None:
    raw = quote_of(MADE[tee])
    end = len(raw) - len(Quote.parse(raw).signature_data.certificates)
    for at in places(end):
        refused(tee, flipped(raw, at, at % 8))


@both
def test_a_bit_flipped_in_any_certificate_of_the_quote_is_refused(tee: str) -> None:
    quote = Quote.parse(quote_of(MADE[tee]))
    ders = pem.blocks(quote.signature_data.certificates)
    for index, der in enumerate(ders):
        for at in range(0, len(der), 7):
            changed = [*ders[:index], flipped(der, at, at % 8), *ders[index + 1 :]]
            assert refused(tee, with_chain(quote, changed)) == f"{tee}.2 pck chain"


def with_chain(quote: Quote, ders: list[bytes]) -> bytes:
    text = b"".join(pem.encode(der, "CERTIFICATE") for der in ders)
    data = msgspec.structs.replace(quote.signature_data, certificates=text)
    return msgspec.structs.replace(quote, signature_data=data).encode()


@both
@pytest.mark.parametrize("index", [0, 1, 2])
def test_certificate_replaced_by_a_self_made_one_of_the_same_name_is_refused(
    tee: str, index: int
) -> None:
    quote, other = Quote.parse(quote_of(MADE[tee])), Quote.parse(quote_of(simulated(tee)))
    ders = pem.blocks(quote.signature_data.certificates)
    ders[index] = pem.blocks(other.signature_data.certificates)[index]
    assert refused(tee, with_chain(quote, ders)) == f"{tee}.2 pck chain"


@both
@pytest.mark.parametrize(
    ("member", "step"),
    [
        ("tcb_info_signature", "collateral"),
        ("tcb_info_issuer_chain", "collateral"),
        ("qe_identity_signature", "collateral"),
        ("pck_crl", "revocation"),
        ("root_ca_crl", "revocation"),
    ],
)
def test_collateral_of_another_intel_is_refused(tee: str, member: str, step: str) -> None:
    own = json.loads(MADE[tee].collateral["collateral.json"])
    other = json.loads(simulated(tee).collateral["collateral.json"])
    members = own | {member: other[member]}
    if member == "tcb_info_issuer_chain":
        members |= {"qe_identity_issuer_chain": other[member]}
    changed = msgspec.structs.replace(
        MADE[tee], collateral={"c.json": json.dumps(members).encode()}
    )
    assert refused(tee, MADE[tee].evidence, changed).endswith(step)


@both
@pytest.mark.parametrize(
    ("member", "step"),
    [
        ("tcb_info", "collateral"),
        ("qe_identity", "collateral"),
        ("pck_crl", "revocation"),
        ("root_ca_crl", "revocation"),
    ],
)
def test_a_bit_flipped_in_any_signed_collateral_is_refused(
    tee: str, member: str, step: str
) -> None:
    members = json.loads(MADE[tee].collateral["collateral.json"])
    hexadecimal = member.endswith("crl")
    raw = bytes.fromhex(members[member]) if hexadecimal else members[member].encode()
    for at in range(0, len(raw), 11):
        changed = flipped(raw, at)
        text = changed.hex() if hexadecimal else changed.decode("utf-8", "replace")
        made = msgspec.structs.replace(
            MADE[tee], collateral={"c.json": json.dumps(members | {member: text}).encode()}
        )
        assert (
            refused(tee, made.evidence, made)
            == {
                "collateral": f"{tee}.3 collateral",
                "revocation": f"{tee}.4 revocation",
            }[step]
        )


@both
def test_quote_cut_at_any_length_is_refused(tee: str) -> None:
    raw = quote_of(MADE[tee])
    for size in range(0, len(raw), 3):
        assert refused(tee, raw[:size]) == f"{tee}.1 shape"


@both
@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b" ",
        b"{}",
        b"[]",
        b"null",
        b'"quote"',
        b'{"quote":null}',
        b'{"quote":1}',
        b'{"quote":[]}',
        b'{"quote":"!!!!"}',
        b'{"quote":"AAA"}',
        b'{"quote":""}',
        b'{"quote":"BAAC"}{}',
        b'{"quote":"BAAC","other":1}',
        b"\xff\xfe",
        b"\xef\xbb\xbf{}",
        b'{"quote":"\xff"}',
        b'{"quote":' * 10_000,
        b'{"quote":' + b"[" * 1_000_000,
        b"[" * 10_000,
        b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    ],
)
def test_json_of_another_shape_is_refused(tee: str, raw: bytes) -> None:
    assert refused(tee, raw) == f"{tee}.1 shape"


def test_log_of_another_type_is_refused() -> None:
    quote = b64encode(quote_of(MADE["tdx"]))
    for log in (b"1", b"[]", b'"!"', b'{"a":1}'):
        raw = b'{"cc_eventlog":' + log + b',"quote":"' + quote + b'"}'
        assert refused("tdx", raw) == "tdx.1 shape"


@both
def test_url_alphabet_of_base64_is_refused(tee: str) -> None:
    text = urlsafe_b64encode(quote_of(MADE[tee]))
    assert b"-" in text or b"_" in text
    assert refused(tee, b'{"quote":"' + text + b'"}') == f"{tee}.1 shape"


@both
def test_64_mib_of_zeros_are_refused_without_being_copied(tee: str) -> None:
    zeros = bytes(64 << 20)
    tracemalloc.start()
    try:
        for raw in (zeros, b"\x04\0" + zeros, b"{" + zeros):
            assert refused(tee, raw) == f"{tee}.1 shape"
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < len(zeros) * 2 + (8 << 20)  # the two longer ones are made here


@both
@pytest.mark.parametrize("data", [bytes(65), bytes(1000)])
def test_report_data_longer_than_any_field_is_refused(tee: str, data: bytes) -> None:
    assert "report data" in refusal(MADE[tee], INPUTS[tee], expected=Expectation(report_data=data))


@settings(max_examples=60)
@given(st.sampled_from(TEES), st.binary(min_size=1, max_size=400), st.integers(0, 1600))
def test_any_bytes_in_the_place_of_some_are_refused(tee: str, raw: bytes, at: int) -> None:
    good = quote_of(MADE[tee])
    changed = good[:at] + raw + good[at + len(raw) :]
    until = len(good) - len(Quote.parse(good).signature_data.certificates)
    if changed[:until] != good[:until]:
        refused(tee, changed)
        refused(tee, evidence_around(tee, changed))
