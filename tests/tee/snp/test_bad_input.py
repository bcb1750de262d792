"""Hostile bytes in every place: refused with our own error, in bounded time and memory."""

import random
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casemate.crypto.vendor_chain import ChainMemory
from casemate.errors import PeerError, VerificationError
from casemate.tee.evidence import Inputs
from casemate.tee.simulation import Simulated
from casemate.tee.snp import certificate_table, collateral, layout
from casemate.tee.snp.evidence import ReportJson, SnpEvidence
from casemate.tee.snp.presented import Presented
from casemate.tee.snp.report import LAYOUT, SIGNED_SIZE, SIZE, Report
from tests.tee.snp.machine import (
    NOW,
    evidence_json,
    expectation_of,
    inputs_of,
    simulate,
    step,
)


@pytest.fixture(scope="module")
def made() -> Simulated:
    return simulate(init_data="ab" * 32)


@pytest.fixture(scope="module")
def inputs(made: Simulated) -> Inputs:
    return inputs_of(made)


def raw_of(made: Simulated) -> bytes:
    assert made.binary is not None
    return made.binary


def test_table_of_many_pieces_is_refused(made: Simulated, inputs: Inputs) -> None:
    evidence = evidence_json(made)
    evidence["cert_chain"] *= 17
    assert step(msgspec.json.encode(evidence), inputs) == "snp.1 shape"


def test_large_pieces_are_read_and_not_kept(made: Simulated) -> None:
    memory = ChainMemory()
    evidence = evidence_json(made)
    lean = Presented.parse(msgspec.json.encode(evidence))
    for piece in evidence["cert_chain"]:
        piece["data"] = msgspec.Raw(
            msgspec.json.encode(piece["data"]).replace(b",", b"," + b" " * 50)
        )
    wide = Presented.parse(msgspec.json.encode(evidence))
    assert wide.certificates(memory) == lean.certificates()
    assert not memory._read


def test_every_bit_of_the_signed_part_counts(made: Simulated, inputs: Inputs) -> None:
    raw, expected = raw_of(made), expectation_of(made)
    for at in range(SIGNED_SIZE):
        changed = bytearray(raw)
        changed[at] ^= 1 << at % 8
        assert step(bytes(changed), inputs, expected).startswith("snp.")


def test_every_byte_of_the_signature_counts(made: Simulated, inputs: Inputs) -> None:
    raw, expected = raw_of(made), expectation_of(made)
    for at in range(SIGNED_SIZE, SIZE):
        changed = bytearray(raw)
        changed[at] ^= 1 << at % 8
        assert step(bytes(changed), inputs, expected) in {"snp.9 signature", "snp.3 report"}


def test_every_number_of_the_json_report_counts(made: Simulated, inputs: Inputs) -> None:
    expected = expectation_of(made)
    evidence = evidence_json(made)
    report = evidence["attestation_report"]

    def leaves(place: Any) -> Any:
        for key in place.keys() if isinstance(place, dict) else range(len(place)):
            if isinstance(place[key], dict | list):
                yield from leaves(place[key])
            else:
                yield place, key

    for place, key in list(leaves(report)):
        kept = place[key]
        place[key] = kept ^ 1
        assert step(msgspec.json.encode(evidence), inputs, expected).startswith("snp.")
        place[key] = kept


def test_report_cut_at_each_length_is_refused(made: Simulated, inputs: Inputs) -> None:
    raw = raw_of(made)
    for size in range(SIZE):
        assert step(raw[:size], inputs) == "snp.1 shape"


def test_json_cut_at_each_length_is_refused(made: Simulated, inputs: Inputs) -> None:
    for size in range(len(made.evidence)):
        assert step(made.evidence[:size], inputs) == "snp.1 shape"


WRONG: tuple[Any, ...] = (None, "text", {}, [], [[]], True, 1.5, -1, 1 << 64, [256] * 64)


def test_member_missing_or_mistyped_is_refused(made: Simulated, inputs: Inputs) -> None:
    report = evidence_json(made)["attestation_report"]
    for name in report:
        for wrong in WRONG:
            evidence = evidence_json(made)
            evidence["attestation_report"][name] = wrong
            assert step(msgspec.json.encode(evidence), inputs) in {"snp.1 shape", "snp.3 report"}
        evidence = evidence_json(made)
        del evidence["attestation_report"][name]
        assert step(msgspec.json.encode(evidence), inputs) in {"snp.1 shape", "snp.3 report"}


def test_list_of_another_length_is_refused(made: Simulated, inputs: Inputs) -> None:
    report = evidence_json(made)["attestation_report"]
    for name in [name for name, value in report.items() if isinstance(value, list)]:
        for change in (lambda old: old[:-1], lambda old: [*old, 0], lambda _: []):
            evidence = evidence_json(made)
            evidence["attestation_report"][name] = change(evidence["attestation_report"][name])
            assert step(msgspec.json.encode(evidence), inputs) == "snp.1 shape"


def test_unknown_member_is_refused(made: Simulated, inputs: Inputs) -> None:
    for place in ((), ("attestation_report",), ("attestation_report", "current_tcb")):
        evidence = evidence_json(made)
        inner = evidence
        for part in place:
            inner = inner[part]
        inner["extra"] = 0
        assert step(msgspec.json.encode(evidence), inputs) == "snp.1 shape"


@pytest.mark.parametrize("text", [b"[" * 10_000, b'{"attestation_report":' * 10_000, b'{"a":[' * 9])
def test_deep_nesting_is_refused(inputs: Inputs, text: bytes) -> None:
    assert step(text, inputs) == "snp.1 shape"


