"""Configuration documents that arrive in initdata: TOML, bounded, into frozen types."""

from typing import Final, TypeVar

import msgspec

from casemate import toml
from casemate.errors import InputError

_LARGEST: Final = 1 << 20
_Document = TypeVar("_Document", bound=msgspec.Struct)


def parse(text: str, kind: type[_Document], *, name: str) -> _Document:
    """Read the TOML document ``name`` (at most 1 MiB).

    Whether unknown members are refused is a property of ``kind``.

    Raises:
        InputError: not TOML, a missing member, a wrong type, or too large.
    """
    if len(text) > _LARGEST:
        raise InputError(name, got=f"{len(text)} characters", want="at most 1 MiB")
    try:
        table = toml.loads(text)
    except ValueError as error:
        raise InputError(name, got=str(error), want="a TOML document") from error
    try:
        return msgspec.convert(table, kind)
    except (msgspec.ValidationError, RecursionError) as error:
        raise InputError(name, got=str(error), want="the members it knows") from error


def reject_plain_http(url: str, where: str) -> None:
    """Insist on TLS: whoever answers for the key broker also decides what the pod runs.

    Raises:
        InputError: the URL does not begin with ``https://``.
    """
    if not url.startswith("https://"):
        raise InputError(where, got=url, want="an https:// URL", spec="docs/attestation.md")
