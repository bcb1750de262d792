"""What an operator loosens or tightens: a few switches that every TEE has, and each TEE's own.

A TEE declares its own as a frozen struct with defaults; they are written ``tee.name=value``, in a
command's ``--option`` and in the Trustee's settings alike. Nothing else in the tree knows them.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final, TypeVar

import msgspec

from casemate.errors import InputError

_O = TypeVar("_O", bound=msgspec.Struct)

NONE: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType({})


class NoOptions(msgspec.Struct, frozen=True):
    """Of a TEE that has none of its own."""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """Strict unless told otherwise."""

    allow_debug: bool = False
    """Accept a VM that its host can look into. For development."""
    allow_migration: bool = False
    """Accept a VM that an agent of the host may move."""
    looking_back: bool = False
    """The time of verification was chosen, and may lie in the past: what is known of it since, such
    as a revocation list issued later, counts too."""
    own: Mapping[str, Mapping[str, str]] = NONE
    """TEE → option → value as written."""

    def of(self, tee: str, kind: type[_O]) -> _O:
        """Give a TEE's own options.

        Raises:
            InputError: an option that it does not have, or a value that cannot be meant.
        """
        given: Mapping[str, Any] = self.own.get(tee, {})
        known = kind.__struct_fields__
        for name in given:
            if name not in known:
                raise InputError(
                    f"option {tee}.{name}",
                    got=name,
                    want=", ".join(f"{tee}.{one}" for one in known) or f"none: {tee} has none",
                )
        try:
            return msgspec.convert(dict(given), kind, strict=False)
        except msgspec.ValidationError as error:
            raise InputError(f"options of {tee}", got=error, want=str(kind.__doc__)) from error


def parse(texts: Iterable[str]) -> Mapping[str, Mapping[str, str]]:
    """Read ``tee.name=value`` of a command line or a setting.

    Raises:
        InputError: another form, or one given twice.
    """
    found: dict[str, dict[str, str]] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        tee, dot, option = name.strip().rpartition(".")
        if not equals or not dot or not tee or not option:
            raise InputError("option", got=text, want="TEE.NAME=VALUE")
        own = found.setdefault(tee, {})
        if option in own:
            raise InputError("option", got=f"{name} twice", want="each once")
        own[option] = value.strip()
    return found
