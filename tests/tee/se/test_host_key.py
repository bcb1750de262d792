"""Rules for host key documents that no simulated service breaks: weak keys, odd names."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID

from casemate.crypto.agreement import coordinates, from_coordinates, shared_x
from casemate.crypto.certificate import Certificate
from casemate.crypto.keys import Kind, PrivateKey
from casemate.crypto.revocation import RevocationList
from casemate.crypto.strength import security_bits
from casemate.errors import InputError, PeerError, VerificationError
from casemate.tee.se import host_key, names

NOW = datetime(2025, 6, 1, tzinfo=UTC)
YEAR = timedelta(days=365)
IBM = "International Business Machines Corporation"


def name(**changes: str) -> x509.Name:
    parts = {
        "COUNTRY_NAME": "US",
        "STATE_OR_PROVINCE_NAME": "New York",
        "LOCALITY_NAME": "Armonk",
        "ORGANIZATION_NAME": IBM,
        "COMMON_NAME": IBM,
        "ORGANIZATIONAL_UNIT_NAME": "IBM Z Host Key Signing Service",
    } | changes
    return x509.Name([x509.NameAttribute(getattr(NameOID, k), v) for k, v in parts.items() if v])


def certificate(
    subject: x509.Name, key: Any, issuer: x509.Name, signer: Any, *, authority: bool = True
) -> Certificate:
    algorithm = None if isinstance(signer, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(NOW - YEAR)
        .not_valid_after(NOW + YEAR)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .sign(signer, algorithm)
    )
    return Certificate.parse(made.public_bytes(serialization.Encoding.DER))


def revocation_list(issuer: x509.Name, signer: Any) -> RevocationList:
    made = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer)
        .last_update(NOW - YEAR)
        .next_update(NOW + YEAR)
        .sign(signer, hashes.SHA256())
    )
    return RevocationList.parse(made.public_bytes(serialization.Encoding.DER))


ROOT, MIDDLE = name(ORGANIZATIONAL_UNIT_NAME="root"), name(ORGANIZATIONAL_UNIT_NAME="middle")


@pytest.mark.parametrize(("bits", "holds"), [(1024, False), (2048, True)])
def test_a_chain_has_112_bits_of_security(bits: int, *, holds: bool) -> None:
    root, signer = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    middle = rsa.generate_private_key(65537, bits)
    chain = (
        certificate(ROOT, root, ROOT, root),
        certificate(MIDDLE, middle, ROOT, root),
        certificate(name(), signer, MIDDLE, middle, authority=False),
    )
    lists = (revocation_list(ROOT, root), revocation_list(MIDDLE, middle))
    pins = frozenset({chain[0].fingerprint})
    found = host_key.find_signer(chain, NOW)
    if holds:
        assert host_key.verify_signer(found, chain, lists, pins=pins, at=NOW).root == chain[0]
    else:
        with pytest.raises(VerificationError, match="80 bits of security"):
            host_key.verify_signer(found, chain, lists, pins=pins, at=NOW)


def test_a_key_of_another_kind_counts_for_nothing() -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    assert security_bits(certificate(ROOT, key, ROOT, key)) == 0


@pytest.mark.parametrize(
    ("changes", "counts"),
    [
        ({}, True),
        ({"LOCALITY_NAME": "Poughkeepsie"}, True),
        ({"LOCALITY_NAME": "Boeblingen"}, False),
        ({"COUNTRY_NAME": "DE"}, False),
        ({"STATE_OR_PROVINCE_NAME": "Texas"}, False),
        ({"ORGANIZATION_NAME": "IBM"}, False),
        ({"COMMON_NAME": "IBM"}, False),
        ({"COMMON_NAME": ""}, False),
        ({"SURNAME": "more"}, False),
        ({"ORGANIZATIONAL_UNIT_NAME": "Key Signing Service Invalid"}, False),
    ],
)
def test_who_may_be_a_signing_service(changes: dict[str, str], *, counts: bool) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    assert names.is_signer(certificate(name(**changes), key, MIDDLE, key)) is counts


def test_names_are_the_same_in_any_order_and_either_town_but_no_more() -> None:
    key = ec.generate_private_key(ec.SECP256R1())

    def der(parts: x509.Name) -> bytes:
        return certificate(parts, key, ROOT, key).subject

    turned = x509.Name(reversed(list(name(LOCALITY_NAME="Poughkeepsie"))))
    assert names.same(der(name()), der(turned))
    assert not names.same(der(name()), der(name(ORGANIZATIONAL_UNIT_NAME="other")))
    assert not names.same(der(name()), der(name(COMMON_NAME="")))
    assert not names.same(der(name()), der(name(LOCALITY_NAME="Boeblingen")))
    assert names.text(der(name())) == "IBM Z Host Key Signing Service, Armonk"
    assert names.text(bytes.fromhex("3000")) == "nobody"


def test_a_name_with_an_attribute_of_one_part_is_none() -> None:
    with pytest.raises(PeerError, match="1 parts"):
        names.entries(bytes.fromhex("3009310730050603550403"))


def test_key_identifiers_are_compared_only_where_both_are_given() -> None:
    signer, host = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP521R1())
    service = certificate(name(), signer, MIDDLE, signer, authority=False)
    document = certificate(MIDDLE, host, name(), signer, authority=False)
    host_key.verify_document(document, service, NOW)
    (found,) = host_key.host_keys([service, document])
    assert found.document == document


def test_agreement_is_between_two_keys_on_one_curve() -> None:
    one, other = PrivateKey.generate(Kind.P521), PrivateKey.generate(Kind.P256)
    with pytest.raises(InputError, match="P-521 and P-256"):
        shared_x(one, other.public)
    with pytest.raises(InputError):
        coordinates(one.public, width=65)
    with pytest.raises(InputError):
        from_coordinates(Kind.P521, bytes(160))
    assert from_coordinates(Kind.P521, coordinates(one.public, width=80)) == one.public