@pytest.mark.parametrize("count", [100, 10_000])
def test_deep_nesting_in_a_certificate_is_refused(
    made: Simulated, inputs: Inputs, count: int
) -> None:
    nested = b"[" * count + b"]" * count
    evidence = msgspec.json.encode(
        evidence_json(made) | {"cert_chain": [{"cert_type": "VCEK", "data": msgspec.Raw(nested)}]}
    )
    assert step(evidence, inputs) in {"snp.1 shape", "snp.4 endorsement key"}


def test_zeros_of_64_mib_are_refused(inputs: Inputs) -> None:
    assert step(bytes(64 << 20), inputs) == "snp.1 shape"


def test_list_of_a_million_numbers_is_refused(made: Simulated, inputs: Inputs) -> None:
    evidence = evidence_json(made)
    evidence["cert_chain"][0]["data"] = [0] * 1_000_000
    assert step(msgspec.json.encode(evidence), inputs) == "snp.4 endorsement key"


def test_certificate_cut_or_changed_anywhere_is_refused(made: Simulated, inputs: Inputs) -> None:
    evidence = evidence_json(made)
    der = evidence["cert_chain"][0]["data"]
    for at in range(len(der)):
        for data in (der[:at], [*der[:at], der[at] ^ 1 << at % 8, *der[at + 1 :]]):
            evidence["cert_chain"][0]["data"] = data
            assert step(msgspec.json.encode(evidence), inputs) in {
                "snp.4 endorsement key",
                "snp.6 product",
                "snp.7 chain",
            }


def test_any_bytes_in_place_of_anything_are_refused(made: Simulated, inputs: Inputs) -> None:
    chance = random.Random(7)
    for original in (raw_of(made), made.evidence):
        for _ in range(2000):
            changed = bytearray(original)
            for _ in range(chance.randint(1, 4)):
                changed[chance.randrange(len(changed))] = chance.randrange(256)
            if bytes(changed) != original and not same_json(bytes(changed), original):
                assert step(bytes(changed), inputs, expectation_of(made)).startswith("snp.")


def same_json(one: bytes, other: bytes) -> bool:
    """Say whether two texts say the same: a space in place of nothing changes nothing."""
    try:
        return SnpEvidence.parse(one) == SnpEvidence.parse(other)
    except PeerError:
        return False


def reads(read: Callable[[bytes], object], raw: bytes) -> bool:
    """Say whether bytes happen to be right; any other error than ours goes through."""
    try:
        read(raw)
    except PeerError:
        return False
    return True


@given(st.binary(max_size=2000))
def test_any_bytes_at_all_raise_only_our_error(raw: bytes) -> None:
    inputs = Inputs(now=NOW)
    assert step(raw, inputs).startswith("snp.")
    for read in (Report.parse, SnpEvidence.parse, Presented.parse, layout.layout):
        assert not reads(read, raw)
    reads(certificate_table.parse, raw)
    with pytest.raises(VerificationError):
        collateral.plan(raw, inputs)


@given(st.binary(min_size=SIZE, max_size=SIZE))
def test_layout_is_drawn_of_any_report(raw: bytes) -> None:
    (section,) = layout.layout(b"\2" + raw[1:])
    assert sum(field.size or 0 for field in section.fields if "." not in field.name) == SIZE


NUMBERS: dict[str, st.SearchStrategy[Any]] = {
    part.name: st.integers(0, (1 << 8 * part.size) - 1)
    for part in LAYOUT
    if part.name and not part.form.endswith("s")
}
WORDS: dict[str, st.SearchStrategy[Any]] = {
    part.name: st.binary(min_size=part.size, max_size=part.size)
    for part in LAYOUT
    if part.name and part.form.endswith("s")
}


@settings(max_examples=200)
@given(
    fields=st.fixed_dictionaries(NUMBERS | WORDS),
    version=st.integers(2, 5),
    likely=st.booleans(),
)
def test_report_that_reads_is_written_the_same(
    fields: dict[str, Any], version: int, *, likely: bool
) -> None:
    raw = bytearray(SIZE)
    for part in LAYOUT:
        value = fields.get(part.name, 0)
        body = value if isinstance(value, bytes) else value.to_bytes(part.size, "little")
        if likely:  # what is mostly reserved is zero
            body = {"cpuid_fam_id": b"\x19", "cpuid_mod_id": b"\x01"}.get(part.name, body)
            if part.name.endswith("tcb"):
                body = body[:2] + bytes(4) + body[6:]
            if part.name in {"current", "committed"}:
                body = body[:3] + b"\0"
            if part.since > version or (version < 3 and part.name == "chip_id"):
                body = bytes(part.size) if part.since else b"\x01" * part.size
        if part.name:
            raw[part.offset : part.offset + part.size] = body
    raw[0:4] = version.to_bytes(4, "little")
    try:
        report = Report.parse(bytes(raw))
    except PeerError:
        assert not likely
        return
    assert report.encode() == bytes(raw)
    form = ReportJson.of(report)
    again = msgspec.json.decode(msgspec.json.encode(form), type=ReportJson)
    assert again == form
    assert again.encode() == bytes(raw)


@given(st.binary(max_size=600), st.binary(max_size=600))
def test_any_der_in_place_of_a_certificate_raises_only_our_error(made_: bytes, tail: bytes) -> None:
    evidence = {
        "attestation_report": REPORT,
        "cert_chain": [{"cert_type": "VCEK", "data": list(made_ + tail)}],
    }
    assert step(msgspec.json.encode(evidence), Inputs(now=NOW)) == "snp.4 endorsement key"


REPORT = evidence_json(simulate())["attestation_report"]
