"""Annotation packets: a layer key wrapped for a key provider (guest-components section 11)."""

import base64
from enum import StrEnum
from typing import Any, Final

import msgspec

from casemate.crypto.cipher import CtrStream, open_gcm, seal_gcm
from casemate.errors import MALFORMED_JSON, InputError, PeerError
from casemate.oci.encryption.options import decode_base64
from casemate.oci.manifest import Descriptor
from casemate.secret import Secret

PROVIDER_ANNOTATION: Final = "org.opencontainers.image.enc.keys.provider."
"""Prefix; the provider's name follows, and any name is taken."""
KBS: Final = "kbs"
_SPEC: Final = "guest-components 11"
_LARGEST: Final = 64 << 10
_MOST_PACKETS: Final = 16


class WrapType(StrEnum):
    """Ciphers that wrap a layer key."""

    A256GCM = "A256GCM"
    """12-byte IV, tag appended."""
    A256CTR = "A256CTR"
    """16-byte IV; the wrapped key is not authenticated."""


class AnnotationPacket(msgspec.Struct, frozen=True):
    """A wrapped layer key and who can unwrap it; either version reads into this."""

    kid: str
    """Name of the wrapping key: a KBS URI, for provider ``kbs``."""
    wrapped_data: bytes
    iv: bytes = b""
    wrap_type: str = ""
    provider: str = KBS
    version: str = ""
    """Empty for version 1, ``0.1.0`` for version 2."""
    raw: bytes = b""
    """The JSON as it came."""


class _Text(msgspec.Struct, frozen=True, omit_defaults=True):
    kid: str
    wrapped_data: str
    iv: str | None = None
    wrap_type: str | None = None
    version: str | None = None
    provider: str = KBS
    provider_settings: dict[str, Any] | None = None
    annotations: dict[str, Any] | None = None


def parse(raw: bytes) -> AnnotationPacket:
    """Read a packet.

    Raises:
        PeerError: larger than 64 KiB, not JSON, or a member missing for its provider.
    """
    if len(raw) > _LARGEST:
        raise _wrong(f"{len(raw)} bytes", f"at most {_LARGEST} bytes")
    try:
        text = msgspec.json.decode(raw, type=_Text)
    except MALFORMED_JSON as error:
        raise _wrong(error, "the JSON of a packet") from error
    if text.provider == KBS and (text.iv is None or text.wrap_type not in set(WrapType)):
        raise _wrong(text.wrap_type, f"iv, and wrap_type one of {', '.join(WrapType)}")
    return AnnotationPacket(
        kid=text.kid,
        wrapped_data=decode_base64(text.wrapped_data, "wrapped_data"),
        iv=decode_base64(text.iv or "", "iv"),
        wrap_type=text.wrap_type or "",
        provider=text.provider,
        version=text.version or "",
        raw=raw,
    )


def packets_of(descriptor: Descriptor) -> tuple[AnnotationPacket, ...]:
    """Read every key-provider packet of a layer, in the order of the annotations.

    Raises:
        PeerError: one is not as specified, or there are more than 16.
    """
    values = [
        part
        for name, value in sorted((descriptor.annotations or {}).items())
        if name.startswith(PROVIDER_ANNOTATION)
        for part in value.split(",", _MOST_PACKETS)
    ]
    if len(values) > _MOST_PACKETS:
        raise _wrong(f"{len(values)} packets", f"at most {_MOST_PACKETS}")
    return tuple(parse(decode_base64(value, "key packet")) for value in values)


def encode(packet: AnnotationPacket) -> bytes:
    """Write a packet: version 2 when ``version`` is set, else version 1."""
    members: dict[str, Any] = {
        "kid": packet.kid,
        "wrapped_data": _base64(packet.wrapped_data),
        "iv": _base64(packet.iv),
        "wrap_type": packet.wrap_type,
    }
    if packet.version:
        members |= {
            "version": packet.version,
            "provider": packet.provider,
            "provider_settings": {},
            "annotations": {},
        }
    return msgspec.json.encode(members)


def wrap(
    content: Secret, *, kek: Secret, kid: str, iv: bytes, wrap_type: WrapType = WrapType.A256GCM
) -> AnnotationPacket:
    """Wrap ``content`` (private options) with a 32-byte key that the key broker holds.

    Raises:
        InputError: ``kek`` or ``iv`` has the wrong size. An IV never serves a key twice.
    """
    if wrap_type is WrapType.A256GCM:
        sealed = seal_gcm(kek, iv, content)
    else:
        sealed = CtrStream(kek, iv).update(content.reveal())
    return AnnotationPacket(kid=kid, wrapped_data=sealed, iv=iv, wrap_type=wrap_type)


def unwrap(packet: AnnotationPacket, kek: Secret) -> Secret:
    """Open a packet of provider ``kbs``; gives the private options.

    Raises:
        VerificationError: GCM's tag does not match.
        PeerError: the packet is another provider's, or a size is wrong.
    """
    if packet.provider != KBS:
        raise _wrong(f"provider {packet.provider}", f"provider {KBS}")
    try:
        if packet.wrap_type == WrapType.A256GCM:
            return open_gcm(kek, packet.iv, packet.wrapped_data)
        return Secret(CtrStream(kek, packet.iv).update(packet.wrapped_data))
    except InputError as error:
        raise _wrong(error.got, error.want) from error


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _wrong(got: object, want: str) -> PeerError:
    return PeerError("key packet", got=got, want=want, spec=_SPEC)
