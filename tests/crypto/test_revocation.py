import hashlib

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from casemate.crypto import der_encoding as der
from casemate.crypto import simulated
from casemate.crypto.der import Element, Tag
from casemate.crypto.revocation import LARGEST, RevocationList
from casemate.errors import PeerError
from tests.crypto.authorities import MIDDLE, ROOT, ROOT_CERTIFICATE

LIST = ROOT.revoke(0, 3, 1 << 100)


def rewritten(**parts: bytes) -> RevocationList:
    """Make a list of other parts; its signature does not hold."""
    whole = Element.parse(ROOT.revoke(5).der, "x").children("x")
    names = ("version", "algorithm", "issuer", "this", "next", "revoked", "extensions")
    body = dict(zip(names, (one.whole for one in whole[0].children("x")), strict=True))
    return RevocationList.parse(
        der.sequence(der.sequence(*(body | parts).values()), whole[1].whole, whole[2].whole)
    )


def extended(*extensions: bytes) -> RevocationList:
    return rewritten(extensions=der.element(0xA0, der.sequence(*extensions)))


def extension(oid: str, value: bytes, *, critical: bool = False) -> bytes:
    flag = [der.boolean(value=True)] if critical else []
    return der.sequence(der.oid(oid), *flag, der.octets(value))


def test_facts_are_those_that_the_library_reads() -> None:
    other = x509.load_der_x509_crl(LIST.der)
    assert LIST.this_update == other.last_update_utc
    assert LIST.next_update == other.next_update_utc
    assert LIST.issuer == other.issuer.public_bytes()
    assert LIST.signed == other.tbs_certlist_bytes
    assert LIST.revoked == {0, 3, 1 << 100} == {one.serial_number for one in other}
    assert LIST.number == 1
    assert not LIST.is_partial
    assert LIST.issuer_common_name == "root"
    assert repr(LIST) == "RevocationList(root, 3 revoked)"
    assert LIST.fingerprint == hashlib.sha256(LIST.der).digest()


def test_list_may_be_empty_and_without_an_end() -> None:
    assert ROOT.revoke().revoked == frozenset()
    found = rewritten(next=b"")
    assert found.next_update is None
    assert found.revoked == {5}
    found = rewritten(next=b"", revoked=b"", extensions=b"")
    assert (found.revoked, found.number, found.is_partial) == (frozenset(), None, False)
    assert rewritten(version=b"").revoked == {5}


def test_times_of_any_form_are_read() -> None:
    late = der.element(Tag.GENERALIZED_TIME, b"20600101000000Z")
    found = rewritten(next=late)
    assert found.next_update is not None
    assert found.next_update.year == 2060


def test_list_is_signed_by_its_issuer_who_may_sign_lists() -> None:
    assert LIST.signed_by(ROOT_CERTIFICATE)
    assert not ROOT.revoke(signer=MIDDLE.key).signed_by(ROOT_CERTIFICATE)
    constraints, _ = simulated.authority()
    certificates_only = simulated.Extension("2.5.29.15", der.bits(b"\4", unused=2), critical=True)
    limited = ROOT.certify(ROOT, extensions=(constraints, certificates_only))
    assert limited.is_authority
    assert not LIST.signed_by(limited)
    assert not LIST.signed_by(ROOT.certify(ROOT, spki=der.sequence()))


def test_lists_are_equal_when_their_bytes_are() -> None:
    again = RevocationList.parse(LIST.der)
    assert again == LIST
    assert len({again, LIST, ROOT.revoke()}) == 2
    assert again != LIST.der


@pytest.mark.parametrize(
    ("extensions", "partial"),
    [
        ([extension("2.5.29.20", der.integer(9))], False),
        ([extension("2.5.29.35", b"")], False),
        ([extension("1.2.3", b"")], False),
        ([extension("1.2.3", b"", critical=True)], True),
        ([extension("2.5.29.27", der.integer(8), critical=True)], True),
        ([extension("2.5.29.27", der.integer(8))], True),
        ([extension("2.5.29.28", der.sequence(der.element(0xA0)), critical=True)], False),
        ([extension("2.5.29.28", der.sequence(der.element(0x81, b"\xff")), critical=True)], True),
    ],
)
def test_partial_list_is_told_apart(extensions: list[bytes], partial: bool) -> None:  # noqa: FBT001
    assert extended(*extensions).is_partial is partial


def test_number_is_read() -> None:
    assert extended(extension("2.5.29.20", der.integer(9))).number == 9


@pytest.mark.parametrize(
    "parts",
    [
        {"algorithm": der.sequence(der.oid("1.2.3"))},
        {"issuer": der.integer(1)},
        {"this": der.integer(1)},
        {"next": der.element(Tag.UTC_TIME, b"x")},
        {"revoked": der.sequence(der.sequence(der.boolean(value=True)))},
        {"revoked": der.sequence(der.element(Tag.OCTET_STRING, b"\xff"))},
        {"extensions": der.element(0xA0, der.integer(1))},
        {"extensions": der.element(0xA0, der.sequence(extension("2.5.29.20", b"")))},
        {"extensions": der.element(0xA0, der.sequence(extension("2.5.29.28", b"\1")))},
        {"issuer": b"", "this": b"", "next": b"", "revoked": b"", "extensions": b""},
    ],
    ids=str,
)
def test_broken_list_is_refused(parts: dict[str, bytes]) -> None:
    with pytest.raises(PeerError):
        rewritten(**parts)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        der.sequence(),
        der.sequence(der.sequence(), der.sequence(der.oid("1.2.3")), der.bits(b"")),
        ROOT_CERTIFICATE.der,
        bytes(LARGEST + 1),
    ],
)
def test_what_is_no_list_is_refused(raw: bytes) -> None:
    with pytest.raises(PeerError):
        RevocationList.parse(raw)


def test_long_list_is_read() -> None:
    serials = range(10_000)
    assert ROOT.revoke(*serials).revoked == frozenset(serials)


@given(st.integers(0, len(LIST.der) - 1), st.binary(min_size=1, max_size=4))
def test_any_change_raises_only_our_error(at: int, change: bytes) -> None:
    changed = LIST.der[:at] + change + LIST.der[at + len(change) :]
    try:
        found = RevocationList.parse(changed)
    except PeerError:
        return
    if changed != LIST.der:
        assert not found.signed_by(ROOT_CERTIFICATE)


@given(st.binary(max_size=200))
def test_any_bytes_raise_only_our_error(raw: bytes) -> None:
    with pytest.raises(PeerError):
        RevocationList.parse(raw)
