import hashlib

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from casemate.crypto import der_encoding as der
from casemate.crypto import simulated
from casemate.crypto.certificate import (
    LARGEST,
    Certificate,
    load_key,
    name_parts,
    signature_algorithm,
)
from casemate.crypto.der import Element, Tag
from casemate.crypto.keys import Kind, PrivateKey
from casemate.crypto.pem import blocks
from casemate.crypto.simulated import Extension
from casemate.errors import PeerError
from tests.crypto.authorities import (
    LEAF,
    LEAF_CERTIFICATE,
    MIDDLE,
    MIDDLE_CERTIFICATE,
    PERIOD,
    ROOT,
    ROOT_CERTIFICATE,
    Party,
)
from tests.vectors import vector

RSA = PrivateKey.generate(Kind.RSA, bits=2048)
SPKI = RSA.public.der()
SHA384 = der.sequence(der.oid("2.16.840.1.101.3.4.2.2"), der.element(Tag.NULL))
SHA256 = der.sequence(der.oid("2.16.840.1.101.3.4.2.1"), der.element(Tag.NULL))
MGF1 = "1.2.840.113549.1.1.8"


def test_facts_are_those_that_the_library_reads() -> None:
    for one in (ROOT_CERTIFICATE, MIDDLE_CERTIFICATE, LEAF_CERTIFICATE):
        other = x509.load_der_x509_certificate(one.der)
        assert one.serial == other.serial_number
        assert one.not_before == other.not_valid_before_utc
        assert one.not_after == other.not_valid_after_utc
        assert one.signature == other.signature
        assert one.signed == other.tbs_certificate_bytes
        assert one.subject == other.subject.public_bytes()
        assert one.issuer == other.issuer.public_bytes()
        assert one.algorithm.oid == other.signature_algorithm_oid.dotted_string
        assert one.extensions.keys() == {ext.oid.dotted_string for ext in other.extensions}


@pytest.mark.parametrize("name", ["milan", "genoa", "turin"])
def test_vendors_certificates_are_read_and_checked(name: str) -> None:
    ask, ark, asvk = (
        Certificate.parse(der)
        for der in blocks(vector("roots", f"{name}_ask_ark_asvk.pem").read_bytes())
    )
    for one in (ask, asvk, ark):
        assert one.is_authority
        assert one.signed_by(ark)
        assert one.key.key_size == 4096
    assert not ark.signed_by(ask)
    assert (ask.path_length, ark.path_length) == (0, None)
    assert ark.is_self_signed
    assert not ask.is_self_signed


def test_serial_number_zero_is_read() -> None:
    assert ROOT.certify(LEAF, serial=0).serial == 0
    assert ROOT.certify(LEAF, serial=-5).serial == -5


def test_names_are_told_by_their_common_name() -> None:
    assert LEAF_CERTIFICATE.common_name == "leaf"
    assert LEAF_CERTIFICATE.issuer_common_name == "middle"
    assert repr(LEAF_CERTIFICATE) == "Certificate(leaf)"
    nameless = ROOT.certify(Party(der.sequence(), LEAF.key))
    assert nameless.common_name == ""
    assert repr(nameless) == f"Certificate({nameless.fingerprint.hex()[:16]})"
    assert name_parts(simulated.name("x", "org")) == {"2.5.4.10": "org", "2.5.4.3": "x"}


@pytest.mark.parametrize(
    "name",
    [
        b"",
        b"\x30",
        der.sequence(der.sequence()),
        der.sequence(der.element(Tag.SET, der.sequence(der.oid("2.5.4.3")))),
        der.sequence(der.element(Tag.SET, der.sequence(der.integer(1), der.integer(1)))),
        simulated.name("x" * 5000),
    ],
)
def test_broken_name_is_refused_with_its_certificate(name: bytes) -> None:
    with pytest.raises(PeerError):
        ROOT.certify(Party(name, LEAF.key))


def test_fingerprint_is_sha256_of_the_der() -> None:
    assert LEAF_CERTIFICATE.fingerprint == hashlib.sha256(LEAF_CERTIFICATE.der).digest()


def test_certificates_are_equal_when_their_bytes_are() -> None:
    again = Certificate.parse(LEAF_CERTIFICATE.der)
    assert again == LEAF_CERTIFICATE
    assert len({again, LEAF_CERTIFICATE, MIDDLE_CERTIFICATE}) == 2
    assert again != LEAF_CERTIFICATE.der


def test_signature_is_by_the_issuers_key() -> None:
    assert LEAF_CERTIFICATE.signed_by(MIDDLE_CERTIFICATE)
    assert not LEAF_CERTIFICATE.signed_by(ROOT_CERTIFICATE)
    changed = bytearray(LEAF_CERTIFICATE.der)
    changed[-1] ^= 1
    assert not Certificate.parse(bytes(changed)).signed_by(MIDDLE_CERTIFICATE)


