"""XML signatures (XMLDSig) of the one profile that manifests of NVIDIA have; any other is refused.

the signature stands directly in the document's root, and covers all of the root but itself
Canonical XML 1.1, SHA-384, ECDSA on P-384 with SHA-384 (r || s), certificates in X509Data
"""

import binascii
import hashlib
import hmac
from typing import Final, Self

import msgspec

from casemate.crypto.certificate import Certificate
from casemate.crypto.keys import PublicKey
from casemate.crypto.xml_document import Node, canonical
from casemate.errors import PeerError

DSIG: Final = "http://www.w3.org/2000/09/xmldsig#"
C14N11: Final = "http://www.w3.org/2006/12/xml-c14n11"
ENVELOPED: Final = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
ECDSA_SHA384: Final = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384"
SHA384: Final = "http://www.w3.org/2001/04/xmldsig-more#sha384"
_MOST_CERTIFICATES: Final = 10
_SPEC: Final = "XMLDSig"


class XmlSignature(msgspec.Struct, frozen=True):
    """A signature, whose digest is that of the document it stands in."""

    signed: bytes
    """SignedInfo, canonical."""
    signature: bytes
    """96 bytes, r || s."""
    certificates: tuple[Certificate, ...]

    @classmethod
    def parse(cls, root: Node) -> Self:
        """Read the signature of a document, and compare the document's digest.

        Raises:
            PeerError: none, several, another profile, or a digest of something else.
        """
        own = root.only(DSIG, "Signature")
        info = own.only(DSIG, "SignedInfo")
        _require_profile(info)
        digest = _base64(info.only(DSIG, "Reference").only(DSIG, "DigestValue"))
        found = hashlib.sha384(canonical(root, without=own)).digest()
        if not hmac.compare_digest(found, digest):
            raise _error(f"digest {digest.hex()}", f"{found.hex()}, of the document")
        data = own.only(DSIG, "KeyInfo").only(DSIG, "X509Data")
        certificates = [_base64(one) for one in data.elements(DSIG, "X509Certificate")]
        if not 1 <= len(certificates) <= _MOST_CERTIFICATES:
            raise _error(f"{len(certificates)} certificates", f"1 to {_MOST_CERTIFICATES}")
        return cls(
            canonical(info),
            _base64(own.only(DSIG, "SignatureValue")),
            tuple(map(Certificate.parse, certificates)),
        )

    def verify(self, signer: Certificate) -> None:
        """Verify that this certificate's key signed.

        Raises:
            VerificationError: it did not.
            InputError: its key is of another kind.
        """
        PublicKey.from_der(signer.spki).verify(self.signature, self.signed, "ES384")


def _require_profile(info: Node) -> None:
    reference = info.only(DSIG, "Reference")
    transforms = reference.only(DSIG, "Transforms")
    got = (
        info.only(DSIG, "CanonicalizationMethod").attribute("Algorithm"),
        info.only(DSIG, "SignatureMethod").attribute("Algorithm"),
        reference.attribute("URI") if "URI" in reference.attributes else "no URI",
        *(one.attribute("Algorithm") for one in transforms.elements(DSIG, "Transform")),
        reference.only(DSIG, "DigestMethod").attribute("Algorithm"),
    )
    if got != (C14N11, ECDSA_SHA384, "", ENVELOPED, C14N11, SHA384):
        raise _error(got, "the whole document, Canonical XML 1.1, SHA-384, ECDSA")


def _base64(node: Node) -> bytes:
    try:
        return binascii.a2b_base64("".join(node.text.split()).encode("ascii"), strict_mode=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise _error(f"{node.name} in another form", "base64") from error


def _error(got: object, want: str) -> PeerError:
    return PeerError("XML signature", got=got, want=want, spec=_SPEC)
