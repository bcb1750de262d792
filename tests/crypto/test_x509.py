import ssl
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st

from casemate.crypto.authority import CertificateAuthority
from casemate.crypto.x509 import Usage, split_pem, verify_chain
from casemate.errors import InputError, VerificationError

NOW = datetime(2025, 6, 1, tzinfo=UTC)
AUTHORITY = CertificateAuthority.create("platform", now=NOW)
OTHER = CertificateAuthority.create("platform", now=NOW)


def spki() -> bytes:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()
    return key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def attestation_leaf(authority: CertificateAuthority = AUTHORITY) -> bytes:
    pem = authority.issue_for_public_key(spki(), "ak", Usage.ATTESTATION_KEY, now=NOW)
    return split_pem(pem)[0]


def test_leaf_of_a_configured_authority_passes() -> None:
    facts = verify_chain(
        attestation_leaf(), [], [AUTHORITY.certificate_der], at=NOW, usage=Usage.ATTESTATION_KEY
    )
    assert (facts.common_name, facts.issuer) == ("ak", "platform")


def test_leaf_of_an_authority_with_the_same_name_is_refused() -> None:
    with pytest.raises(VerificationError) as caught:
        verify_chain(
            attestation_leaf(OTHER),
            [],
            [AUTHORITY.certificate_der],
            at=NOW,
            usage=Usage.ATTESTATION_KEY,
        )
    assert "chain to one of" in caught.value.refusal.expected


def test_no_anchor_means_refused() -> None:
    with pytest.raises(VerificationError):
        verify_chain(attestation_leaf(), [], [], at=NOW, usage=Usage.ATTESTATION_KEY)


@pytest.mark.parametrize("usage", [Usage.SERVER, Usage.CLIENT])
def test_tls_certificate_of_the_same_authority_is_no_attestation_key(usage: Usage) -> None:
    leaf = split_pem(AUTHORITY.issue_for_public_key(spki(), "tls", usage, now=NOW))[0]
    with pytest.raises(VerificationError) as caught:
        verify_chain(leaf, [], [AUTHORITY.certificate_der], at=NOW, usage=Usage.ATTESTATION_KEY)
    assert "ATTESTATION_KEY" in caught.value.refusal.expected


@pytest.mark.parametrize("at", [NOW - timedelta(days=2), NOW + timedelta(days=366)])
def test_leaf_outside_its_dates_is_refused(at: datetime) -> None:
    with pytest.raises(VerificationError) as caught:
        verify_chain(
            attestation_leaf(), [], [AUTHORITY.certificate_der], at=at, usage=Usage.ATTESTATION_KEY
        )
    assert "between" in caught.value.refusal.expected


def test_leaf_signed_by_a_leaf_is_refused() -> None:
    issued = AUTHORITY.issue_server("localhost", ["localhost"], now=NOW)
    impostor = CertificateAuthority.load(issued.certificate_pem, issued.key_pem)
    leaf = attestation_leaf(impostor)
    with pytest.raises(VerificationError):
        verify_chain(
            leaf,
            split_pem(issued.certificate_pem),
            [AUTHORITY.certificate_der],
            at=NOW,
            usage=Usage.ATTESTATION_KEY,
        )


@pytest.mark.parametrize(
    "name",
    ["", "a b", "a\n", "\N{SNOWMAN}", "\udcff", "-a", "a..b", "a.b.", "9.1", "a" * 64, "a." * 128],
)
def test_server_name_that_is_none_is_the_callers_mistake(name: str) -> None:
    with pytest.raises(InputError, match="DNS name"):
        AUTHORITY.issue_server("x", [name])


@pytest.mark.parametrize(
    "name", ["*.example.org", "kbs_1", "a", "A-1.b", "::1", "10.0.0.1", "a" * 63]
)
def test_server_name_may_be_any_host(name: str) -> None:
    assert AUTHORITY.issue_server("x", [name]).certificate_pem


def test_server_certificate_names_hosts_and_addresses() -> None:
    issued = AUTHORITY.issue_server("trustee", ["localhost", "127.0.0.1"], now=NOW)
    certificate = x509.load_pem_x509_certificate(issued.certificate_pem)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert [str(a) for a in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]


def test_authority_survives_storage() -> None:
    again = CertificateAuthority.load(AUTHORITY.certificate_pem, AUTHORITY.key_pem)
    assert again.certificate_der == AUTHORITY.certificate_der


def test_authority_with_a_foreign_key_is_refused() -> None:
    with pytest.raises(InputError):
        CertificateAuthority.load(AUTHORITY.certificate_pem, OTHER.key_pem)


@given(st.binary(max_size=2048))
def test_any_bytes_at_all_are_refused_as_a_certificate(data: bytes) -> None:
    with pytest.raises(VerificationError):
        verify_chain(data, [], [AUTHORITY.certificate_der], at=NOW, usage=Usage.SERVER)


@given(st.integers(min_value=0, max_value=5000), st.integers(min_value=1, max_value=255))
def test_a_changed_byte_never_passes(position: int, flip: int) -> None:
    leaf = bytearray(LEAF)
    leaf[position % len(leaf)] ^= flip
    with pytest.raises(VerificationError):
        verify_chain(
            bytes(leaf),
            [],
            [AUTHORITY.certificate_der],
            at=NOW,
            usage=Usage.ATTESTATION_KEY,
        )


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
def test_a_changed_bit_never_passes_and_raises_nothing_of_the_library() -> None:
    """Every bit of a leaf: a version of 34 once came out as an exception of the library."""
    for bit in range(len(LEAF) * 8):
        leaf = bytearray(LEAF)
        leaf[bit // 8] ^= 1 << bit % 8
        with pytest.raises(VerificationError):
            verify_chain(
                bytes(leaf),
                [],
                [AUTHORITY.certificate_der],
                at=NOW,
                usage=Usage.ATTESTATION_KEY,
            )


def test_signature_with_an_unused_bit_is_another_certificate_and_refused() -> None:
    leaf = attestation_leaf()
    while leaf[-1] & 1:  # a signature's last bit may go only where it is 0
        leaf = attestation_leaf()
    signature = x509.load_der_x509_certificate(leaf).signature
    assert leaf.endswith(b"\0" + signature)
    changed = leaf[: -len(signature) - 1] + b"\1" + signature
    for der, passes in ((leaf, True), (changed, False)):
        with nullcontext() if passes else pytest.raises(VerificationError):
            verify_chain(der, [], [AUTHORITY.certificate_der], at=NOW, usage=Usage.ATTESTATION_KEY)


@pytest.mark.parametrize("version", range(3, 256, 9))
def test_an_authority_of_an_unknown_version_is_unreadable(version: int) -> None:
    anchor = AUTHORITY.certificate_der.replace(
        b"\xa0\x03\x02\x01\x02", bytes([160, 3, 2, 1, version])
    )
    with pytest.raises(InputError, match="trust anchor"):
        verify_chain(LEAF, [], [anchor], at=NOW, usage=Usage.ATTESTATION_KEY)
    armoured = ssl.DER_cert_to_PEM_cert(anchor)
    with pytest.raises(InputError, match="unreadable PEM"):
        split_pem(armoured)
    with pytest.raises(InputError, match="unreadable PEM"):
        CertificateAuthority.load(armoured.encode(), AUTHORITY.key_pem)


LEAF = attestation_leaf()
