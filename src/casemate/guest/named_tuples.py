"""``namedtuple`` without a compiler: the one in ``collections`` compiles source for each class.

That is most of what such a class costs, and the guest needs Python's compiler for nothing else: two
dozen classes, of the standard library most of them. The first is in ``functools``, which ``typing``
imports: so this module goes without both.
"""

from __future__ import annotations

import collections

TYPE_CHECKING = False  # as typing has it
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

_ITEM = collections._tuplegetter  # type: ignore[attr-defined]  # noqa: SLF001  # in C


def put_in_place() -> None:
    """Have ``collections`` give this one from now on."""
    setattr(collections, "namedtuple", named_tuple)  # noqa: B010  # ruff takes it for a use


def named_tuple(
    typename: str,
    field_names: str | Iterable[str],
    *,
    defaults: Iterable[Any] | None = None,
    module: str | None = None,
) -> type:
    """Make the class that ``collections.namedtuple`` makes, for names that are valid.

    ``rename`` is not there, names are not looked at, and neither is the caller's module: all of
    this is for what was written with the real one.
    """
    names = field_names.replace(",", " ").split() if isinstance(field_names, str) else field_names
    fields = tuple(map(str, names))
    values = tuple(defaults or ())
    given = dict(zip(fields[len(fields) - len(values) :], values, strict=True))
    members: dict[str, Any] = {
        "__slots__": (),
        "_fields": fields,
        "_field_defaults": given,
        "__match_args__": fields,
        "__new__": _maker(typename, fields, given),
        "_make": classmethod(_make),
        "_replace": _replace,
        "_asdict": _asdict,
        "__repr__": _repr,
        "__getnewargs__": _getnewargs,
    }
    members |= {name: _ITEM(number, "") for number, name in enumerate(fields)}
    made = type(typename, (tuple,), members)
    if module is not None:
        made.__module__ = module
    return made


def _maker(typename: str, fields: tuple[str, ...], given: Mapping[str, Any]) -> Any:
    def new(cls: type, /, *values: Any, **named: Any) -> Any:
        if named or len(values) != len(fields):
            values = arranged(values, named)
        return tuple.__new__(cls, values)

    def arranged(values: tuple[Any, ...], named: Mapping[str, Any]) -> tuple[Any, ...]:
        if len(values) > len(fields):
            raise TypeError(f"{typename}: {len(values)} values for {len(fields)} fields")
        placed = dict(zip(fields, values, strict=False))
        if wrong := [name for name in named if name in placed or name not in fields]:
            raise TypeError(f"{typename}: no place for {wrong[0]!r}")
        found = {**given, **placed, **named}
        if missing := [name for name in fields if name not in found]:
            raise TypeError(f"{typename}: nothing for {missing[0]!r}")
        return tuple(found[name] for name in fields)

    return new


def _make(cls: Any, values: Iterable[Any]) -> Any:
    made = tuple.__new__(cls, values)
    if len(made) != len(cls._fields):
        raise TypeError(f"{cls.__name__}: {len(made)} values for {len(cls._fields)} fields")
    return made


def _replace(self: Any, /, **named: Any) -> Any:
    if wrong := named.keys() - set(self._fields):
        raise ValueError(f"{type(self).__name__}: no fields {sorted(wrong)}")
    return self._make(
        named.get(name, value) for name, value in zip(self._fields, self, strict=True)
    )


def _asdict(self: Any) -> dict[str, Any]:
    return dict(zip(self._fields, self, strict=True))


def _getnewargs(self: Any) -> tuple[Any, ...]:
    return tuple(self)


def _repr(self: Any) -> str:
    told = ", ".join(f"{name}={value!r}" for name, value in _asdict(self).items())
    return f"{type(self).__name__}({told})"
