"""Initdata: the pod's own configuration, as TOML, and the two forms it travels in.

Spec guest-components.md section 22, runtime.md section 11. The digest is over the exact bytes:
nothing is normalised, a trailing newline counts.
"""

import base64
import binascii
import json
import zlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec

from casemate import toml
from casemate.crypto.digest import Algorithm, Digest
from casemate.errors import InputError, quote

VERSION: Final = "0.1.0"
MAGIC: Final = b"initdata"
"""First 8 bytes of the block-device form."""
LARGEST: Final = 1 << 20
"""Largest TOML text and largest compressed form, in bytes."""

_SPEC: Final = "guest-components 22"
_SECTOR: Final = 512


class Initdata(msgspec.Struct, frozen=True):
    """A parsed initdata document; only ``parse`` and ``build`` make one."""

    version: str
    algorithm: Algorithm
    data: Mapping[str, str]
    """File name (no folder) to text."""
    raw: bytes
    """The TOML exactly as it came."""
    digest: Digest
    """Hash of ``raw`` with ``algorithm``."""


def parse(raw: bytes) -> Initdata:
    """Read the TOML text, at most 1 MiB.

    Raises:
        InputError: not TOML, unknown member, version or algorithm, or an unsafe file name.
    """
    document = _toml(raw)
    if unknown := document.keys() - {"version", "algorithm", "data"}:
        raise _wrong("member", ", ".join(sorted(unknown)), "version, algorithm and [data] only")
    if document.get("version") != VERSION:
        raise _wrong("version", document.get("version"), f'"{VERSION}"')
    if not isinstance(name := document.get("algorithm"), str):
        raise _wrong("algorithm", type(name).__name__, "a string")
    algorithm = Algorithm.parse(name)
    data = MappingProxyType(_files(document.get("data")))
    return Initdata(VERSION, algorithm, data, raw, Digest.of(raw, algorithm))


def build(files: Mapping[str, str], algorithm: Algorithm = Algorithm.SHA256) -> Initdata:
    """Make a document of ``files`` (name to text); the same input gives the same bytes.

    Raises:
        InputError: a name is unsafe, or the whole is larger than 1 MiB.
    """
    lines = [f'version = "{VERSION}"', f'algorithm = "{algorithm}"', "", "[data]"]
    lines += [f"{_basic(name)} = {_text(text)}" for name, text in _files(dict(files)).items()]
    made = parse(("\n".join(lines) + "\n").encode(errors="surrogatepass"))
    if dict(made.data) != dict(files):
        raise _wrong("text", "a text that TOML cannot carry", "Unicode text")
    return made


def encode_annotation(initdata: Initdata) -> str:
    """Give the pod annotation: gzip, then standard base64."""
    return base64.b64encode(_gzip(initdata.raw)).decode()


def parse_annotation(text: str) -> Initdata:
    """Read the pod annotation; padding may be missing.

    Raises:
        InputError: not base64, not gzip, larger than 1 MiB, or not an initdata document.
    """
    text = text.strip()
    try:
        packed = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise _wrong("annotation", text, "standard base64") from error
    return parse(_gunzip(packed))


def encode_block(initdata: Initdata) -> bytes:
    """Give the block-device form, padded with zeros to whole 512-byte sectors."""
    packed = _gzip(initdata.raw)
    image = MAGIC + len(packed).to_bytes(8, "little") + packed
    return image + bytes(-len(image) % _SECTOR)


def parse_block(image: bytes) -> Initdata:
    """Read the block-device form; bytes after the stated length are ignored.

    Raises:
        InputError: no magic, a length beyond the image, or not an initdata document.
    """
    if image[:8] != MAGIC or len(image) < 16:
        raise _wrong("block device", image[:8], "8 bytes 'initdata' and a length")
    length = int.from_bytes(image[8:16], "little")
    if not 0 < length <= min(LARGEST, len(image) - 16):
        raise _wrong("block device length", length, f"1 to {min(LARGEST, len(image) - 16)}")
    return parse(_gunzip(image[16 : 16 + length]))


def _toml(raw: bytes) -> dict[str, Any]:
    if len(raw) > LARGEST:
        raise _wrong("size", f"{len(raw)} bytes", f"at most {LARGEST}")
    try:
        return toml.loads(raw.decode())
    except ValueError as error:
        raise _wrong("document", error, "TOML") from error


def _files(table: object) -> dict[str, str]:
    if not isinstance(table, dict):
        raise _wrong("[data]", type(table).__name__, "a table")
    for name, text in table.items():
        if not name or name in {".", ".."} or "/" in name or "\0" in name or len(name) > 255:
            raise _wrong("[data] name", name, "a plain file name")
        if not isinstance(text, str):
            raise _wrong(f"[data] {quote(name)}", type(text).__name__, "a string")
    return table


def _text(text: str) -> str:
    plain = all(c in "\n\t" or (c.isprintable()) for c in text)
    if "\n" in text and plain and "'''" not in text and not text.endswith("'"):
        return f"'''\n{text}'''"
    return _basic(text)


def _basic(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _gzip(raw: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return packer.compress(raw) + packer.flush()


def _gunzip(packed: bytes) -> bytes:
    if len(packed) > LARGEST:
        raise _wrong("compressed size", f"{len(packed)} bytes", f"at most {LARGEST}")
    inflater = zlib.decompressobj(31)
    try:
        raw = inflater.decompress(packed, LARGEST + 1)
    except zlib.error as error:
        raise _wrong("compressed data", error, "gzip") from error
    if len(raw) > LARGEST or not inflater.eof:
        raise _wrong("compressed data", "too large or cut off", f"at most {LARGEST} bytes of gzip")
    return raw


def _wrong(what: str, got: object, want: str) -> InputError:
    return InputError(f"initdata {what}", got=got, want=want, spec=_SPEC)
