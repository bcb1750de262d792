"""TOML of strangers: the standard parser, kept from what it takes too long for."""

import re
import tomllib
from typing import Any, Final

_MOST_PARTS: Final = 64
_MOST_MARKS: Final = 16_384
_LEXEME: Final = (
    r"(?P<part>[A-Za-z0-9_-]+)|(?P<dot>\.)|(?P<mark>[=,\[{])|(?P<quote>[\x22\x27])"
    r"|[ \t]+|#[^\n]*|(?P<other>[^A-Za-z0-9_.=,\[{\x22\x27 \t#-]+)"
)
_IN_STRING: Final = {'"': r'\\.|["\n]', '"""': r'\\.|"""', "'": r"['\n]", "'''": "'''"}
"""What is looked for in each kind of string: its end, or what must not be, or what hides an end."""


def loads(text: str) -> dict[str, Any]:
    """Read a document; the caller bounds its size.

    The standard parser recurses into brackets, takes time that grows with the square of the parts
    of a dotted key (half an hour for a megabyte), and seconds for a megabyte of short tables. So a
    key has at most 64 parts, and a document 16,384 keys, values and parts; strings may be long.

    Raises:
        ValueError: no TOML, brackets beyond reading, or more than that.
    """
    marks = text.count("=") + text.count(",") + text.count("[") + text.count("{") + text.count(".")
    if marks > _MOST_MARKS or any(line.count(".") >= _MOST_PARTS for line in text.split("\n")):
        _require_little(text)
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise ValueError("brackets nested too deeply") from error


def _require_little(text: str) -> None:
    """Look at the whole of it: what is in strings and comments does not count."""
    lexeme = re.compile(_LEXEME)
    at = dots = marks = 0
    while found := lexeme.match(text, at):
        at = found.end()
        match found.lastgroup:
            case "dot":
                dots, marks = dots + 1, marks + 1
            case "mark":
                dots, marks = 0, marks + 1
            case "quote":
                at = _end_of_string(text, found.start())
            case "other":
                dots = 0
            case _:
                continue
        if dots >= _MOST_PARTS:
            raise ValueError(f"a key of more than {_MOST_PARTS} parts")
        if marks > _MOST_MARKS:
            raise ValueError(f"more than {_MOST_MARKS} keys, values and parts of keys")


def _end_of_string(text: str, at: int) -> int:
    """Give where the string that begins ``at`` ends: a key may be written as one."""
    quote = text[at]
    kind = quote * 3 if text.startswith(quote * 3, at) else quote
    for found in re.compile(_IN_STRING[kind], re.DOTALL).finditer(text, at + len(kind)):
        if found[0] == kind:
            end = found.end()
            while kind != quote and text.startswith(quote, end):
                end += 1  # its last characters may be quotes
            return end
        if found[0] == "\n":
            break
    raise ValueError("a string without its end")
