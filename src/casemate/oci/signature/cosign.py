"""Cosign signatures made with a key (guest-components section 15.3).

The signature image of an image lies in its repository under ``sha256-<hex>.sig``.
"""

import base64
import binascii
from typing import Final

import msgspec

from casemate.crypto.digest import Digest
from casemate.crypto.keys import Kind, PublicKey
from casemate.errors import MALFORMED_JSON, InputError, PeerError, VerificationError
from casemate.oci.manifest import Manifest, parse_document
from casemate.oci.source import NotFoundError, Source, read_blob

PAYLOAD_TYPE: Final = "application/vnd.dev.cosign.simplesigning.v1+json"
SIGNATURE: Final = "dev.cosignproject.cosign/signature"
"""Annotation of a signature image's layer."""
CRITICAL_TYPE: Final = "cosign container image signature"

_LARGEST: Final = 64 << 10
_MOST: Final = 64


class Signature(msgspec.Struct, frozen=True):
    """A payload and a signature over it, neither verified."""

    payload: bytes
    signature: bytes


class Claim(msgspec.Struct, frozen=True):
    """What a verified payload says."""

    digest: str
    identity: str


class _Image(msgspec.Struct, frozen=True, rename={"digest": "docker-manifest-digest"}):
    digest: str


class _Identity(msgspec.Struct, frozen=True, rename={"reference": "docker-reference"}):
    reference: str


class _Critical(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    type: str
    image: _Image
    identity: _Identity


class _Payload(msgspec.Struct, frozen=True):
    critical: _Critical


def tag(digest: Digest) -> str:
    """Name the signature image of an image."""
    return f"{digest.algorithm}-{digest.hex}.sig"


def encode_payload(digest: Digest, repository: str) -> bytes:
    """Write the payload that is signed, as cosign writes it."""
    critical = {
        "identity": {"docker-reference": repository},
        "image": {"docker-manifest-digest": str(digest)},
        "type": CRITICAL_TYPE,
    }
    return msgspec.json.encode({"critical": critical, "optional": None})


async def fetch(source: Source, digest: Digest) -> tuple[Signature, ...]:
    """Fetch all signatures of an image; none is an empty tuple.

    Raises:
        PeerError: the signature image breaks its format, or has more than 64 signatures.
        VerificationError: a payload does not have the digest that names it.
    """
    try:
        document = await source.document(tag(digest))
    except NotFoundError:
        return ()
    manifest = parse_document(document.raw, document.media_type)
    if not isinstance(manifest, Manifest) or len(manifest.layers) > _MOST:
        raise PeerError("signature image", got="no small manifest", want=f"at most {_MOST} layers")
    found = []
    for layer in manifest.layers:
        text = (layer.annotations or {}).get(SIGNATURE)
        if layer.media_type == PAYLOAD_TYPE and text is not None:
            payload = await read_blob(source, layer, _LARGEST)
            found.append(Signature(payload, _base64(text)))
    return tuple(found)


def verify(signature: Signature, key: PublicKey) -> Claim:
    """Verify one signature; gives what its payload says.

    Raises:
        VerificationError: the signature is not this key's.
        PeerError: it is, and the payload is not of cosign's form.
    """
    _verify_any(signature, key)
    try:
        payload = msgspec.json.decode(signature.payload, type=_Payload)
    except MALFORMED_JSON as error:
        raise PeerError("signed payload", got=error, want="simple-signing JSON") from error
    critical = payload.critical
    if critical.type != CRITICAL_TYPE:
        raise PeerError("signed payload type", got=critical.type, want=CRITICAL_TYPE)
    return Claim(critical.image.digest, critical.identity.reference)


def _verify_any(signature: Signature, key: PublicKey) -> None:
    """Try the hashes that tools have used for this kind of key."""
    hashes = {Kind.P384: ("sha384", "sha256"), Kind.P521: ("sha512", "sha256")}
    *first, last = hashes.get(key.kind, ("sha256",))
    for name in first:
        try:
            return key.verify_der(signature.signature, signature.payload, name)
        except VerificationError:
            continue
    return key.verify_der(signature.signature, signature.payload, last)


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return b""  # verifies with no key; a stray one must not block a good one


def read_key(pem: bytes, where: str) -> PublicKey:
    """Read a public key; InputError names ``where``."""
    try:
        return PublicKey.from_pem(pem)
    except InputError as error:
        raise InputError(where, got=error.got, want="a PEM public key") from error
