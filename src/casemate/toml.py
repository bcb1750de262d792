"""TOML of strangers: the standard parser, kept from what it takes too long for."""

import re
import tomllib
from typing import Any, Final

_MOST_PARTS: Final = 64
_MOST_MARKS: Final = 16_384
_STRINGS: Final = (
    r'"""(?:[^"\\]++|\\.|"(?!""))*+"""+',
    r"'''.*?'''+",
    r'"(?!"")(?:[^"\\\n]|\\.)*+"',
    r"'(?!'')[^'\n]*+'",
)
_TOKEN: Final = (
    rf"(?P<part>{'|'.join(_STRINGS)}|[A-Za-z0-9_-]++)|(?P<dot>\.)|(?P<mark>[=,\[{{])"
    r"|(?P<open>[\x22\x27])|[ \t]++|#[^\n]*+|(?P<other>[^A-Za-z0-9_.=,\[{\x22\x27 \t#-]++)"
)
"""Compiled at its first use: most documents need no second look, and a guest starts without."""


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
    dots = marks = 0
    for token in re.finditer(_TOKEN, text, re.DOTALL):
        match token.lastgroup:
            case "dot":
                dots, marks = dots + 1, marks + 1
            case "mark":
                dots, marks = 0, marks + 1
            case "other":
                dots = 0
            case "open":
                raise ValueError("a string without its end")
            case _:
                continue
        if dots >= _MOST_PARTS:
            raise ValueError(f"a key of more than {_MOST_PARTS} parts")
        if marks > _MOST_MARKS:
            raise ValueError(f"more than {_MOST_MARKS} keys, values and parts of keys")
