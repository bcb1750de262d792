"""One HTTP exchange as values: what the broker is asked and what it answers. No server in sight."""

from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import parse_qsl, unquote

import msgspec

from casemate.errors import InputError

JSON: Final = "application/json"
XML: Final = "text/xml"
_MOST_PARAMETERS: Final = 64


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """A request. ``target`` is the request target as sent; header names are lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""
    peer: str = ""
    token: Callable[[], str] | None = None
    """Gives the token for this request's evidence, or raises why there is none: made before, where
    that took waiting for somebody. None where nobody waited."""

    @property
    def path(self) -> str:
        """The path, still percent-encoded."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> dict[str, str]:
        """The query as a flat map.

        Raises:
            InputError: it cannot be decoded.
        """
        try:
            return dict(
                parse_qsl(
                    self.target.partition("?")[2],
                    keep_blank_values=True,
                    errors="strict",
                    max_num_fields=_MOST_PARAMETERS,
                )
            )
        except ValueError as error:
            raise InputError("query", got=error, want="name=value pairs in UTF-8") from error

    def cookie(self, name: str) -> str | None:
        """Give a cookie's value."""
        for pair in self.headers.get("cookie", "").split(";"):
            key, _, value = pair.strip().partition("=")
            if key == name:
                return value
        return None

    def bearer(self) -> str | None:
        """Give the bearer token; the scheme is the literal ``Bearer``."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token.strip() if scheme == "Bearer" and token.strip() else None


class Answer(msgspec.Struct, frozen=True):
    """A response; ``headers`` are name and value, in the order they are sent."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()

    @classmethod
    def json(cls, body: bytes, *more: tuple[str, str]) -> "Answer":
        """Answer 200 with JSON."""
        return cls(200, body, (("content-type", JSON), *more))


def segments(path: str, prefix: str) -> list[str]:
    """Split a path behind ``prefix`` and a slash; decode each segment by itself.

    Raises:
        InputError: a segment is not UTF-8.
    """
    try:
        return [unquote(part, errors="strict") for part in path[len(prefix) + 1 :].split("/")]
    except UnicodeDecodeError as error:
        raise InputError("path", got=path, want="percent-encoded UTF-8") from error