def test_rights_are_read_from_constraints_and_usage() -> None:
    assert MIDDLE_CERTIFICATE.is_authority
    assert MIDDLE_CERTIFICATE.path_length == 0
    assert MIDDLE_CERTIFICATE.may(6)
    assert not MIDDLE_CERTIFICATE.may(0)
    assert not MIDDLE_CERTIFICATE.may(8)
    assert not LEAF_CERTIFICATE.is_authority
    assert LEAF_CERTIFICATE.path_length is None
    assert LEAF_CERTIFICATE.may(0)


def test_authority_needs_the_right_to_sign_where_rights_are_given() -> None:
    constraints, _ = simulated.authority()
    signs_nothing = Extension("2.5.29.15", der.bits(b"\x80", unused=7), critical=True)
    assert not ROOT.certify(MIDDLE, extensions=(constraints, signs_nothing)).is_authority
    assert ROOT.certify(MIDDLE, extensions=(constraints,)).is_authority
    no_authority = Extension("2.5.29.19", der.sequence())
    assert not ROOT.certify(MIDDLE, extensions=(no_authority,)).is_authority


@pytest.mark.parametrize(
    "extension",
    [
        Extension("2.5.29.19", b""),
        Extension("2.5.29.19", der.integer(1)),
        Extension("2.5.29.19", der.sequence(der.element(Tag.BOOLEAN, b"\1"))),
    ],
)
def test_broken_constraints_raise_our_error_when_looked_at(extension: Extension) -> None:
    found = ROOT.certify(MIDDLE, extensions=(extension,))
    with pytest.raises(PeerError):
        _ = found.is_authority


def test_broken_usage_raises_our_error_when_looked_at() -> None:
    found = ROOT.certify(MIDDLE, extensions=(Extension("2.5.29.15", der.octets(b"\6")),))
    with pytest.raises(PeerError):
        found.may(5)
    assert not ROOT.certify(MIDDLE, extensions=(Extension("2.5.29.15", der.element(3)),)).may(5)


def extensions_of(content: bytes) -> Certificate:
    """Make a certificate with any bytes in place of its extensions."""
    marked = ROOT.certify(LEAF, extensions=(Extension("1.2.3", b"mark"),)).der
    body = der.sequence(der.sequence(der.oid("1.2.3"), der.octets(b"mark")))
    own = der.element(0xA3, body)
    at = marked.index(own)
    tbs_start = marked.index(b"\xa0\x03\x02\x01\x02")
    tbs = marked[tbs_start:at] + der.element(0xA3, content)
    algorithm = marked[at + len(own) :]
    return Certificate.parse(der.sequence(der.sequence(tbs), algorithm))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        der.integer(1),
        der.sequence(der.integer(1)),
        der.sequence(der.sequence(der.oid("1.2.3"))),
        der.sequence(der.sequence(der.oid("1.2.3"), der.integer(1))),
        der.sequence(der.sequence(der.oid("1.2.3"), der.integer(1), der.octets(b""))),
        der.sequence(der.sequence(*[der.oid("1.2.3")] * 4)),
        der.sequence(*[der.sequence(der.oid("1.2.3"), der.octets(b""))] * 2),
    ],
)
def test_broken_extensions_raise_our_error_when_looked_at(content: bytes) -> None:
    found = extensions_of(content)
    with pytest.raises(PeerError):
        _ = found.extensions


def test_extensions_are_by_their_identifier() -> None:
    flagged = Extension("1.2.3", b"\5\0", critical=True)
    found = ROOT.certify(LEAF, extensions=(flagged, Extension("1.2.4", b"x")))
    assert found.extensions["1.2.3"] == (b"\5\0", True)
    assert found.extensions["1.2.4"] == (b"x", False)
    assert ROOT.certify(LEAF).extensions == {}


def test_two_signature_algorithms_are_refused() -> None:
    one, other = (
        Element.parse(party.certify(LEAF).der, "x").children("x")
        for party in (ROOT, Party.make("root", Kind.RSA))
    )
    with pytest.raises(PeerError):
        Certificate.parse(der.sequence(one[0].whole, other[1].whole, other[2].whole))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        der.sequence(),
        der.sequence(der.sequence(), der.sequence(der.oid("1.2.3")), der.bits(b"")),
        der.sequence(der.sequence(), der.sequence(), der.bits(b"")),
        der.sequence(der.sequence(), der.sequence(*[der.oid("1.2.3")] * 3), der.bits(b"")),
        der.sequence(der.sequence(), der.sequence(der.oid("1.2.3"), bytes(2000)), der.bits(b"")),
        bytes(LARGEST + 1),
    ],
)
def test_what_is_no_certificate_is_refused(raw: bytes) -> None:
    with pytest.raises(PeerError):
        Certificate.parse(raw)


def test_keys_are_rsa_or_elliptic() -> None:
    assert load_key(RSA.public.der()).key_size == 2048
    with pytest.raises(PeerError):
        load_key(der.sequence())
    strange = ROOT.certify(LEAF, spki=der.sequence(der.integer(1)))
    with pytest.raises(PeerError):
        _ = strange.key
    assert not LEAF_CERTIFICATE.signed_by(strange)


