"""Two initdata documents side by side: what a change of digest is made of."""

import difflib

import msgspec

from casemate.wire.initdata import Initdata


class Change(msgspec.Struct, frozen=True):
    """One file, or the algorithm, that differs."""

    name: str
    lines: tuple[str, ...]
    """A unified diff."""


def compare(old: Initdata, new: Initdata) -> tuple[Change, ...]:
    """Give every difference, by name; equal meaning gives none, whatever the bytes."""
    before = {"algorithm": str(old.algorithm), **old.data}
    after = {"algorithm": str(new.algorithm), **new.data}
    return tuple(
        Change(name, _lines(name, before.get(name), after.get(name)))
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    )


def _lines(name: str, old: str | None, new: str | None) -> tuple[str, ...]:
    return tuple(
        difflib.unified_diff(
            (old or "").splitlines(),
            (new or "").splitlines(),
            "/dev/null" if old is None else f"old/{name}",
            "/dev/null" if new is None else f"new/{name}",
            lineterm="",
        )
    )
