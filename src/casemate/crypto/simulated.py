"""Certificates and lists as vendors make them, for simulators: any serial, extension, date, signer.

The library's own builder refuses what some vendors do (an AMD VCEK has serial number 0) and what a
simulator has to do (a name signed by another key). Signatures are real: ECDSA with the hash of the
key's size, or RSASSA-PSS with SHA-384.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Final

import msgspec

from casemate.crypto import der_encoding as der
from casemate.crypto.der import Tag
from casemate.crypto.keys import Kind, PrivateKey

_SHA384: Final = der.sequence(der.oid("2.16.840.1.101.3.4.2.2"), der.element(Tag.NULL))
_ECDSA_SHA256: Final = der.sequence(der.oid("1.2.840.10045.4.3.2"))
_ECDSA_SHA384: Final = der.sequence(der.oid("1.2.840.10045.4.3.3"))
_PSS_SHA384: Final = der.sequence(
    der.oid("1.2.840.113549.1.1.10"),
    der.sequence(
        der.element(0xA0, _SHA384),
        der.element(0xA1, der.sequence(der.oid("1.2.840.113549.1.1.8"), _SHA384)),
        der.element(0xA2, der.integer(48)),
    ),
)
_COMMON_NAME: Final = "2.5.4.3"
_ORGANIZATION: Final = "2.5.4.10"
_KEY_USAGE: Final = "2.5.29.15"
_BASIC_CONSTRAINTS: Final = "2.5.29.19"
_CRL_NUMBER: Final = "2.5.29.20"
_SIGNS_CERTIFICATES_AND_LISTS: Final = 0x06


class Extension(msgspec.Struct, frozen=True):
    """An extension to write: its OID, its value (DER) and whether it is critical."""

    oid: str
    value: bytes
    critical: bool = False


class Period(msgspec.Struct, frozen=True):
    """From when to when something is valid, both in UTC and whole seconds."""

    begin: datetime
    end: datetime


def name(common_name: str, organization: str = "simulated") -> bytes:
    """Write a distinguished name, DER."""
    return der.sequence(
        *(
            der.element(
                Tag.SET, der.sequence(der.oid(kind), der.element(Tag.UTF8_STRING, text.encode()))
            )
            for kind, text in ((_ORGANIZATION, organization), (_COMMON_NAME, common_name))
        )
    )


def authority(path_length: int | None = None) -> tuple[Extension, ...]:
    """Give the extensions of an authority: it signs certificates and lists."""
    limit = () if path_length is None else (der.integer(path_length),)
    return (
        Extension(_BASIC_CONSTRAINTS, der.sequence(der.boolean(value=True), *limit), critical=True),
        Extension(
            _KEY_USAGE, der.bits(bytes((_SIGNS_CERTIFICATES_AND_LISTS,)), unused=1), critical=True
        ),
    )


def certificate(
    *,
    subject: bytes,
    spki: bytes,
    issuer: bytes,
    signer: PrivateKey,
    period: Period,
    serial: int,
    extensions: Sequence[Extension] = (),
) -> bytes:
    """Make a certificate of version 3, DER.

    Args:
        subject: distinguished name (``name``).
        spki: the certified key, SubjectPublicKeyInfo DER.
        issuer: distinguished name.
        signer: whose key signs, whatever ``issuer`` says.
        period: its dates.
        serial: its number; 0 is one.
        extensions: in this order.
    """
    written = [
        der.sequence(
            der.oid(one.oid),
            *([der.boolean(value=True)] if one.critical else []),
            der.octets(one.value),
        )
        for one in extensions
    ]
    return _signed(
        signer,
        lambda algorithm: der.sequence(
            der.element(0xA0, der.integer(2)),
            der.integer(serial),
            algorithm,
            issuer,
            der.sequence(der.time(period.begin), der.time(period.end)),
            subject,
            spki,
            *([der.element(0xA3, der.sequence(*written))] if written else []),
        ),
    )


def revocation_list(
    *,
    issuer: bytes,
    signer: PrivateKey,
    period: Period,
    revoked: Iterable[int] = (),
    number: int = 1,
) -> bytes:
    """Make a revocation list of version 2, DER; ``period`` is from this update to the next."""
    entries = [der.sequence(der.integer(serial), der.time(period.begin)) for serial in revoked]
    extension = der.sequence(der.oid(_CRL_NUMBER), der.octets(der.integer(number)))
    return _signed(
        signer,
        lambda algorithm: der.sequence(
            der.integer(1),
            algorithm,
            issuer,
            der.time(period.begin),
            der.time(period.end),
            *([der.sequence(*entries)] if entries else []),
            der.element(0xA0, der.sequence(extension)),
        ),
    )


def _signed(signer: PrivateKey, body: Callable[[bytes], bytes]) -> bytes:
    """Sign what ``body`` makes of the algorithm's identifier."""
    algorithm, hash_name = {
        Kind.RSA: (_PSS_SHA384, ""),
        Kind.P256: (_ECDSA_SHA256, "sha256"),
    }.get(signer.kind, (_ECDSA_SHA384, "sha384"))
    signed = body(algorithm)
    signature = signer.sign_der(signed, hash_name) if hash_name else signer.sign(signed, "PS384")
    return der.sequence(signed, algorithm, der.bits(signature))
