"""From evidence to collateral: plan, look into the cache, fetch what is missing or old, plan again.

Never silent: each document that was asked for leaves a note of where it came from, and a copy that
should have been renewed says why it was not.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

import msgspec

from casemate.errors import HostError, InputError, PeerError, Refusal, VerificationError
from casemate.tee.evidence import Answer, Inputs
from casemate.tee.gathering.cache import Cache, Kept
from casemate.tee.gathering.document import CHAIN_SUFFIX
from casemate.tee.gathering.fetcher import Fetcher
from casemate.tee.gathering.talker import Talker
from casemate.tee.material import Material
from casemate.tee.verifiers import VERIFIERS, Verifier, canonical
from casemate.tee.want import Want

_LOG: Final = logging.getLogger("casemate.tee.gathering")
_MOST_ROUNDS: Final = 4
"""How often a plan is made: Intel's second round asks for what the first one named."""
_MOST_WANTS: Final = 64
"""Documents for one piece of evidence."""
_MOST_TOLD: Final = 8
"""Lines of the log for one piece of evidence, which a stranger may have made."""


class Source(StrEnum):
    """Where a document came from."""

    CACHE = "cache"
    SERVICE = "service"
    EXPIRED = "expired copy"
    """Old, and it could not be renewed."""
    NOWHERE = "nowhere"


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one document."""

    name: str
    source: Source
    since: datetime | None = None
    """When the service was asked for it; None for one that is missing."""
    why: str = ""
    """Why a copy was not renewed, or a document is missing."""

    def __str__(self) -> str:
        when = f", asked for at {self.since:%Y-%m-%d %H:%M} UTC" if self.since else ""
        return f"{self.name}: {self.source}{when}{f': {self.why}' if self.why else ''}"


class Gathered(msgspec.Struct, frozen=True, kw_only=True):
    """What could be had for a piece of evidence."""

    material: Material
    """With what was there before."""
    files: dict[str, bytes]
    """What was added: name → content."""
    notes: tuple[Note, ...]
    refusal: Refusal | None = None
    """Why a plan was refused: nothing is fetched on behalf of such evidence."""
    answer: Answer | None = None
    """What a service said that verifies in our place, where the options name one."""

    @property
    def doubtful(self) -> tuple[Note, ...]:
        """Notes of documents that are expired or missing."""
        return tuple(one for one in self.notes if one.source in {Source.EXPIRED, Source.NOWHERE})


class Gatherer:
    """Gathers through one cache, and one fetcher and talker unless it is offline.

    ``longest`` is in seconds: how long one piece of evidence may keep its verifier waiting.
    """

    def __init__(
        self,
        cache: Cache,
        fetcher: Fetcher | None,
        *,
        clock: Callable[[], float],
        talker: Talker | None = None,
        longest: float = 20.0,
        table: Mapping[str, Verifier] = VERIFIERS,
    ) -> None:
        self._cache = cache
        self._fetcher = fetcher
        self._talker = talker
        self._clock = clock
        self._longest = longest
        self._table = table

    async def gather(self, tee: str, evidence: bytes, inputs: Inputs) -> Gathered:
        """Bring what the verifier of ``tee`` wants for this evidence, and ask whom it asks.

        Raises:
            InputError: an option cannot be meant.
            HostError: the cache cannot be read.
        """
        plan = self._table[canonical(tee, self._table)].plan
        given, files = inputs.collateral, dict[str, bytes]()
        notes: dict[str, Note] = {}
        refusal = None
        time = asyncio.get_running_loop().time
        deadline = time() + self._longest
        for _ in range(_MOST_ROUNDS):
            try:
                wants = plan(evidence, inputs)
            except VerificationError as error:
                refusal = error.refusal  # the verifier refuses it too, and names its step
                break
            fresh = [one for one in _once(wants) if one.name not in notes]
            room = max(_MOST_WANTS - len(notes), 0)
            notes |= {one.name: _too_many(one) for one in fresh[room:]}
            fresh = [one for one in fresh if one.name not in notes]
            if not fresh:
                break
            rest = deadline - time()
            for note, found in await asyncio.gather(*(self._one(one, rest) for one in fresh)):
                notes[note.name] = note
                files |= found
            inputs = msgspec.structs.replace(inputs, collateral=given | Material.of_files(files))
        answer = None
        if refusal is None:
            answer = await self._answer(tee, evidence, inputs, notes, deadline)
        gathered = Gathered(
            material=inputs.collateral,
            files=files,
            notes=tuple(notes.values()),
            refusal=refusal,
            answer=answer,
        )
        _tell(tee, gathered)
        return gathered

    async def close(self) -> None:
        """Close fetcher and talker."""
        if self._fetcher is not None:
            await self._fetcher.close()
        if self._talker is not None:
            await self._talker.close()

    async def _answer(
        self, tee: str, evidence: bytes, inputs: Inputs, notes: dict[str, Note], deadline: float
    ) -> Answer | None:
        """Ask the service that verifies in our place, if the options name one."""
        try:
            conversation = self._table[canonical(tee, self._table)].converse(evidence, inputs)
        except (PeerError, VerificationError):
            return None  # the verifier refuses it too, and names its step
        if conversation is None:
            return None
        if self._talker is None:
            answer = Answer(silence="offline: no service is asked")
        else:
            rest = deadline - asyncio.get_running_loop().time()
            answer = await self._talker.hold(conversation, longest=rest)
        name = f"verdict of {conversation.url}"
        now = datetime.fromtimestamp(int(self._clock()), UTC)
        notes[name] = (
            Note(name=name, source=Source.NOWHERE, why=answer.silence)
            if answer.silence
            else Note(name=name, source=Source.SERVICE, since=now)
        )
        return answer

    async def _one(self, want: Want, rest: float) -> tuple[Note, dict[str, bytes]]:
        """Give one document: a young copy, else the service's, else an old copy."""
        try:
            kept = self._cache.find(want)
        except InputError as error:  # its name came out of evidence, and is none
            return Note(name=want.name, source=Source.NOWHERE, why=str(error)), {}
        if kept is not None and self._age(kept) < want.keep.total_seconds():
            return Note(name=want.name, source=Source.CACHE, since=kept.since), dict(kept.files)
        try:
            return await self._renewed(want, rest)
        except PeerError as error:
            why = f"{error.where}: {error.got}" if error.where != "offline" else "offline"
        if kept is None:
            return Note(name=want.name, source=Source.NOWHERE, why=why), {}
        note = Note(name=want.name, source=Source.EXPIRED, since=kept.since, why=why)
        return note, dict(kept.files)

    async def _renewed(self, want: Want, rest: float) -> tuple[Note, dict[str, bytes]]:
        if self._fetcher is None:
            raise PeerError("offline", got="no network", want="a copy")
        try:
            async with asyncio.timeout(max(rest, 0)):
                fetched = await self._fetcher.fetch(want)
        except TimeoutError as error:
            raise PeerError(
                want.url, got=f"no document in {self._longest:g} s", want="one in time"
            ) from error
        now = datetime.fromtimestamp(int(self._clock()), UTC)
        note = Note(name=want.name, source=Source.SERVICE, since=now)
        try:
            self._cache.keep(want.name, fetched.body, now, chain=fetched.chain)
        except HostError as error:  # what came serves this time all the same
            _LOG.warning("collateral is not kept: %s", error)
            note = msgspec.structs.replace(note, why=f"not kept: {error.where}: {error.got}")
        files = {want.name: fetched.body}
        return note, files | ({want.name + CHAIN_SUFFIX: fetched.chain} if fetched.chain else {})

    def _age(self, kept: Kept) -> float:
        """Seconds since it was asked for; a time that lies ahead counts as long ago."""
        age = self._clock() - kept.since.timestamp()
        return age if age >= 0 else float("inf")


def _tell(tee: str, gathered: Gathered) -> None:
    doubtful = gathered.doubtful
    for note in doubtful[:_MOST_TOLD]:
        _LOG.warning("collateral of %s: %s", tee, note)
    if len(doubtful) > _MOST_TOLD:
        _LOG.warning("collateral of %s: %d more are missing", tee, len(doubtful) - _MOST_TOLD)


def _too_many(want: Want) -> Note:
    why = f"more than {_MOST_WANTS} documents are wanted"
    return Note(name=want.name, source=Source.NOWHERE, why=why)


def _once(wants: Iterable[Want]) -> list[Want]:
    return list({one.name: one for one in wants}.values())
