import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casemate.errors import InputError
from casemate.tee.bundle import Bundle, Document, is_bundle, unpacked
from casemate.tee.material import Material

SINCE = datetime(2025, 6, 1, tzinfo=UTC)
BUNDLE = Bundle(
    documents=(
        Document(name="a/tcb.json", since=SINCE, body=b'{"tcbInfo":{}}'),
        Document(name="b.bin", since=SINCE, body=b"\0\xff"),
    )
)


def test_bundle_is_read_wherever_files_are() -> None:
    raw = BUNDLE.encode()
    assert json.loads(raw)["casemate-collateral"] == 1
    assert is_bundle(raw)
    assert Bundle.parse(raw, "x") == BUNDLE
    found = Material.of_files({"export.json": raw, "c.bin": b"c"})
    assert found.files == {"a/tcb.json": b'{"tcbInfo":{}}', "b.bin": b"\0\xff", "c.bin": b"c"}


@pytest.mark.parametrize(
    "raw", [b"", b"{}", b'{"other": 1}', b"\x30\x00", b'["casemate-collateral"]']
)
def test_other_files_stay_what_they_are(raw: bytes) -> None:
    assert unpacked({"x": raw}) == {"x": raw}


@pytest.mark.parametrize(
    "raw",
    [
        b'{"casemate-collateral": 2, "documents": []}',
        b'{"casemate-collateral": 1}',
        b'{"casemate-collateral": 1, "documents": [{"name": "a"}]}',
        b'{"casemate-collateral": 1, "documents": [',
        b'{"casemate-collateral": 1, "documents": ' + b"[" * 10_000,
        BUNDLE.encode().replace(b"b.bin", b"a/tcb.json"),
        BUNDLE.encode().replace(b"2025-06-01T00:00:00Z", b"2025-06-01T00:00:00"),
    ],
    ids=range(7),
)
def test_bundle_that_cannot_be_read_is_told(raw: bytes) -> None:
    with pytest.raises(InputError):
        Material.of_files({"export.json": raw})


@given(st.binary(max_size=80))
def test_any_bytes_raise_only_our_error(raw: bytes) -> None:
    for body in (raw, b'{"casemate-collateral"' + raw):
        try:
            unpacked({"x": body})
        except InputError:
            continue
