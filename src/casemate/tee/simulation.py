"""Evidence without hardware: made by our own test roots, right, or wrong in one chosen field.

What comes out is accepted only where its test root was configured: no verifier pins it, and the
root is made anew for each simulation.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final, NamedTuple

import msgspec

from casemate.crypto.digest import Digest
from casemate.errors import InputError

_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
_NO_FILES: Final[Mapping[str, bytes]] = MappingProxyType({})


class Simulated(msgspec.Struct, frozen=True, kw_only=True):
    """Evidence, and all that a verifier needs to accept it (unless a field was set wrong)."""

    tee: str
    evidence: bytes
    """JSON of the wire."""
    binary: bytes | None = None
    """The report or quote alone, where the TEE has one that is binary."""
    report_data: bytes
    init_data: Digest | None = None
    now: datetime
    """A time at which everything is valid."""
    roots: Mapping[str, bytes] = _NO_FILES
    """File name → test root: what must be configured."""
    collateral: Mapping[str, bytes] = _NO_FILES
    """File name → what the vendor would publish."""
    options: tuple[str, ...] = ()
    """``tee.name=value`` that a correct simulation needs, such as a minimum version."""


class Changes:
    """``FIELD=VALUE`` as given, each taken by the simulator that knows it."""

    def __init__(self, fields: Mapping[str, str], given: Mapping[str, str]) -> None:
        unknown = sorted(set(given) - set(fields))
        if unknown:
            raise InputError("field", got=unknown[0], want=", ".join(sorted(fields)))
        self._given = given

    def part(
        self, prefix: str, fields: Mapping[str, str], defaults: Mapping[str, str] = _NOTHING
    ) -> "Changes":
        """Give what was set under ``prefix``, without it, for the simulator of that part."""
        given = {
            name.removeprefix(prefix): value
            for name, value in self._given.items()
            if name.startswith(prefix)
        }
        return Changes(fields, {**defaults, **given})

    def text(self, field: str, default: str) -> str:
        """Give what was set, or the default."""
        return self._given.get(field, default)

    def number(self, field: str, default: int) -> int:
        """Give a number, decimal or 0x hex; InputError when it is none."""
        text = self._given.get(field)
        if text is None:
            return default
        try:
            return int(text, 0)
        except ValueError as error:
            raise InputError(field, got=text, want="a number") from error

    def data(self, field: str, default: bytes) -> bytes:
        """Give bytes, written in hex; InputError when they are not."""
        text = self._given.get(field)
        if text is None:
            return default
        try:
            return bytes.fromhex(text)
        except ValueError as error:
            raise InputError(field, got=text, want="hex") from error

    def flag(self, field: str, *, default: bool = False) -> bool:
        """Give true or false; InputError for anything else."""
        text = self._given.get(field)
        if text is None:
            return default
        if text not in {"true", "false"}:
            raise InputError(field, got=text, want="true or false")
        return text == "true"


class Simulator(NamedTuple):
    """A row of the table: how evidence of a TEE is made."""

    simulate: Callable[[Changes, datetime], Simulated]
    """``datetime`` is the time to make it for."""
    fields: Mapping[str, str]
    """What may be set: name → one line of help."""

    def make(self, given: Mapping[str, str], now: datetime) -> Simulated:
        """Make evidence with these fields set.

        Raises:
            InputError: there is no such field, or the value cannot be meant.
        """
        return self.simulate(Changes(self.fields, given), now)


REPORT_DATA: Final = bytes(range(48))
"""Report data of a simulation that is told none: as long as a handshake's."""
COMMON: Final = MappingProxyType(
    {
        "report_data": "hex; what the evidence is bound to",
        "init_data": "hex of 32, 48 or 64 bytes; digest of the initdata",
        "flip": "number of a byte of the signed part; its lowest bit is flipped after signing",
    }
)
"""Fields that every simulator has."""
