"""Whom and what verifiers trust, out of the Trustee's settings: roots, options, collateral, CCA."""

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Final

from casemate.errors import HostError, InputError
from casemate.net.http import HttpClient
from casemate.tee.anchors import Anchors
from casemate.tee.cca.report import TEE
from casemate.tee.evidence import Inputs
from casemate.tee.gathering import cca_site
from casemate.tee.gathering.asker import Limits, Time
from casemate.tee.gathering.cache import Cache
from casemate.tee.gathering.fetcher import Fetcher
from casemate.tee.gathering.gatherer import Gatherer
from casemate.tee.gathering.talker import Talker
from casemate.tee.material import LARGEST_FILE, MOST_FILES
from casemate.tee.options import Options, parse
from casemate.tee.plugins import with_plugins
from casemate.trustee.settings import CCA_CONFIG

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


class CcaConfiguration:
    """Upstream's configuration of the CCA verifier, read again when what was read is a minute old.

    Nothing is configured where the setting is the default and no such file is there.
    """

    tee: ClassVar[str] = TEE

    def __init__(self, file: Path, clock: Callable[[], float]) -> None:
        """Read it; InputError or HostError as ``added_to``."""
        self._file = file
        self._clock = clock
        self._read_at = float("-inf")
        self._site: cca_site.CcaSite | None = None
        self.added_to(Inputs(now=datetime.fromtimestamp(0, UTC)))

    def added_to(self, inputs: Inputs) -> Inputs:
        """Add what it says.

        Raises:
            InputError: it, or a file that it names, is missing or of another form.
            HostError: one cannot be read.
        """
        now = self._clock()
        if not 0 <= now - self._read_at < _FRESH:
            absent = str(self._file) == CCA_CONFIG and not self._file.exists()
            self._site = None if absent else cca_site.read(self._file)
            self._read_at = now
        return inputs if self._site is None else self._site.added_to(inputs)


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
    fetcher = talker = None
    if not values["collateral.offline"]:
        client = HttpClient(timeout=limits.attempt)
        fetcher = Fetcher(client, limits=limits, clock=time.monotonic, wall=clock)
        talker = Talker(limits=limits, time=Time(time.monotonic, clock))
    return Gatherer(
        Cache(folder / values["collateral.folder"]),
        fetcher,
        clock=clock,
        talker=talker,
        longest=values["collateral.timeout"],
        table=with_plugins(values["verifier.plugins"]),
    )


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
