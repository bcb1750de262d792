"""Host key documents: which certificates IBM's key signing service vouches for (tee §12).

The signing key's certificate is no authority, and its lists are signed without that right, so a
host key is not verified as a chain's leaf: its chain is the signing certificate's, and from there
on IBM's own rules hold.

    signer     exactly one certificate of a key signing service among those given
    chain      signer, one intermediate, a configured root; lists for both, 112 bits of security
    document   names the signer, was signed by it, is in date, and is a P-521 key
    revocation a list of the signer's that counts, and none that names the document

Everything is offline: lists come from the operator's folder.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

import msgspec

from casemate.crypto import vendor_chain
from casemate.crypto.certificate import Certificate
from casemate.crypto.der import Element
from casemate.crypto.keys import Kind, PublicKey
from casemate.crypto.revocation import RevocationList
from casemate.crypto.strength import security_bits
from casemate.crypto.vendor_chain import ChainMemory, VerifiedChain
from casemate.errors import InputError, PeerError, VerificationError
from casemate.tee.evidence import refusal
from casemate.tee.se import names
from casemate.tee.se.request_block import hash_of

_LENGTH: Final = 3
"""Certificates of the signer's chain: itself, the intermediate, the root (depth 2)."""
_SECURITY: Final = 112
"""Bits: OpenSSL's security level 2."""
_P521: Final = bytes.fromhex("06052b81040023")
_AGREEMENT: Final = 4
"""Bit of key usage: key agreement."""
_AUTHORITY_KEY: Final = "2.5.29.35"
_SUBJECT_KEY: Final = "2.5.29.14"
_UNDERSTOOD: Final = frozenset({"2.5.29.15", "2.5.29.19", _AUTHORITY_KEY, _SUBJECT_KEY})


class HostKey(msgspec.Struct, frozen=True):
    """A document and the key in it. That it holds, the functions below say."""

    document: Certificate
    key: PublicKey
    hash: bytes
    """SHA-256 (32 bytes) by which requests and responses name it."""

    @property
    def name(self) -> str:
        """For messages."""
        return f"host key {self.hash.hex()[:16]}"


def host_keys(certificates: Iterable[Certificate]) -> tuple[HostKey, ...]:
    """Pick the host key documents out of certificates: no other certificate has a P-521 key.

    Raises:
        PeerError: a key that cannot be read.
    """
    found = {}
    for one in certificates:
        if _P521 not in one.spki[:32]:
            continue
        try:
            key = PublicKey.from_der(one.spki)
        except InputError as error:
            raise PeerError("host key document", got=error, want="a point of P-521") from error
        if key.kind is Kind.P521:
            found[hash_of(key), one.fingerprint] = HostKey(one, key, hash_of(key))
    return tuple(found.values())


def find_signer(certificates: Iterable[Certificate], at: datetime) -> Certificate:
    """Give the one certificate of a key signing service.

    Raises:
        VerificationError: there is none that is in date, or there are several.
        PeerError: a name that cannot be read.
    """
    found = [one for one in certificates if names.is_signer(one)]
    if len(found) > 1:
        raise vendor_chain.refused(
            found[1],
            f"{len(found)} signing certificates: more than one signing key",
            "exactly one",
            remedy="leave the one that signed your host keys in the folder",
        )
    if not found or not found[0].not_before <= at <= found[0].not_after:
        seen = f"one for {_dates(found[0])}" if found else "none"
        raise _refused(
            f"no signing key: {seen}",
            f"one IBM Z host key signing certificate, valid at {at.isoformat()}",
            "fetch it from IBM, with the intermediate and their lists",
        )
    return found[0]


