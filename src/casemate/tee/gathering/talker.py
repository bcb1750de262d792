"""Holding conversations: each question of a pure generator asked with patience (``asker``)."""

import asyncio

from casemate.errors import PeerError
from casemate.net.http import HttpClient
from casemate.tee.conversation import Conversation, Reply
from casemate.tee.evidence import Answer
from casemate.tee.gathering.asker import Asker, Limits, Time


class Talker:
    """Talks to services, each over TLS that ends in the authorities its conversation names.

    Nothing is kept: a verdict is about one session.
    """

    def __init__(self, *, limits: Limits, time: Time) -> None:
        self._limits = limits
        self._time = time
        self._askers: dict[str, Asker] = {}  # few: only options name authorities

    async def hold(self, conversation: Conversation, *, longest: float) -> Answer:
        """Give the answer, or why there is none after at most ``longest`` seconds.

        Raises:
            InputError: the authorities are no certificates.
        """
        longest = max(longest, 0.0)
        try:
            async with asyncio.timeout(longest):
                return await self._hold(conversation)
        except TimeoutError:
            return Answer(silence=f"{conversation.url}: no verdict in {longest:.0f} s")
        except PeerError as error:
            silence = f"{error.where}: {error.got}, not {error.want}"
            return Answer(silence=silence, remedy=error.remedy)
        finally:
            conversation.talk.close()

    async def close(self) -> None:
        """Close connections."""
        for asker in self._askers.values():
            await asker.close()

    async def _hold(self, conversation: Conversation) -> Answer:
        asker = self._asker(conversation.authorities)
        talk = conversation.talk
        try:
            question = next(talk)
            while True:
                if question.pause:
                    await self._time.sleep(question.pause)
                answer = await asker.ask(question)
                question = talk.send(Reply(answer.status, answer.headers, answer.body))
        except StopIteration as end:
            found: Answer = end.value
            return found

    def _asker(self, authorities: str) -> Asker:
        known = self._askers.get(authorities)
        if known is None:
            client = HttpClient(anchors_pem=authorities or None, timeout=self._limits.attempt)
            known = Asker(client, limits=self._limits, time=self._time)
            self._askers[authorities] = known
        return known
