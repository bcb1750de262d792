import pytest
from hypothesis import given
from hypothesis import strategies as st

from casemate.crypto import pem
from casemate.errors import InputError, PeerError
from casemate.tee.gathering.document import require_plausible, safe_name


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("amd/vcek/Milan/00ff/bl01_tee00.der", "amd/vcek/Milan/00ff/bl01_tee00.der"),
        ("intel/tdx/tcb/50806F000000/standard.json", "intel/tdx/tcb/50806F000000/standard.json"),
        ("hygon/a b\\c:d*.cert", "hygon/a%20b%5cc%3ad%2a.cert"),
        ("x/.hidden", "x/%2ehidden"),
        ("nul\0byte", "nul%00byte"),
        ("\u00fc", "%c3%bc"),
    ],
)
def test_names_keep_to_plain_characters(name: str, safe: str) -> None:
    assert safe_name(name) == safe


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/",
        "/etc/passwd",
        "a//b",
        "../a",
        "a/../b",
        "a/..",
        ".",
        "a/.",
        "x" * 201,
        "/".join("a" * 13),
    ],
)
def test_names_that_lead_elsewhere_are_refused(name: str) -> None:
    with pytest.raises(InputError):
        safe_name(name)


@given(st.text(max_size=80))
def test_every_name_stays_in_its_folder_and_means_itself(name: str) -> None:
    try:
        safe = safe_name(name)
    except InputError:
        return
    assert safe_name(safe) == safe
    assert safe.isascii()
    assert not safe.startswith("/")
    assert all(part and not part.startswith(".") for part in safe.split("/"))


DER = b"\x30\x03\x02\x01\x01"


@pytest.mark.parametrize(
    ("name", "body", "fits"),
    [
        ("a.der", DER, True),
        ("a.crl", DER, True),
        ("a.der", DER[:-1], False),
        ("a.der", DER + b"\n", False),
        ("a.der", b"\x02\x01\x01", False),
        ("a.der", pem.encode(DER, "CERTIFICATE"), False),
        ("a.pem", pem.encode(DER, "CERTIFICATE"), True),
        ("a.pem", DER, False),
        ("a.json", b"{}", True),
        ("a.json", b"[]", False),
        ("a.json", b"<html>", False),
        ("a.json", b"{" * 10_000, False),
        ("a.json", b"\xff", False),
        ("a.cert", b"\0", True),
        ("a", b"\0", True),
        ("a.cert", b"", False),
        ("a", b"", False),
    ],
)
def test_content_is_what_its_name_says(name: str, body: bytes, *, fits: bool) -> None:
    if fits:
        require_plausible(name, body)
        return
    with pytest.raises(PeerError):
        require_plausible(name, body)


@given(st.binary(max_size=60), st.sampled_from(["a.der", "a.pem", "a.json"]))
def test_any_content_raises_only_our_error(body: bytes, name: str) -> None:
    try:
        require_plausible(name, body)
    except PeerError:
        return