def verify_signer(
    signer: Certificate,
    pool: Sequence[Certificate],
    lists: Sequence[RevocationList],
    *,
    pins: frozenset[bytes],
    at: datetime,
    memory: ChainMemory | None = None,
) -> VerifiedChain:
    """Verify the signing certificate to a configured root, through one intermediate.

    Raises:
        VerificationError: it does not chain, a list is missing, or a certificate is revoked, out
            of date or weak.
    """
    path = vendor_chain.arrange(signer, [one for one in pool if one is not signer])
    last = path[-1]
    if last.issuer != last.subject:
        raise vendor_chain.refused(
            last,
            f"issuer not found: {names.text(last.issuer)}",
            "its issuer among the certificates given",
            remedy="put intermediate and root into the folder",
        )
    if len(path) != _LENGTH:
        raise vendor_chain.refused(
            signer, f"{len(path)} certificates", "signing certificate, one intermediate, root"
        )
    chain = vendor_chain.verify(
        path, pins=pins, at=at, lists=lists, lists_required=True, memory=memory
    )
    for one in path:
        _require_security(one)
    return chain


def verify_document(document: Certificate, signer: Certificate, at: datetime) -> None:
    """Verify what the document says of itself, and that the signer said it.

    Raises:
        VerificationError: another issuer, signature or kind of key, or out of date.
        PeerError: a name or an extension that cannot be read.
    """
    if not names.same(document.issuer, signer.subject):
        raise _refused(
            f"issuer {names.text(document.issuer)}: not the signing certificate",
            names.text(signer.subject),
            "use host key documents of this signing service",
        )
    if not document.signed_by(signer):
        raise _refused("a signature that does not verify", "one by the signing key", "")
    if not _names_key_of(document, signer):
        raise _refused("another authority key identifier", "the signing key's", "")
    if not document.not_before <= at <= document.not_after:
        raise _refused(
            f"time {at.isoformat()}: {'before' if at < document.not_before else 'after'} validity",
            f"between {_dates(document)}",
            "fetch a host key document that is valid",
        )
    _require_security(document)
    if not document.may(_AGREEMENT):
        raise _refused("a key that may not agree on keys", "key usage keyAgreement", "")
    for oid, extension in document.extensions.items():
        if extension.critical and oid not in _UNDERSTOOD:
            raise _refused(f"critical extension {oid}", "only ones that are understood", "")


def verify_not_revoked(
    document: Certificate, signer: Certificate, lists: Iterable[RevocationList], at: datetime
) -> int:
    """Verify that the signer's lists do not name the document; give how many lists counted.

    A list counts that names the signer as issuer, was signed by its key and is in date. An
    outdated one clears nobody, but can still accuse.

    Raises:
        VerificationError: it is named, or no list counts.
    """
    own = [
        one for one in lists if names.same(one.issuer, signer.subject) and one.signed_with(signer)
    ]
    if any(document.serial in one.revoked for one in own):
        raise _refused(
            f"serial number {document.serial:#x}: revoked",
            "a host key that is not revoked",
            "do not trust this machine; ask IBM",
        )
    valid = [one for one in own if one.next_update and one.this_update <= at <= one.next_update]
    if not valid:
        raise _refused(
            f"revocation list missing: none of {len(own)} of {names.text(signer.subject)} counts",
            f"one that is valid at {at.isoformat()}",
            "fetch the signing service's list",
        )
    return len(valid)


def _require_security(certificate: Certificate) -> None:
    bits = security_bits(certificate)
    if bits < _SECURITY:
        raise vendor_chain.refused(
            certificate, f"a key of {bits} bits of security", f"at least {_SECURITY}"
        )


def _names_key_of(document: Certificate, signer: Certificate) -> bool:
    """Compare key identifiers, where both are given (RFC 5280 4.2.1.1)."""
    where = "authority key identifier"
    of_issuer, own = document.extensions.get(_AUTHORITY_KEY), signer.extensions.get(_SUBJECT_KEY)
    if of_issuer is None or own is None:
        return True
    given = [
        part.content
        for part in Element.parse(of_issuer.value, where).children(where)
        if part.tag == 0x80
    ]
    return not given or given == [Element.parse(own.value, where).content]


def _dates(certificate: Certificate) -> str:
    return f"{certificate.not_before.isoformat()} and {certificate.not_after.isoformat()}"


def _refused(got: str, expected: str, remedy: str) -> VerificationError:
    return refusal(
        "se host key document",
        claim="host key document",
        got=got,
        expected=expected,
        rule="tee §12 host key documents",
        remedy=remedy,
    )
