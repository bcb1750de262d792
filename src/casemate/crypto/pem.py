"""PEM (RFC 7468): the pieces of a text, whatever stands around them."""

import binascii
import re
from typing import Final

from casemate.errors import PeerError

_BLOCK: Final = re.compile(
    rb"-----BEGIN ([A-Z0-9 ]{1,64})-----([A-Za-z0-9+/=\s]*)-----END \1-----"  # linear
)
_MOST: Final = 4096
_AROUND: Final = b" \t\r\n\0"


def blocks(text: bytes, label: str = "") -> list[bytes]:
    """Give the content (DER) of each piece, in order; only those with ``label`` when given.

    Pieces whose base64 is broken are left out: whoever needs them will find them missing.
    """
    found = []
    for match in _BLOCK.finditer(text):
        if label and match[1].decode("ascii") != label:
            continue
        try:
            found.append(binascii.a2b_base64(b"".join(match[2].split()), strict_mode=True))
        except binascii.Error:
            continue
        if len(found) == _MOST:
            break
    return found


def only_blocks(text: bytes, label: str) -> list[bytes]:
    """Give the content (DER) of each piece of a text that holds nothing else.

    Blanks, line ends and NULs may stand between the pieces and behind them.

    Raises:
        PeerError: there is anything else, another label, a blank line in a piece, broken base64.
    """
    found = []
    at = 0
    for match in _BLOCK.finditer(text):
        lines = match[0].split(b"\n")
        body = b"".join(match[2].split())
        if (
            text[at : match.start()].strip(_AROUND)
            or match[1].decode("ascii") != label
            or b"" in map(bytes.strip, lines)
        ):
            raise _other(label)
        try:
            found.append(binascii.a2b_base64(body, strict_mode=True))
        except binascii.Error as error:
            raise _other(label) from error
        at = match.end()
    if text[at:].strip(_AROUND):
        raise _other(label)
    return found


def _other(label: str) -> PeerError:
    return PeerError("PEM", got="other text", want=f"pieces {label} alone", spec="RFC 7468")


def encode(der: bytes, label: str) -> bytes:
    """Write one piece, 64 characters a line."""
    text = binascii.b2a_base64(der, newline=False)
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    name = label.encode("ascii")
    return b"".join(
        [b"-----BEGIN ", name, b"-----\n", b"\n".join(lines), b"\n-----END ", name, b"-----\n"]
    )
