"""Whom and what verifiers trust, out of the Trustee's settings: roots, options, collateral."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from casemate.errors import HostError, InputError
from casemate.net.http import HttpClient
from casemate.tee.anchors import Anchors
from casemate.tee.evidence import Inputs
from casemate.tee.gathering.cache import Cache
from casemate.tee.gathering.fetcher import Fetcher, Limits
from casemate.tee.gathering.gatherer import Gatherer
from casemate.tee.material import LARGEST_FILE, MOST_FILES, Material
from casemate.tee.options import Options, parse
from casemate.tee.plugins import with_plugins

_FRESH: Final = 60.0  # seconds


class RootsFolder:
    """The operator's folder of roots, read again when what was read is a minute old.

    Machines come and go, and with them the stores that name their keys. ``clock`` gives seconds.
    """

    def __init__(
        self, folder: Path | None, ak_authorities: tuple[bytes, ...], clock: Callable[[], float]
    ) -> None:
        """Read the folder; InputError or HostError as ``anchors``."""
        self._folder = folder
        self._ak_authorities = ak_authorities
        self._clock = clock
        self._read_at = float("-inf")
        self._anchors = Anchors(ak_authorities=ak_authorities)
        self.anchors()

    def anchors(self) -> Anchors:
        """Give whom to trust now.

        Raises:
            InputError: no such folder, too many files, or one that is too large.
            HostError: a file cannot be read.
        """
        now = self._clock()
        if self._folder is not None and not 0 <= now - self._read_at < _FRESH:
            self._anchors = Anchors.of_folder(
                _files(self._folder), ak_authorities=self._ak_authorities
            )
            self._read_at = now
        return self._anchors


def options_of(values: Mapping[str, Any]) -> Options:
    """Read the verifiers' options.

    Raises:
        InputError: one that its TEE does not have, or a value that cannot be meant.
    """
    table = with_plugins(values["verifier.plugins"])
    options = Options(
        allow_debug=values["verifier.allow_debug"],
        allow_migration=values["verifier.allow_migration"],
        own=parse(values["verifier.options"]),
    )
    for tee in options.own:
        if tee not in table:
            raise InputError("verifier.options", got=tee, want=", ".join(table))
        options.of(tee, table[tee].options)
    return options


def gatherer_of(folder: Path, values: Mapping[str, Any], *, clock: Callable[[], float]) -> Gatherer:
    """Make what brings collateral; it is to be closed. ``clock`` gives seconds since the epoch."""
    limits = Limits()
    fetcher = None
    if not values["collateral.offline"]:
        client = HttpClient(timeout=limits.attempt)
        fetcher = Fetcher(client, limits=limits, clock=time.monotonic, wall=clock)
    return Gatherer(
        Cache(folder / values["collateral.folder"]),
        fetcher,
        clock=clock,
        longest=values["collateral.timeout"],
        table=with_plugins(values["verifier.plugins"]),
    )


async def gather_with(gatherer: Gatherer, tee: str, evidence: bytes, inputs: Inputs) -> Material:
    """Give the collateral alone; what is old or missing stands in the log."""
    return (await gatherer.gather(tee, evidence, inputs)).material


def _files(folder: Path) -> dict[str, bytes]:
    if not folder.is_dir():
        raise InputError(str(folder), got="no such folder", want="a folder of roots")
    found: dict[str, bytes] = {}
    try:
        for place in sorted(folder.rglob("*")):
            if not place.is_file():
                continue
            if len(found) == MOST_FILES:
                raise InputError(str(folder), got="more files", want=f"at most {MOST_FILES}")
            with place.open("rb") as stream:
                found[str(place.relative_to(folder))] = stream.read(LARGEST_FILE + 1)
    except OSError as error:
        raise HostError(str(folder), got=error.strerror, want="a readable folder") from error
    return found
