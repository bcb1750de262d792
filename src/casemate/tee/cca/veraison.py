"""Veraison's challenge-response protocol, from the side of a relying party. Pure.

    GET  /.well-known/veraison/verification       its key, its endpoints, whether it is ready
    POST <newChallengeResponseSession>?nonce=     a session for our challenge: 201, Location
    POST <session>                                the token: 200 and a verdict, or 202 and later
    GET  <session>                                until it is no longer processing

(veraison/docs: api/well-known, api/challenge-response.) The nonce of the session is the challenge
in the realm's token, 64 bytes: the report data, which the verifier compares by itself.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Annotated, Final, Literal, TypeVar
from urllib.parse import urljoin, urlsplit

import msgspec

from casemate.crypto import base64url
from casemate.crypto.jwk import Jwk
from casemate.errors import MALFORMED_JSON, InputError, PeerError
from casemate.tee.cca.configuration import base_of
from casemate.tee.cca.options import CcaOptions
from casemate.tee.cca.report import TEE, token_of
from casemate.tee.cca.verifier import CHECKS, opened, verify_binding
from casemate.tee.conversation import Conversation, Question, Reply, Talk
from casemate.tee.evidence import Answer, Inputs
from casemate.tee.trail import Trail

MEDIA_TYPE: Final = 'application/eat-collection; profile="http://arm.com/CCA-SSD/1.0.0"'
"""Of a CCA token, whichever profile its own claims have."""
SESSION: Final = "application/vnd.veraison.challenge-response-session+json"
DISCOVERY: Final = "application/vnd.veraison.discovery+json"
_PROBLEM: Final = "application/problem+json"
_JSON: Final = "application/json"
_DISCOVERY_PATH: Final = "/.well-known/veraison/verification"
_NEW_SESSION: Final = "newChallengeResponseSession"
_LARGEST_DISCOVERY: Final = 64 << 10
_FIRST_PAUSE: Final = 0.25  # seconds
_LONGEST_PAUSE: Final = 2.0
_MOST_POLLS: Final = 64

_T = TypeVar("_T", bound=msgspec.Struct)
_Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class Discovery(msgspec.Struct, frozen=True, rename="kebab"):
    """What the service says of itself."""

    service_state: str
    api_endpoints: dict[str, str]
    ear_verification_key: Jwk | None = None

    @classmethod
    def parse(cls, raw: bytes, where: str) -> "Discovery":
        """Read the document.

        Raises:
            PeerError: another form, or a service that is not ready.
        """
        found = _parsed(raw, cls, where)
        if found.service_state != "READY":
            remedy = "Wait, or start the service."
            raise PeerError(where, got=found.service_state, want="READY", remedy=remedy)
        return found

    def new_session(self, where: str) -> str:
        """Give the path that makes sessions; PeerError without a plain one."""
        path = self.api_endpoints.get(_NEW_SESSION, "")
        if not path.startswith("/") or not _is_plain(path) or set(path) & {"?", "#"}:
            raise PeerError(where, got=path or "none", want=f"a path for {_NEW_SESSION}")
        return path


class Session(msgspec.Struct, frozen=True):
    """A session as it stands."""

    nonce: str
    """Base64, of either alphabet: services differ."""
    expiry: _Moment
    accept: tuple[str, ...]
    status: Literal["waiting", "processing", "complete", "failed"]
    result: str | None = None
    """EAR, signed, once complete."""

    @classmethod
    def parse(cls, raw: bytes, where: str) -> "Session":
        """Read a session; PeerError for another form."""
        return _parsed(raw, cls, where)

    def require_ours(self, challenge: bytes, where: str) -> None:
        """Refuse the session of another challenge (PeerError)."""
        try:
            nonce = base64url.decode(self.nonce.translate(_TO_URL).rstrip("="))
        except InputError as error:
            raise PeerError(where, got=self.nonce, want="a nonce in base64") from error
        if nonce != challenge:
            raise PeerError(where, got=f"nonce {nonce.hex()}", want=f"ours, {challenge.hex()}")

    def require_open(self, now: datetime, where: str) -> None:
        """Refuse one that is over, or that takes no CCA tokens (PeerError)."""
        if self.expiry <= now:
            raise PeerError(
                where,
                got=f"a session that expired at {self.expiry.isoformat()}",
                want=f"one that is open at {now.isoformat()}",
                remedy="Compare the clocks of the service and of this machine.",
            )
        if not any(_is_evidence_type(one) for one in self.accept):
            raise PeerError(
                where,
                got=", ".join(self.accept) or "no media types",
                want=MEDIA_TYPE,
                remedy="The service needs its scheme for Arm CCA.",
            )

    def verdict(self, where: str) -> str | None:
        """Give the result; None while it is processing. PeerError when there will be none."""
        if self.status == "processing":
            return None
        if self.status != "complete" or not self.result:
            raise PeerError(
                where,
                got=f"status {self.status}, {'a' if self.result else 'no'} result",
                want="complete, with a result",
                remedy="The service's log says what went wrong.",
            )
        return self.result


class _Problem(msgspec.Struct, frozen=True):
    """RFC 9457."""

    title: str = ""
    detail: str = ""


def converse(raw: bytes, inputs: Inputs) -> Conversation | None:
    """Plan the conversation about a token that is whole, and bound to the realm's own key.

    Raises:
        VerificationError: it is not.
        InputError: an option cannot be meant.
    """
    options = inputs.options.of(TEE, CcaOptions)
    if not options.address:
        return None
    base = base_of(options)
    trail = Trail(TEE, CHECKS)
    token = opened(raw, trail)
    verify_binding(trail, token)
    talk = _talk(base, token_of(raw), token.realm.challenge, inputs.now)
    return Conversation(base, options.ca_cert, talk)


def _talk(base: str, token: bytes, challenge: bytes, now: datetime) -> Talk:
    where = base + _DISCOVERY_PATH
    reply = yield Question(url=where, headers=(("Accept", DISCOVERY),), largest=_LARGEST_DISCOVERY)
    discovery = Discovery.parse(_body(reply, where, {200}, DISCOVERY), where)
    where = f"{base}{discovery.new_session(where)}?nonce={base64url.encode(challenge)}"
    accept = ("Accept", SESSION)
    reply = yield Question(method="POST", url=where, headers=(accept,))
    session = Session.parse(_body(reply, where, {201}, SESSION), where)
    session.require_ours(challenge, where)
    session.require_open(now, where)
    where = _location(where, reply.header("location"))
    sent = (accept, ("Content-Type", MEDIA_TYPE))
    reply = yield Question(method="POST", url=where, headers=sent, body=token, again=False)
    pause = _FIRST_PAUSE
    for _ in range(_MOST_POLLS):
        session = Session.parse(_body(reply, where, {200, 202}, SESSION), where)
        session.require_ours(challenge, where)
        verdict = session.verdict(where)
        if verdict is not None:
            return Answer(verdict=verdict, key=discovery.ear_verification_key)
        reply = yield Question(url=where, headers=(accept,), pause=pause)
        pause = min(2 * pause, _LONGEST_PAUSE)
    raise PeerError(where, got="processing, for ever", want="a verdict")


def _body(reply: Reply, where: str, wanted: Collection[int], media_type: str) -> bytes:
    """Give the body of a reply that is what was asked for.

    Raises:
        PeerError: another status, with the service's own words for it, or another media type.
    """
    given = reply.header("content-type").partition(";")[0].strip().lower()
    if reply.status not in wanted:
        told = _told(reply.body) if given == _PROBLEM else ""
        raise PeerError(
            where,
            got=f"status {reply.status}{f', {told}' if told else ''}",
            want=f"status {' or '.join(map(str, sorted(wanted)))}",
            remedy=_REMEDIES.get(reply.status, ""),
        )
    if given not in {media_type, _JSON}:
        raise PeerError(where, got=given or "no media type", want=media_type)
    return reply.body


def _told(body: bytes) -> str:
    try:
        problem = msgspec.json.decode(body, type=_Problem)
    except MALFORMED_JSON:
        return ""
    return problem.detail or problem.title


def _location(asked: str, location: str) -> str:
    """Give the session's URL, which must lie where we asked: evidence goes nowhere else."""
    wrong = PeerError(asked, got=f"Location {location!r}", want="a session of this service")
    if not location or not _is_plain(location):
        raise wrong
    try:
        found = urljoin(asked, location)
        ours, theirs = urlsplit(asked), urlsplit(found)
        same = (ours.scheme, ours.netloc) == (theirs.scheme, theirs.netloc)
    except ValueError as error:
        raise wrong from error
    if not same or theirs.fragment:
        raise wrong
    return found


