"""Evidence that is cut, mistyped, nested or huge: only our refusals, and in bounded time."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casemate.errors import PeerError, VerificationError
from casemate.tee.csv.report import (
    PAGE,
    V1_FORM,
    V1_SIZE,
    V2_FORM,
    V2_SIZE,
    Report,
    mask,
    parse,
)
from casemate.tee.evidence import Expectation, Inputs
from casemate.tee.layouts import LAYOUTS
from casemate.tee.verifiers import VERIFIERS, verify
from tests.tee.simulated import NOW, changed, paths, refused_at, simulated

INPUTS = Inputs(now=NOW)
EXPECTED = Expectation(report_data=None)
RIGHT = {version: simulated("csv", version=version, hsk_cek="true") for version in ("1", "2")}
DOCUMENT = msgspec.json.decode(RIGHT["2"].evidence)


def refused(raw: bytes) -> str:
    with pytest.raises(VerificationError) as caught:
        verify("csv", raw, EXPECTED, INPUTS)
    return caught.value.refusal.step


@pytest.mark.parametrize("path", paths(DOCUMENT))
def test_mistyped_member_is_refused(path: str) -> None:
    wrong_values: tuple[object, ...] = (None, -1, 1 << 32, "x", [], {}, [256], True, 1.5)
    for value in wrong_values:
        if value is None and path in {"cc_eventlog", "cert_chain.hsk_cek"}:
            continue
        wrong = msgspec.json.encode(changed(DOCUMENT, path, value))
        assert refused_at(RIGHT["2"], wrong) in {"1 shape", "12 event log"}


@pytest.mark.parametrize("path", paths(DOCUMENT))
def test_missing_member_is_refused(path: str) -> None:
    head, _, name = path.rpartition(".")
    if name.isdigit() or path in {"cc_eventlog", "cert_chain.hsk_cek"}:
        return
    inner = DOCUMENT
    for part in head.split(".") if head else []:
        inner = inner[int(part) if part.isdigit() else part]
    kept = {key: value for key, value in inner.items() if key != name}
    wrong = changed(DOCUMENT, head, kept) if head else kept
    assert refused_at(RIGHT["2"], msgspec.json.encode(wrong)) == "1 shape"


@pytest.mark.parametrize("delta", [-1, 1])
@pytest.mark.parametrize(
    "path",
    [path for path in paths(DOCUMENT) if not path.endswith(("sigs", "hsk_cek", "serial_number"))],
)
def test_array_of_another_length_is_refused(path: str, delta: int) -> None:
    inner = DOCUMENT
    for part in path.split("."):
        inner = inner[int(part) if part.isdigit() else part]
    if not isinstance(inner, list):
        return
    longer = inner[:-1] if delta < 0 else [*inner, 0]
    wrong = msgspec.json.encode(changed(DOCUMENT, path, longer))
    assert refused_at(RIGHT["2"], wrong) == "1 shape"


@pytest.mark.parametrize("size", [0, 65, 4096])
def test_serial_number_of_another_length_is_refused(size: int) -> None:
    wrong = msgspec.json.encode(changed(DOCUMENT, "serial_number", [65] * size))
    assert refused_at(RIGHT["2"], wrong) == "1 shape"


@pytest.mark.parametrize("text", ["-_-_", "AAAA ", "A", "AA=A", "AAA", "\u00e9AAA", "A\nAA"])
def test_log_in_another_base64_is_refused(text: str) -> None:
    wrong = msgspec.json.encode(changed(DOCUMENT, "cc_eventlog", text))
    assert refused_at(RIGHT["2"], wrong) == "1 shape"


def test_log_cut_at_any_length_is_refused() -> None:
    log = msgspec.json.decode(msgspec.json.encode(DOCUMENT["cc_eventlog"]), type=bytes)
    for size in range(0, len(log), 9):
        wrong = msgspec.json.encode(changed(DOCUMENT, "cc_eventlog", log[:size]))
        assert refused_at(RIGHT["2"], wrong) == "12 event log"


def test_cut_evidence_is_refused() -> None:
    for raw in (RIGHT["1"].evidence, RIGHT["2"].evidence):
        for size in range(0, len(raw), 499):
            refused(raw[:size])
    for size in range(V2_SIZE + 40):
        if size not in {V1_SIZE, V2_SIZE}:
            assert refused(bytes(size)) == "csv.1 shape"


@pytest.mark.parametrize(
    "raw",
    [
        b"[" * 10_000,
        b'{"attestation_report":' * 10_000,
        b'{"a":[' * 10_000 + b"]}" * 10_000,
        b'{"attestation_report":' + b"[" * 10_000 + b"]" * 10_000 + b"}",
        b" " * 5000 + b"null",
        b"\xff" * 5000,
        bytes(64 << 20),
    ],
    ids=lambda raw: f"{raw[:12]!r}x{len(raw)}",
)
def test_nested_or_huge_evidence_is_refused(raw: bytes) -> None:
    assert refused(raw) == "csv.1 shape"
    with pytest.raises(VerificationError):
        VERIFIERS["csv"].plan(raw, INPUTS)
    with pytest.raises(PeerError):
        LAYOUTS["csv"](raw)


@settings(max_examples=200)
@given(st.binary(max_size=6000))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    for read in (parse, LAYOUTS["csv"]):
        try:
            read(raw)
        except PeerError:
            continue


@given(st.sampled_from([(1, V1_SIZE), (2, V2_SIZE)]), st.data())
def test_any_report_is_read_or_refused(kind: tuple[int, int], data: st.DataObject) -> None:
    version, size = kind
    raw = data.draw(st.binary(min_size=size, max_size=size))
    try:
        Report.parse(raw, version)
    except PeerError:
        return


@given(st.binary(max_size=300), st.integers(0, 0xFFFFFFFF))
def test_mask_put_on_twice_is_off(content: bytes, anonce: int) -> None:
    masked = mask(content, anonce)
    assert masked == bytes(b ^ anonce.to_bytes(4, "little")[i % 4] for i, b in enumerate(content))
    assert mask(masked, anonce) == content


@given(st.data())
def test_report_forms_write_what_they_read(data: st.DataObject) -> None:
    for form in (V1_FORM, V2_FORM):
        raw = data.draw(st.binary(min_size=form.size, max_size=form.size))
        assert form.encode(form.parse(raw)) == raw


def test_short_report_is_refused_by_the_layout_too() -> None:
    with pytest.raises(PeerError):
        Report.parse(bytes(V1_SIZE - 1), 1)
    document = changed(DOCUMENT, "attestation_report.data", [0] * PAGE)
    assert LAYOUTS["csv"](msgspec.json.encode(document))
