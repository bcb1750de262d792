"""NVIDIA evidence that is cut, mistyped, nested or huge: only our refusals, in bounded time."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casemate.errors import PeerError, VerificationError
from casemate.tee.evidence import Expectation, Inputs
from casemate.tee.layouts import LAYOUTS
from casemate.tee.material import Material
from casemate.tee.nvidia import manifest
from casemate.tee.nvidia.evidence import MOST_DEVICES, parse
from casemate.tee.nvidia.opaque import Opaque, encode
from casemate.tee.nvidia.spdm import Measurement, Report, Request, Response
from casemate.tee.verifiers import VERIFIERS, verify
from tests.tee.simulated import NOW, changed, inputs_of, paths, refused_at, simulated, verdicts

TEE = "nvidia"
RIGHT = simulated(TEE, devices="2")
DOCUMENT = msgspec.json.decode(RIGHT.evidence)
REPORT = RIGHT.binary or b""


def refused(raw: bytes) -> str:
    with pytest.raises(VerificationError) as caught:
        verify(TEE, raw, Expectation(report_data=None), Inputs(now=NOW))
    return caught.value.refusal.step.removeprefix("nvidia.")


@pytest.mark.parametrize("path", paths(DOCUMENT))
def test_mistyped_or_missing_member_is_refused(path: str) -> None:
    wrong_values: tuple[object, ...] = (None, -1, 1 << 64, [], {}, [256], True, 1.5)
    for value in wrong_values:
        assert refused(msgspec.json.encode(changed(DOCUMENT, path, value))) == "1 shape"
    head, _, name = path.rpartition(".")
    if name in {"uuid", "0", "1"}:
        return
    inner: Any = DOCUMENT
    for part in head.split(".") if head else []:
        inner = inner[int(part) if part.isdigit() else part]
    kept = {key: value for key, value in inner.items() if key != name}
    assert (
        refused(msgspec.json.encode(changed(DOCUMENT, head, kept) if head else kept)) == "1 shape"
    )


@pytest.mark.parametrize("text", ["", "0", "zz", "AA=A", "A", "-_-_", "\u00e9", "AAAA\n", "0x11e0"])
def test_report_in_another_alphabet_is_refused(text: str) -> None:
    wrong = changed(DOCUMENT, "device_evidence_list.0.evidence", text)
    assert refused(msgspec.json.encode(wrong)) in {"1 shape", "2 messages"}


@pytest.mark.parametrize("text", ["A", "-_-_", "\u00e9", "LS0tLS1CRUdJ\n"])
def test_chain_in_another_base64_is_refused(text: str) -> None:
    wrong = changed(DOCUMENT, "device_evidence_list.0.certificate", text)
    assert refused(msgspec.json.encode(wrong)) == "1 shape"


@pytest.mark.parametrize(
    "pem",
    [
        b"",
        b"no certificate",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n" * 11,
    ],
)
def test_chain_that_is_none_is_refused(pem: bytes) -> None:
    wrong = changed(DOCUMENT, "device_evidence_list.0.certificate", pem)
    assert refused(msgspec.json.encode(wrong)) in {"1 shape", "4 chain"}


def test_number_of_devices_is_bounded() -> None:
    one = DOCUMENT["device_evidence_list"][0]
    for count in (0, MOST_DEVICES + 1):
        assert refused(msgspec.json.encode({"device_evidence_list": [one] * count})) == "1 shape"


def test_report_cut_at_any_length_is_refused() -> None:
    inputs = inputs_of(RIGHT)
    for size in [*range(60), *range(60, len(REPORT), 37)]:
        wrong = changed(DOCUMENT, "device_evidence_list.0.evidence", REPORT[:size].hex())
        assert refused_at(RIGHT, msgspec.json.encode(wrong), inputs) in {"1 shape", "2 messages"}


def test_evidence_cut_at_any_length_is_refused() -> None:
    for size in range(0, len(RIGHT.evidence), 313):
        refused(RIGHT.evidence[:size])


@pytest.mark.parametrize(
    "raw",
    [
        b"[" * 10_000,
        b'{"device_evidence_list":' * 10_000,
        b'{"device_evidence_list":' + b"[" * 10_000 + b"]" * 10_000 + b"}",
        b"\xff" * 5000,
        b"\x11\xe0" + bytes(64 << 20),
        bytes(64 << 20),
    ],
    ids=lambda raw: f"{raw[:12]!r}x{len(raw)}",
)
def test_nested_or_huge_evidence_is_refused(raw: bytes) -> None:
    assert refused(raw) in {"1 shape", "2 messages"}
    with pytest.raises(VerificationError):
        VERIFIERS[TEE].plan(raw, Inputs(now=NOW))
    with pytest.raises(PeerError):
        LAYOUTS[TEE](raw)


@settings(max_examples=200)
@given(st.binary(max_size=600) | st.binary(max_size=600).map(lambda raw: b"\x11\xe0" + raw))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    readers: tuple[Callable[[bytes], object], ...] = (
        parse,
        Report.parse,
        Opaque.parse,
        LAYOUTS[TEE],
        manifest.Manifest.parse,
    )
    for read in readers:
        try:
            read(raw)
        except PeerError:
            continue


@settings(max_examples=200)
@given(st.integers(0, len(REPORT) - 1), st.integers(1, 255))
def test_any_changed_byte_is_refused(at: int, change: int) -> None:
    wrong = bytearray(REPORT)
    wrong[at] ^= change
    document = changed(DOCUMENT, "device_evidence_list.0.evidence", bytes(wrong).hex())
    refused_at(RIGHT, msgspec.json.encode(document))


BYTE = st.integers(0, 255)
NONCE = st.binary(min_size=32, max_size=32)


@given(
    st.builds(Request, BYTE, BYTE, BYTE, BYTE, NONCE, BYTE),
    st.builds(
        Response,
        version=BYTE,
        code=BYTE,
        parameters=st.tuples(BYTE, BYTE),
        measurements=st.lists(
            st.builds(Measurement, BYTE, BYTE, st.binary(max_size=60)),
            max_size=5,
            unique_by=lambda one: one.index,
        ).map(tuple),
        nonce=NONCE,
        opaque=st.binary(max_size=100),
    ),
    st.binary(min_size=96, max_size=96),
    st.binary(max_size=20),
)
def test_reports_read_what_was_written(
    request_: Request, response: Response, signature: bytes, tail: bytes
) -> None:
    signed = request_.encode() + response.encode()
    found = Report.parse(signed + signature + tail)
    assert (found.request, found.response) == (request_, response)
    assert (found.signed, found.signature, found.tail) == (signed, signature, len(tail))


@given(st.dictionaries(st.integers(37, 254), st.binary(max_size=40), max_size=8))
def test_opaque_data_reads_what_was_written(fields: dict[int, bytes]) -> None:
    assert dict(Opaque.parse(encode(fields)).fields) == fields


@pytest.mark.parametrize(
    "junk",
    [
        b"",
        b"[]",
        b"{}",
        b'{"rim": 1, "x": "SoftwareIdentity"}',
        b'{"rim": "U29mdHdhcmVJZGVudGl0eQ=="}',
        b"<SoftwareIdentity/>",
        b"<a>SoftwareIdentity",
        b'[["JWT", "a.b.c"], {"GPU-0": "a.b.c"}]',
        b'[["JWT", "x"], {}]',
        b'[["JSON", "x"], {"GPU-0": "x"}]',
        b'[["JWT"], {"GPU-0": "x"}]',
        b'{"keys": []}',
        b'{"keys": [{"kty": "oct"}]}',
        b'{"keys": [{"kty": "EC", "crv": "P-384", "x": "AA", "y": "AA", "kid": "nv-simulated"}]}',
        b'{"keys": [{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}]}',
        b"0\x82\x00\x00",
        b"0\x03\x0a\x01\x06",
        b"0\x05\x0a\x01\x00\xa0\x00",
    ],
)
def test_junk_among_the_collateral_changes_no_verdict(junk: bytes) -> None:
    one = simulated(TEE, mode="remote", manifests="given", revocation="both")
    files = {"!first": junk, **one.collateral, "~last": junk}
    inputs = msgspec.structs.replace(inputs_of(one), collateral=Material.of_files(files))
    assert verdicts(one, inputs=inputs) == verdicts(one)
