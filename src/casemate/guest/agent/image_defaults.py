"""What an image says about its own process: the host never sees an encrypted image's config.

The data hub leaves it as ``config.json`` in the bundle, an OCI runtime document made from the
image's config (guest-components §13.2): ``process.args``, ``env``, ``cwd``, ``user.username``.
"""

from pathlib import Path
from typing import Final

import msgspec

from casemate.errors import MALFORMED_JSON, InputError

_LARGEST: Final = 4 << 20


class _User(msgspec.Struct, frozen=True):
    uid: int = 0
    gid: int = 0
    username: str = ""


class _Process(msgspec.Struct, frozen=True):
    args: list[str] | None = None
    env: list[str] | None = None
    cwd: str = ""
    user: _User | None = None


class _Document(msgspec.Struct, frozen=True):
    process: _Process | None = None


class ImageDefaults(msgspec.Struct, frozen=True, kw_only=True):
    """Entry point with its arguments, environment, folder and user (``name[:group]``)."""

    args: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    cwd: str = ""
    user: str = ""


def parse(document: bytes) -> ImageDefaults:
    """Read the runtime document of an image, at most 4 MiB.

    Raises:
        InputError: not such a document.
    """
    if len(document) > _LARGEST:
        raise InputError("image config", got=f"{len(document)} bytes", want="at most 4 MiB")
    try:
        process = msgspec.json.decode(document, type=_Document).process or _Process()
    except MALFORMED_JSON as error:
        raise InputError("image config", got=error, want="an OCI runtime document") from error
    return ImageDefaults(
        args=tuple(process.args or ()),
        env=tuple(process.env or ()),
        cwd=process.cwd,
        user=_user(process.user),
    )


def read(bundle: Path) -> ImageDefaults:
    """Read what the data hub left in a bundle; empty when it left nothing.

    Raises:
        InputError: as :func:`parse`.
    """
    try:
        with (bundle / "config.json").open("rb") as file:
            return parse(file.read(_LARGEST + 1))
    except FileNotFoundError:
        return ImageDefaults()


def _user(user: _User | None) -> str:
    if user is None:
        return ""
    return user.username or f"{user.uid}:{user.gid}"
