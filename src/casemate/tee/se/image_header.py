"""Header of a Secure Execution image: what is measured of it, and where in an image it stands.

All big-endian (tee §12). The header is encrypted to host keys behind its head; the four tags that
a measurement covers are in the clear.
"""

import struct
from typing import Final, NamedTuple, Self

from casemate.errors import PeerError
from casemate.tee.layout import Field

MAGIC: Final = b"IBMSecEx"
VERSION: Final = 0x100
TAGS_SIZE: Final = 208

_SPEC: Final = "tee §12 image header"
_WHERE: Final = "image header"
_PAGE: Final = 4096
_PAGES: Final = 0x15
"""Page boundaries at which a header may stand."""
_SLOT: Final = 80
_TAG: Final = 16
_LARGEST: Final = 1 << 20
"""Bytes of a header that are looked at; the firmware takes two pages."""

_METADATA: Final = struct.Struct(">8sQIQ")
_METADATA_AT: Final = 0xC000
_METADATA_MAGIC: Final = b"SeImgLnx"

HEAD: Final = (
    ("magic", "8s", "IBMSecEx"),
    ("version", "I", "0x100"),
    ("size", "I", "bytes of the whole header"),
    ("iv", "12s", "of the encrypted part"),
    ("reserved", "4s", ""),
    ("key_slots", "Q", "hosts that can start the image (nks)"),
    ("encrypted_size", "Q", "bytes of the encrypted part (sea)"),
    ("pages", "Q", "encrypted pages (nep)"),
    ("control_flags", "Q", "plaintext control flags (pcf)"),
    ("customer_key", "160s", "P-521 point of who built the image"),
    ("pld", "64s", "page list digest"),
    ("ald", "64s", "address list digest"),
    ("tld", "64s", "tweak list digest"),
)
"""Name, form and meaning of each field of the head, in order."""

_HEAD: Final = struct.Struct(">" + "".join(form for _, form, _ in HEAD))


class ImageTags(NamedTuple):
    """What identifies an image: three digests of 64 bytes and a tag of 16."""

    pld: bytes
    ald: bytes
    tld: bytes
    tag: bytes

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read the 208 bytes of the wire's ``image_hdr_tags``; PeerError for another size."""
        if len(raw) != TAGS_SIZE:
            raise PeerError("image_hdr_tags", got=f"{len(raw)} bytes", want=f"{TAGS_SIZE} bytes")
        return cls(raw[:64], raw[64:128], raw[128:192], raw[192:])

    def encode(self) -> bytes:
        """Write the 208 bytes."""
        return b"".join(self)


class ImageHeader(NamedTuple):
    """A header as it stands in an image."""

    offset: int
    """Byte of the image where it begins."""
    raw: bytes

    @classmethod
    def find(cls, image: bytes) -> Self:
        """Find the header of an image, or of a file that is a header.

        Where metadata says (``SeImgLnx`` at 0xC000), else on one of the first 0x15 page
        boundaries.

        Raises:
            PeerError: there is none, or it does not hold together.
        """
        offset = _offset(image)
        head = image[offset : offset + _HEAD.size]
        if len(head) != _HEAD.size:
            raise _broken(f"{len(head)} bytes", f"{_HEAD.size} bytes of head")
        values = dict(zip((name for name, _, _ in HEAD), _HEAD.unpack(head), strict=True))
        size = values["size"]
        wanted = _HEAD.size + _SLOT * values["key_slots"] + values["encrypted_size"] + _TAG
        if values["version"] != VERSION:
            raise _broken(f"version {values['version']:#x}", f"{VERSION:#x}")
        if not _HEAD.size + _TAG <= size <= _LARGEST or size != wanted:
            raise _broken(f"size {size}", f"{wanted}, of head, key slots, content and tag")
        raw = image[offset : offset + size]
        if len(raw) != size:
            raise _broken(f"{len(raw)} bytes", f"{size} bytes")
        return cls(offset, raw)

    @property
    def tags(self) -> ImageTags:
        """What identifies the image."""
        return ImageTags.parse(self.raw[_HEAD.size - 192 : _HEAD.size] + self.raw[-_TAG:])

    def fields(self) -> tuple[Field, ...]:
        """Every field, as people read it."""
        found = []
        at = 0
        for (name, form, meaning), value in zip(HEAD, _HEAD.unpack_from(self.raw), strict=True):
            size = struct.calcsize(">" + form)
            shown = value.hex() if isinstance(value, bytes) else f"{value:#x}"
            found.append(Field(name=name, value=shown, meaning=meaning, offset=at, size=size))
            at += size
        sealed = self.raw[at:-_TAG]
        tag = self.raw[-_TAG:]
        return (
            *found,
            Field(
                name="key slots and content",
                value=f"{len(sealed)} bytes",
                meaning="only the hosts named in the slots can read it",
                offset=at,
                size=len(sealed),
            ),
            Field(
                name="tag",
                value=tag.hex(),
                meaning="AES-GCM tag of the header",
                offset=len(self.raw) - _TAG,
                size=_TAG,
            ),
        )


def encode_header(tags: ImageTags) -> bytes:
    """Write a header with these tags and nothing to decrypt, for simulations."""
    size = _HEAD.size + _TAG
    empty = bytes(12), bytes(4), 0, 0, 0, 0, bytes(160)
    return _HEAD.pack(MAGIC, VERSION, size, *empty, tags.pld, tags.ald, tags.tld) + tags.tag


def _offset(image: bytes) -> int:
    metadata = image[_METADATA_AT : _METADATA_AT + _METADATA.size]
    if metadata.startswith(_METADATA_MAGIC):
        if len(metadata) != _METADATA.size:
            raise _broken("cut metadata", f"{_METADATA.size} bytes at {_METADATA_AT:#x}")
        _, offset, version, _ = _METADATA.unpack(metadata)
        if version != 1:
            raise _broken(f"metadata of version {version}", "version 1")
        places = [int(offset)]
    else:
        places = [page * _PAGE for page in range(_PAGES)]
    for place in places:
        if image.startswith(MAGIC, place):
            return place
    raise _broken("none", f"{MAGIC.decode()} at the begin or on a page boundary")


def _broken(got: str, want: str) -> PeerError:
    return PeerError(_WHERE, got=got, want=want, spec=_SPEC)
