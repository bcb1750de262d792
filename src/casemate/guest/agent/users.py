"""Users and groups by name, as the image's own /etc/passwd and /etc/group know them.

Both files are the image's: bounded here, and lines that make no sense are skipped.
"""

import os
from pathlib import Path
from typing import Final

import msgspec

from casemate.errors import InputError

_LARGEST_FILE: Final = 1 << 20
_LARGEST_ID: Final = (1 << 32) - 2


class Accounts(msgspec.Struct, frozen=True):
    """The text of an image's account files; empty when it has none."""

    passwd: str = ""
    group: str = ""


class Identity(msgspec.Struct, frozen=True):
    """Whom a process runs as. ``home`` is empty when the image does not say."""

    uid: int
    gid: int
    groups: tuple[int, ...] = ()
    home: str = ""


def read(rootfs: Path) -> Accounts:
    """Read the account files below ``rootfs``; links are not followed."""
    return Accounts(_read(rootfs, "passwd"), _read(rootfs, "group"))


def resolve(user: str, accounts: Accounts) -> Identity:
    """Resolve ``user``, ``user:group`` (names or numbers), as images write it.

    Raises:
        InputError: a name that the image does not know.
    """
    name, _, group = user.partition(":")
    row = _find(accounts.passwd, name or "0", 7)
    uid = _number(row[2]) if row else _numeric(name or "0", "user")
    gid = _number(row[3]) if row else 0
    groups: tuple[int, ...] = ()
    if group:
        found = _find(accounts.group, group, 4)
        gid = _number(found[2]) if found else _numeric(group, "group")
    elif row:
        groups = _memberships(accounts.group, row[0])
    return Identity(uid, gid, groups, row[5] if row else "")


def _find(text: str, wanted: str, fields: int) -> list[str] | None:
    """The row with this name, or else with this number."""
    rows = [row for row in (line.split(":") for line in text.splitlines()) if len(row) >= fields]
    rows = [row for row in rows if row[2].isdecimal() and (fields == 4 or row[3].isdecimal())]
    for column in (0, 2):
        for row in rows:
            if row[column] == wanted:
                return row
    return None


def _memberships(text: str, name: str) -> tuple[int, ...]:
    rows = (line.split(":") for line in text.splitlines())
    return tuple(
        _number(row[2])
        for row in rows
        if len(row) >= 4 and row[2].isdecimal() and name in row[3].split(",")
    )


def _numeric(text: str, what: str) -> int:
    if not text.isdecimal() or not text.isascii():
        raise InputError(f"{what} of the image", got=text, want=f"a {what} in its /etc")
    return _number(text)


def _number(text: str) -> int:
    number = int(text) if len(text) <= 10 else _LARGEST_ID + 1
    if number > _LARGEST_ID:
        raise InputError("id", got=text[:20], want=f"at most {_LARGEST_ID}")
    return number


def _read(rootfs: Path, name: str) -> str:
    try:
        etc = os.open(rootfs / "etc", os.O_PATH | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with open(os.open(name, flags, dir_fd=etc), "rb") as file:  # noqa: PTH123  # by descriptor
            return file.read(_LARGEST_FILE).decode(errors="replace")
    except OSError:
        return ""
    finally:
        os.close(etc)
