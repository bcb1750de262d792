"""How a service shows that its TLS key lives in a TEE: what clients read before they send data.

The service answers ``GET /.well-known/casemate-attestation?nonce=N`` on the connection itself, or
carries the same document in its certificate (extension ``EXTENSION``). Evidence is bound as in a
handshake with a key broker: to the digest of nonce and public key, so it cannot be moved to another
key, and where the client chose the nonce, not be kept from earlier.
"""

from typing import Final

import msgspec

from casemate.crypto.digest import Algorithm, Digest
from casemate.crypto.keys import PublicKey
from casemate.errors import MALFORMED_JSON, PeerError

PATH: Final = "/.well-known/casemate-attestation"
EXTENSION: Final = "2.25.165330270346834529476093250236263527301"
"""OID of the certificate extension; an arc below 2.25 is a UUID (X.667), ours."""
LARGEST: Final = 4 << 20
"""Bytes of a document that are read."""
_LONGEST_NONCE: Final = 256


class AttestedKey(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """The document: evidence of ``tee``, or a token of an attestation service that saw it."""

    nonce: str
    """The client's, or in a certificate the service's own: what the evidence is fresh for."""
    tee: str = ""
    evidence: msgspec.Raw = msgspec.Raw(b"null")
    """As on the wire of a handshake (JSON)."""
    init_data: str = ""
    """The pod's initdata (TOML), which tells what may run there; its digest is in the evidence."""
    token: str = ""
    """An attestation token (EAR) whose ``tee-pubkey`` is the TLS key."""


def encode(document: AttestedKey) -> bytes:
    """Write the document (JSON)."""
    return msgspec.json.encode(document)


def parse(raw: bytes) -> AttestedKey:
    """Read a document of at most 4 MiB.

    Raises:
        PeerError: larger, not such a document, or with neither evidence nor token.
    """
    if len(raw) > LARGEST:
        raise PeerError("attestation", got=f"{len(raw)} bytes", want=f"at most {LARGEST}")
    try:
        document = msgspec.json.decode(raw, type=AttestedKey)
    except MALFORMED_JSON as error:
        raise PeerError("attestation", got=str(error), want="an attested key") from error
    if len(document.nonce) > _LONGEST_NONCE:
        raise PeerError("attestation", got="a longer nonce", want=f"at most {_LONGEST_NONCE}")
    if not document.token and not document.tee:
        raise PeerError("attestation", got="neither evidence nor token", want="one of them")
    return document


def report_data(nonce: str, key: PublicKey) -> Digest:
    """Give what the evidence must carry: SHA-384 of canonical JSON of nonce and key (RFC 8785).

    The same form as a handshake's (trustee spec §3.4), without further evidence. The key is a
    JWK of its required members alone (RFC 7638 section 3.2).
    """
    canonical = msgspec.json.encode(
        {"additional-evidence": "", "nonce": nonce, "tee-pubkey": key.jwk()}, order="sorted"
    )
    return Digest.of(canonical, Algorithm.SHA384)
