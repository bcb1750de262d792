"""Resources that settings want as files, fetched at start (guest-components §8.1)."""

import os
from collections.abc import Iterable
from pathlib import Path

from casemate.errors import HostError
from casemate.guest.hub.resources import Resources
from casemate.guest.hub.settings import CredentialSettings
from casemate.wire.resource_uri import ResourceUri


async def write_all(
    wanted: Iterable[CredentialSettings], resources: Resources, *, root: Path = Path("/")
) -> None:
    """Fetch each and write it, readable by its owner alone.

    Raises:
        InputError: a URI or a path that cannot be meant.
        VerificationError, PeerError: from the key broker.
        HostError: the file cannot be written.
    """
    for one in wanted:
        target = root / one.target.relative_to("/")
        with await resources.get(ResourceUri.parse(one.resource_uri)) as secret:
            _write(target, secret.reveal())


def _write(target: Path, content: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(target, flags, 0o600)
        with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor has no path
            file.write(content)
    except OSError as error:
        raise HostError(str(target), got=str(error), want="a file to write") from error
