"""OCSP answers that no vendor gave, for simulators: any status, time, signer; signed for real."""

from casemate.crypto import der_encoding as der
from casemate.crypto.certificate import Certificate
from casemate.crypto.der import Element, Tag
from casemate.crypto.keys import PrivateKey
from casemate.crypto.ocsp import Status, question
from casemate.crypto.simulated import Extension, Period

_BASIC = "1.3.6.1.5.5.7.48.1.1"
_ECDSA_SHA384 = "1.2.840.10045.4.3.3"
_STATUSES = {Status.GOOD: b"\x80\x00", Status.UNKNOWN: b"\x82\x00"}
OCSP_SIGNING = Extension("2.5.29.37", der.sequence(der.oid("1.3.6.1.5.5.7.3.9")))
"""Extended key usage of a delegated responder."""


def answer(
    certificate: Certificate,
    issuer: Certificate,
    *,
    signer: PrivateKey,
    period: Period,
    status: Status = Status.GOOD,
    delegate: bytes = b"",
) -> bytes:
    """Make an answer about one certificate, DER.

    Args:
        certificate: whom it is about.
        issuer: who issued that.
        signer: whose key signs (ECDSA on P-384).
        period: from this update to the next; it is produced when it begins.
        status: what it says; of a revoked one, since when ``period`` begins.
        delegate: the signer's certificate, when it is not the issuer.
    """
    generalized = der.element(
        Tag.GENERALIZED_TIME, period.begin.strftime("%Y%m%d%H%M%SZ").encode("ascii")
    )
    following = der.element(
        Tag.GENERALIZED_TIME, period.end.strftime("%Y%m%d%H%M%SZ").encode("ascii")
    )
    said = _STATUSES.get(status) or der.element(0xA1, generalized)
    body = der.sequence(
        der.element(0xA1, issuer.subject),
        generalized,
        der.sequence(
            der.sequence(
                _identifier(certificate, issuer),
                said,
                generalized,
                der.element(0xA0, following),
            )
        ),
    )
    basic = der.sequence(
        body,
        der.sequence(der.oid(_ECDSA_SHA384)),
        der.bits(signer.sign_der(body, "sha384")),
        *([der.element(0xA0, der.sequence(delegate))] if delegate else []),
    )
    return der.sequence(
        der.element(Tag.ENUMERATED, b"\0"),
        der.element(0xA0, der.sequence(der.oid(_BASIC), der.octets(basic))),
    )


def _identifier(certificate: Certificate, issuer: Certificate) -> bytes:
    """Give the identifier that a question about the certificate holds."""
    where = "question"
    element = Element.parse(question(certificate, issuer), where)
    for _ in range(4):
        element = element.children(where)[0]
    return element.whole