def pss(digest: bytes = SHA384, mask: bytes | None = None, salt: int = 48) -> bytes:
    return der.sequence(
        der.oid("1.2.840.113549.1.1.10"),
        der.sequence(
            der.element(0xA0, digest),
            der.element(0xA1, der.sequence(der.oid(MGF1), digest) if mask is None else mask),
            der.element(0xA2, der.integer(salt)),
        ),
    )


@pytest.mark.parametrize(
    "algorithm",
    [
        pss(SHA256),
        pss(mask=der.sequence(der.oid(MGF1), SHA256)),
        pss(mask=der.sequence()),
        pss(mask=der.sequence(der.oid(MGF1), der.sequence())),
        pss(der.sequence()),
        pss(der.sequence(der.oid("1.3.14.3.2.26"))),
        pss(salt=32),
        pss(salt=-1),
        pss(salt=1 << 31),
        pss(salt=1 << 70),
        der.sequence(der.oid("1.2.840.113549.1.1.10")),
        der.sequence(der.oid("1.2.840.113549.1.1.10"), der.sequence()),
        der.sequence(der.oid("1.2.840.113549.1.1.10"), der.integer(1)),
        der.sequence(der.oid("1.2.840.113549.1.1.12"), der.element(Tag.NULL)),
        der.sequence(der.oid("1.2.840.10045.4.3.3")),
        der.sequence(der.oid("1.2.3")),
    ],
)
def test_other_parameters_of_a_signature_are_refused(algorithm: bytes) -> None:
    signature = RSA.sign(b"message", "PS384")
    key = RSA.public.native
    assert signature_algorithm(pss(), "x").verify(key, SPKI, signature, b"message")
    assert not signature_algorithm(algorithm, "x").verify(key, SPKI, signature, b"message")


def test_every_algorithm_of_vendors_is_verified() -> None:
    middle = MIDDLE.key.public
    for number, name in (("11", "RS256"), ("12", "RS384"), ("13", "RS512")):
        found = signature_algorithm(der.sequence(der.oid(f"1.2.840.113549.1.1.{number}")), "x")
        assert found.verify(RSA.public.native, SPKI, RSA.sign(b"m", name), b"m")
    for number, digest in (("2", "sha256"), ("3", "sha384"), ("4", "sha512")):
        found = signature_algorithm(der.sequence(der.oid(f"1.2.840.10045.4.3.{number}")), "x")
        signature = MIDDLE.key.sign_der(b"m", digest)
        assert found.verify(middle.native, middle.der(), signature, b"m")
        assert not found.verify(RSA.public.native, SPKI, signature, b"m")
        assert not found.verify(middle.native, middle.der(), b"", b"m")


def test_period_is_what_was_written() -> None:
    assert LEAF_CERTIFICATE.not_before == PERIOD.begin
    assert LEAF_CERTIFICATE.not_after == PERIOD.end


def look(certificate: Certificate) -> None:
    """Look at everything that is read late."""
    for read in (
        lambda: certificate.extensions,
        lambda: certificate.is_authority,
        lambda: certificate.path_length,
        lambda: certificate.key,
        lambda: certificate.is_self_signed,
        lambda: certificate.signed_by(MIDDLE_CERTIFICATE),
        lambda: repr(certificate),
    ):
        try:
            read()
        except PeerError:
            continue


@given(st.binary(max_size=300))
def test_any_bytes_raise_only_our_error(raw: bytes) -> None:
    with pytest.raises(PeerError):
        Certificate.parse(raw)


@given(st.integers(0, len(MIDDLE_CERTIFICATE.der) - 1), st.binary(min_size=1, max_size=4))
def test_any_change_raises_only_our_error(at: int, change: bytes) -> None:
    der_ = MIDDLE_CERTIFICATE.der
    changed = der_[:at] + change + der_[at + len(change) :]
    try:
        found = Certificate.parse(changed)
    except PeerError:
        return
    look(found)
    if changed != der_:
        assert not found.signed_by(ROOT_CERTIFICATE)


@given(st.binary(max_size=60))
def test_any_extensions_raise_only_our_error(content: bytes) -> None:
    look(extensions_of(content))


@given(st.binary(max_size=80))
def test_any_key_raises_only_our_error(key: bytes) -> None:
    for spki in (
        key,
        der.sequence(key),
        der.sequence(der.sequence(der.oid("1.2.840.10045.2.1")), key),
    ):
        try:
            load_key(spki)
        except PeerError:
            continue


@given(st.binary(max_size=80))
def test_any_algorithm_raises_only_our_error(raw: bytes) -> None:
    oid = der.oid("1.2.840.113549.1.1.10")
    for whole in (
        raw,
        der.sequence(raw),
        der.sequence(oid, raw),
        der.sequence(oid, der.sequence(raw)),
    ):
        try:
            found = signature_algorithm(whole, "x")
        except PeerError:
            continue
        assert not found.verify(RSA.public.native, SPKI, bytes(256), b"m")
