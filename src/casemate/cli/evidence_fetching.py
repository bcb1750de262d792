"""How commands come to collateral: the cache of whoever runs them, and the vendors' services."""

import asyncio
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from casemate.cli import output
from casemate.tee.gathering.asker import Limits, Time
from casemate.tee.gathering.cache import Cache, default_folder
from casemate.tee.gathering.fetcher import Fetcher
from casemate.tee.gathering.gatherer import Gathered, Gatherer
from casemate.tee.gathering.talker import Talker

if TYPE_CHECKING:
    from casemate.cli.evidence_options import Asked


def cache_at(folder: Path | None) -> Cache:
    """Give the cache in ``folder``, else the one of whoever runs the command."""
    return Cache(folder or default_folder(os.environ))


def gather(asked: "Asked", evidence: bytes, cache: Cache, *, offline: bool) -> Gathered:
    """Bring what the verifier wants, and tell of what is old or missing.

    Raises:
        InputError: an option cannot be meant.
        HostError: the cache cannot be read.
    """
    gathered = asyncio.run(_gather(asked, evidence, cache, offline=offline))
    for note in gathered.doubtful:
        output.say(f"collateral: {note}")
    return gathered


async def _gather(asked: "Asked", evidence: bytes, cache: Cache, *, offline: bool) -> Gathered:
    from casemate.net.http import HttpClient

    limits = Limits()
    fetcher = talker = None
    if not offline:
        client = HttpClient(timeout=limits.attempt)
        fetcher = Fetcher(client, limits=limits, clock=time.monotonic, wall=time.time)
        talker = Talker(limits=limits, time=Time(time.monotonic, time.time))
    gatherer = Gatherer(cache, fetcher, clock=time.time, talker=talker)
    try:
        return await gatherer.gather(asked.tee, evidence, asked.inputs)
    finally:
        await gatherer.close()


def told(gathered: Gathered) -> list[dict[str, Any]]:
    """Give what became of each document, for a program."""
    return [
        {"name": one.name, "source": one.source.value, "since": one.since, "why": one.why}
        for one in gathered.notes
    ]
