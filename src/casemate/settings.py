"""Settings as one table: name, type, default, unit, help. It makes file, environment and docs."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from casemate import files, toml
from casemate.errors import InputError

_LARGEST_FILE: Final = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One row of a daemon's settings table. ``name`` is dotted: ``http.port``."""

    name: str
    type: type[str] | type[int] | type[float] | type[bool] | type[list]  # type: ignore[type-arg]
    default: Any
    help: str
    unit: str = ""
    upstream: str = ""
    """Environment variable by which upstream knows it; ours wins where both are set."""

    def environment(self, prefix: str) -> str:
        """Name of the environment variable that overrides this setting."""
        return f"{prefix}_{self.name.replace('.', '_').upper()}"


def read(
    table: Sequence[Setting],
    *,
    file: Path | None,
    prefix: str,
    environment: Mapping[str, str] = os.environ,
    overrides: Mapping[str, Any] = MappingProxyType({}),
) -> dict[str, Any]:
    """Read settings: defaults, then the TOML file, then the environment, then ``overrides``.

    Raises:
        InputError: the file is unreadable, a key is unknown, or a value has the wrong type.
    """
    known = {row.name: row for row in table}
    values: dict[str, Any] = {row.name: row.default for row in table}
    if file is not None:
        for name, value in _parse(file).items():
            row = _known(name, known, str(file))
            values[name] = _typed(row, value, str(file))
    for row in table:
        for name in (row.upstream, row.environment(prefix)):
            if name and (text := environment.get(name)) is not None:
                values[row.name] = _from_text(row, text, name)
    for name, value in overrides.items():
        values[_known(name, known, "option").name] = value
    return values


def _parse(file: Path) -> dict[str, Any]:
    try:
        return _flatten(toml.loads(files.read_text(file, largest=_LARGEST_FILE)))
    except (ValueError, RecursionError) as error:
        raise InputError(str(file), got=error, want="a readable TOML file") from error


def _flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            flat |= _flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _known(name: str, known: Mapping[str, Setting], where: str) -> Setting:
    if name not in known:
        import difflib

        near = difflib.get_close_matches(name, known, n=1)
        hint = f"Did you mean {near[0]}?" if near else ""
        raise InputError(where, got=f"setting {name}", want="a known setting", remedy=hint)
    return known[name]


def _typed(row: Setting, value: object, where: str) -> Any:
    if row.type is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, row.type) or (row.type is int and isinstance(value, bool)):
        raise InputError(f"{where}: {row.name}", got=value, want=row.type.__name__)
    return value


def _from_text(row: Setting, text: str, where: str) -> Any:
    try:
        if row.type is bool:
            return {"true": True, "false": False}[text.lower()]
        if row.type is list:
            return [part for part in text.split(",") if part]
        return row.type(text)
    except (ValueError, KeyError) as error:
        raise InputError(where, got=text, want=row.type.__name__) from error
