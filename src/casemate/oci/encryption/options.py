"""What an encrypted layer says of its cipher: public options, and the private ones keys hold."""

import base64
import binascii
from typing import Any, Final

import msgspec

from casemate.crypto.cipher import COUNTER_SIZE, KEY_SIZE
from casemate.crypto.digest import Digest
from casemate.errors import MALFORMED_JSON, CasemateError, PeerError
from casemate.oci.manifest import Descriptor
from casemate.secret import Secret

CIPHER: Final = "AES_256_CTR_HMAC_SHA256"
PUBLIC_ANNOTATION: Final = "org.opencontainers.image.enc.pubopts"
_SPEC: Final = "guest-components 16"
_LARGEST: Final = 64 << 10


class PublicOptions(msgspec.Struct, frozen=True):
    """Cipher facts everybody may see."""

    hmac: bytes
    """HMAC-SHA256 over the ciphertext, 32 bytes."""


class PrivateOptions(msgspec.Struct, frozen=True):
    """Cipher facts that the wrapped key holds."""

    key: Secret
    """32 bytes, for AES-256-CTR and for the HMAC."""
    nonce: bytes
    """The first counter block, 16 bytes."""
    digest: Digest | None
    """Digest of the blob before encryption."""


class _PublicText(msgspec.Struct, frozen=True):
    cipher: str
    hmac: str
    cipheroptions: dict[str, Any] | None = None


class _PrivateText(msgspec.Struct, frozen=True):
    symkey: str
    digest: str
    cipheroptions: dict[str, str]


def public_of(descriptor: Descriptor) -> PublicOptions:
    """Read the public options of an encrypted layer.

    Raises:
        PeerError: they are missing, not as specified, or name another cipher.
    """
    text = (descriptor.annotations or {}).get(PUBLIC_ANNOTATION, "")
    raw = decode_base64(text, PUBLIC_ANNOTATION)
    options = _decode(raw, _PublicText, "public options")
    if options.cipher != CIPHER:
        raise PeerError("layer cipher", got=options.cipher, want=CIPHER, spec=_SPEC)
    return PublicOptions(_sized(decode_base64(options.hmac, "layer HMAC"), 32, "layer HMAC"))


def encode_public(options: PublicOptions) -> str:
    """Give the annotation's value."""
    text = {"cipher": CIPHER, "hmac": _base64(options.hmac), "cipheroptions": {}}
    return _base64(msgspec.json.encode(text))


def parse_private(raw: Secret) -> PrivateOptions:
    """Read the private options that an unwrapped key packet gives.

    Raises:
        PeerError: not as specified; the message shows nothing of the content.
    """
    try:
        text = _decode(raw.reveal(), _PrivateText, "private options")
        key = _sized(decode_base64(text.symkey, "key"), KEY_SIZE, "key")
        nonce = decode_base64(text.cipheroptions.get("nonce", ""), "nonce")
        digest = Digest.parse(text.digest) if text.digest else None
        return PrivateOptions(Secret(key), _sized(nonce, COUNTER_SIZE, "nonce"), digest)
    except CasemateError:
        # The cause would quote the key: it ends here.
        raise PeerError(
            "private options of a layer",
            got="something else",
            want="symkey, digest, nonce",
            spec=_SPEC,
        ) from None


def encode_private(options: PrivateOptions) -> Secret:
    """Write the private options in the Go tools' member order."""
    return Secret(
        msgspec.json.encode(
            {
                "symkey": _base64(options.key.reveal()),
                "digest": str(options.digest) if options.digest else "",
                "cipheroptions": {"nonce": _base64(options.nonce)},
            }
        )
    )


def decode_base64(text: str, what: str) -> bytes:
    """Decode standard base64 of at most 64 KiB; PeerError names ``what``."""
    if len(text) > _LARGEST:
        raise PeerError(what, got=f"{len(text)} characters", want=f"at most {_LARGEST}")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise PeerError(what, got=text, want="standard base64", spec=_SPEC) from error


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _sized(data: bytes, size: int, what: str) -> bytes:
    if len(data) != size:
        raise PeerError(what, got=f"{len(data)} bytes", want=f"{size} bytes", spec=_SPEC)
    return data


def _decode(raw: bytes, kind: type[Any], what: str) -> Any:
    try:
        return msgspec.json.decode(raw, type=kind)
    except MALFORMED_JSON as error:
        raise PeerError(what, got=error, want="the JSON of ocicrypt", spec=_SPEC) from error