def _is_plain(text: str) -> bool:
    """Say whether a URL may hold this as it is: printable ASCII without spaces."""
    return all("!" <= one <= "~" for one in text)


def _is_evidence_type(text: str) -> bool:
    """Say whether a media type is a CCA token's; services quote the profile, documents do not."""
    kind, *parameters = (part.strip() for part in text.split(";"))
    pairs = [one.partition("=") for one in parameters]
    profiles = [value.strip('"') for name, _, value in pairs if name.lower() == "profile"]
    return (kind.lower(), profiles) == (_EVIDENCE_TYPE, [_EVIDENCE_PROFILE])


def _parsed(raw: bytes, kind: type[_T], where: str) -> _T:
    try:
        return msgspec.json.decode(raw, type=kind)
    except MALFORMED_JSON as error:
        raise PeerError(where, got=error, want=f"a {kind.__name__.lower()} document") from error


_TO_URL: Final = str.maketrans("+/", "-_")
_EVIDENCE_TYPE: Final = "application/eat-collection"
_EVIDENCE_PROFILE: Final = "http://arm.com/CCA-SSD/1.0.0"
_REMEDIES: Final = {
    404: "Is a Veraison service there? A session is gone once it expires.",
    406: "The service speaks another version of the protocol.",
    415: "The service needs its scheme for Arm CCA.",
    429: "The service is asked too often: try later, or give it more room.",
    500: "The service's log says what went wrong.",
    503: "The service is overloaded or down: try later.",
}
