"""Verifiers that somebody else wrote: found by entry point, loaded only when they are named.

A package offers a row of the table (``casemate.tee.verifiers.Verifier``) under the group GROUP; its
name is the TEE's on the wire. What is merely installed decides nothing: a verifier decides who gets
secrets, so it is named in the settings, and can never stand in for one of ours.
"""

from collections.abc import Iterable, Mapping
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import Final

from casemate.errors import InputError
from casemate.tee.verifiers import VERIFIERS, Verifier

GROUP: Final = "casemate.verifiers"


def with_plugins(names: Iterable[str]) -> Mapping[str, Verifier]:
    """Give the table of verifiers with those of the named plug-ins.

    Raises:
        InputError: no such plug-in, several of one name, one for a TEE of ours, or one that does
            not load or offers something else than a row.
    """
    table = dict(VERIFIERS)
    for name in names:
        if name in table:
            raise InputError("verifier plug-in", got=name, want="a TEE that has no verifier yet")
        table[name] = _load(name)
    return MappingProxyType(table)


def _load(name: str) -> Verifier:
    found = entry_points(group=GROUP, name=name)
    if len(found) != 1:
        offered = sorted({point.name for point in entry_points(group=GROUP)})
        raise InputError(
            "verifier plug-in",
            got=f"{len(found)} packages that offer {name}",
            want=f"exactly one; installed are: {', '.join(offered) or 'none'}",
        )
    (point,) = found
    row = _object(point)
    if not isinstance(row, Verifier):
        raise InputError(
            f"verifier plug-in {name}", got=type(row).__name__, want="a Verifier, as our table has"
        )
    return row


def _object(point: EntryPoint) -> object:
    try:
        return point.load()
    except Exception as error:  # whatever a stranger's module raises while it is imported
        raise InputError(
            f"verifier plug-in {point.name}", got=error, want=f"{point.value} to import"
        ) from error
