"""JSON patches (RFC 6902) of a policy's state: ``add``, ``remove`` and ``replace``."""

import copy
from typing import Any, Final

import msgspec

from casemate.errors import InputError

_MOST: Final = 1000
"""Operations of one answer."""


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One operation; ``path`` is a JSON pointer (RFC 6901)."""

    op: str
    path: str
    value: Any = None


def apply(document: Any, operations: list[Any]) -> Any:
    """Give ``document`` with all operations done, or none; the original stays as it is.

    Raises:
        InputError: an operation is malformed or points nowhere.
    """
    if len(operations) > _MOST:
        raise InputError("policy ops", got=f"{len(operations)}", want=f"at most {_MOST}")
    try:
        parsed = msgspec.convert(operations, list[Operation])
    except msgspec.ValidationError as error:
        raise InputError("policy ops", got=error, want="JSON patch operations") from error
    changed = copy.deepcopy(document)
    for operation in parsed:
        changed = _apply(changed, operation)
    return changed


def _apply(document: Any, operation: Operation) -> Any:
    tokens = [t.replace("~1", "/").replace("~0", "~") for t in operation.path.split("/")]
    if tokens[0] != "":
        raise _nowhere(operation)
    if len(tokens) == 1:
        return operation.value
    parent = document
    for token in tokens[1:-1]:
        parent = _step(parent, token, operation)
    _change(parent, tokens[-1], operation)
    return document


def _step(parent: Any, token: str, operation: Operation) -> Any:
    try:
        return parent[_index(token, len(parent))] if isinstance(parent, list) else parent[token]
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise _nowhere(operation) from error


def _change(parent: Any, token: str, operation: Operation) -> None:
    if operation.op not in {"add", "replace", "remove"} or not isinstance(parent, dict | list):
        raise _nowhere(operation)
    if isinstance(parent, dict):
        if operation.op != "add" and token not in parent:
            raise _nowhere(operation)
        if operation.op == "remove":
            del parent[token]
        else:
            parent[token] = operation.value
        return
    _change_list(parent, token, operation)


def _change_list(parent: list[Any], token: str, operation: Operation) -> None:
    try:
        place = len(parent) if token == "-" else _index(token, len(parent) + 1)  # noqa: S105
        match operation.op:
            case "add":
                parent.insert(place, operation.value)
            case "replace":
                parent[place] = operation.value
            case _:
                del parent[place]
    except (IndexError, ValueError) as error:
        raise _nowhere(operation) from error


def _index(token: str, size: int) -> int:
    number = int(token)
    if not 0 <= number < size:
        raise IndexError(token)
    return number


def _nowhere(operation: Operation) -> InputError:
    return InputError(
        "policy ops", got=f"{operation.op} {operation.path}", want="a place that exists"
    )
