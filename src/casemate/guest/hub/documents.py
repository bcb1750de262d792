"""Documents that settings name by URI: from the key broker or the measured image (§14.2)."""

from pathlib import Path
from typing import Final

from casemate.errors import HostError, InputError
from casemate.guest.hub.resources import Resources
from casemate.wire.resource_uri import ResourceUri, is_resource_uri

_LARGEST: Final = 4 << 20
_FILE: Final = "file://"


class Documents:
    """Fetches ``kbs://...``, ``file:///abs/path`` and ``/abs/path``."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    async def fetch(self, place: str) -> bytes:
        """Give the document.

        Raises:
            InputError: the place has none of the three forms.
            HostError: the file cannot be read, or is larger than 4 MiB.
            VerificationError, PeerError: from the key broker.
        """
        if is_resource_uri(place):
            return (await self._resources.get(ResourceUri.parse(place))).reveal()
        path = Path(place.removeprefix(_FILE))
        if not path.is_absolute() or "\0" in place:
            raise InputError("document", got=place, want="kbs://..., file:///... or a path")
        return _read(path)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except OSError as error:
        raise HostError(str(path), got=str(error), want="a readable file") from error
    if len(data) > _LARGEST:
        raise HostError(str(path), got="over 4 MiB", want="a smaller file")
    return data
