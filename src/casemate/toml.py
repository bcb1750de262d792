"""TOML of strangers: the standard parser, kept from what it takes too long for."""

import re
import tomllib
from typing import Any, Final

_DEEPEST_KEY: Final = 64
_STRINGS: Final = (
    r'"""(?:[^\\]|\\.)*?"""+',
    r"'''.*?'''+",
    r'"(?!"")(?:[^"\\\n]|\\.)*+"',
    r"'(?!'')[^'\n]*+'",
)
_TOKEN: Final = (
    rf"(?P<part>{'|'.join(_STRINGS)}|[A-Za-z0-9_-]++)|(?P<dot>\.)"
    r"|(?P<open>[\x22\x27])|[ \t]++|#[^\n]*+|(?P<other>.)"
)
"""Compiled at its first use: most documents need no second look, and a guest starts without."""


def loads(text: str) -> dict[str, Any]:
    """Read a document; the caller bounds its size.

    The standard parser recurses into brackets, and takes time that grows with the square of the
    parts of a dotted key: half an hour for a megabyte. So a key has 64 parts at most.

    Raises:
        ValueError: no TOML, brackets beyond reading, or a key of more parts.
    """
    if any(line.count(".") >= _DEEPEST_KEY for line in text.split("\n")):
        _require_short_keys(text)
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise ValueError("brackets nested too deeply") from error


def _require_short_keys(text: str) -> None:
    """Look at whole documents, as strings and comments may hold what looks like a key."""
    dots = 0
    for token in re.finditer(_TOKEN, text, re.DOTALL):
        match token.lastgroup:
            case "dot":
                dots += 1
            case "open":
                raise ValueError("a string without its end")
            case "other":
                dots = 0
            case _:
                continue
        if dots >= _DEEPEST_KEY:
            raise ValueError(f"a key of more than {_DEEPEST_KEY} parts")
