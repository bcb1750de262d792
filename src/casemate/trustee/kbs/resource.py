"""The resource plugin (trustee spec §14.1): an owner's bytes under ``repo/type/tag``."""

import re
from collections.abc import Sequence
from typing import Final

from casemate.errors import InputError
from casemate.secret import Secret
from casemate.trustee.storage import RESOURCES, Storage

_SEGMENT: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,254}")


class Resources:
    """Resources over a storage."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def get(self, path: Sequence[str]) -> Secret | None:
        """Read a resource; InputError when the path is none."""
        found = self._storage.get(RESOURCES, _key(path))
        return None if found is None else Secret(found)

    def put(self, path: Sequence[str], value: bytes) -> None:
        """Write a resource, over an older one; InputError when the path is none."""
        self._storage.put(RESOURCES, _key(path), value)

    def delete(self, path: Sequence[str]) -> bool:
        """Remove a resource; tell whether there was one."""
        return self._storage.delete(RESOURCES, _key(path))

    def paths(self) -> list[str]:
        """Give the paths of all resources; never what is in them."""
        return [key for key, _ in self._storage.items(RESOURCES)]


def _key(path: Sequence[str]) -> str:
    if len(path) != 3 or not all(_SEGMENT.fullmatch(part) for part in path):
        raise InputError(
            "resource path",
            got="/".join(path),
            want="repo/type/tag of letters, digits, _ - and (not first) .",
            spec="trustee spec §14.1",
        )
    return "/".join(path)
