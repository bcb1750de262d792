"""A document between service and cache: its file name made safe, its content looked at once.

That look does not verify anything. It keeps a captive portal's page or half a list from standing in
a cache for as long as the right document would.
"""

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from casemate.crypto.der import Element, Tag
from casemate.crypto.pem import blocks
from casemate.errors import MALFORMED_JSON, InputError, PeerError

_PLAIN: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-=%")
_LONGEST_PART: Final = 200
_MOST_PARTS: Final = 12
CHAIN_SUFFIX: Final = ".pem"
"""Added to the name of a document whose issuer chain came in a header."""


def safe_name(name: str) -> str:
    """Give a relative path that stays in its folder and is hidden nowhere.

    Letters, digits and ``._-=%`` stay; other characters, and a dot in front, become ``%`` and hex.

    Raises:
        InputError: no name at all, one that goes upwards, or one too long for a file system.
    """
    parts = name.split("/")
    found = [_safe_part(part) for part in parts]
    if any(part in {"", ".", ".."} or len(part) > _LONGEST_PART for part in (*parts, *found)):
        raise InputError("name of a document", got=name, want="a relative path")
    if len(parts) > _MOST_PARTS:
        raise InputError("name of a document", got=name, want=f"at most {_MOST_PARTS} parts")
    return "/".join(found)


def _safe_part(part: str) -> str:
    plain = "".join(
        one if one in _PLAIN else "".join(f"%{byte:02x}" for byte in one.encode("utf-8", "replace"))
        for one in part
    )
    return f"%2e{plain[1:]}" if plain.startswith(".") and part not in {".", ".."} else plain


def require_plausible(name: str, body: bytes) -> None:
    """Refuse content that cannot be what its name says.

    Raises:
        PeerError: nothing at all, or neither DER, PEM nor JSON where the name ends so.
    """
    if not body:
        raise PeerError(name, got="nothing", want="a document")
    suffix = name.rpartition(".")[2].lower()
    kind = _KINDS.get(suffix)
    if kind is not None and not kind(body):
        raise PeerError(name, got=f"{len(body)} bytes of something else", want=f"a .{suffix} file")


def _is_der(body: bytes) -> bool:
    try:
        return Element.parse(body, "document").tag == Tag.SEQUENCE
    except PeerError:
        return False


def _is_json(body: bytes) -> bool:
    try:
        msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except MALFORMED_JSON:
        return False
    return True


_KINDS: Final[Mapping[str, Callable[[bytes], bool]]] = {
    "der": _is_der,
    "crl": _is_der,
    "pem": lambda body: bool(blocks(body)),
    "json": _is_json,
}
"""End of a name → whether content may be that."""
