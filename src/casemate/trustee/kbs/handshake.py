"""The two steps of the handshake that the broker answers: auth and attest (trustee spec §3)."""

import hmac
from datetime import datetime
from email.utils import formatdate
from functools import partial
from typing import Final, NoReturn

import msgspec

from casemate.errors import CasemateError, HostError, InputError, Refusal, VerificationError
from casemate.tee.verifiers import report_data_algorithm
from casemate.trustee import audit
from casemate.trustee.evidence_archive import EvidenceArchive
from casemate.trustee.kbs.exchange import Answer, Ask
from casemate.trustee.kbs.failure import BrokerError, Variant, outwardly, reason_of
from casemate.trustee.kbs.parts import Attests
from casemate.trustee.kbs.session import Attested, Authed, Sessions
from casemate.trustee.measures import Measures
from casemate.wire import kbs

_STEP: Final = "attest"


class Handshake:
    """RCAR over sessions and an attestation service."""

    def __init__(
        self,
        sessions: Sessions,
        attestation: Attests,
        measures: Measures,
        archive: EvidenceArchive,
    ) -> None:
        self._sessions = sessions
        self._attestation = attestation
        self._measures = measures
        self._archive = archive

    def auth(self, ask: Ask) -> Answer:
        """Answer a request with a challenge.

        Raises:
            BrokerError: another version, a TEE that is not listened to, or no room.
        """
        self._measures.auths.inc()
        try:
            request = kbs.parse_request(ask.body)
            _require_version(request.version)
            self._attestation.require_tee(request.tee)
            tee = request.tee
            session, expires = self._sessions.open(
                request,
                nonce=lambda session: self._attestation.challenge(tee, session),
                parameters=kbs.selected_parameters(request, report_data_algorithm(tee)),
            )
        except CasemateError as error:
            self._measures.auth_errors.inc()
            reason = reason_of(error, _STEP)
            audit.record("auth", outcome="refused", peer=ask.peer, reason=str(reason))
            raise _auth_refused(error, outwardly(error, reason)) from error
        self._measures.auth_successes.inc()
        return Answer.json(kbs.encode(session.challenge), _cookie(session.id, expires))

    async def prepared(self, ask: Ask) -> Ask:
        """Give an attest request with what takes waiting done; as it is where it will be refused.

        Nothing is done on behalf of evidence that does not answer the session's challenge.
        """
        try:
            session, attestation = self._asked(ask)
        except CasemateError:
            return ask  # attest refuses it too, and says why
        if isinstance(session, Attested):
            return ask
        try:
            token = await self._attestation.prepare(session.request.tee, attestation, session.id)
        except CasemateError as error:
            token = partial(_raise, error)
        return msgspec.structs.replace(ask, token=token)

    def attest(self, ask: Ask) -> Answer:
        """Answer evidence with a token.

        Steps: (1) cookie, (2) body, (3) session, (4) already attested: the stored token,
        (5) nonce, (6) evidence and policy, (7) the session moves on.

        Raises:
            BrokerError: one of the steps failed; the reason says which.
        """
        self._measures.attestations.inc()
        try:
            session, attestation = self._asked(ask)
            token = self._token(session, attestation, ask)
        except CasemateError as error:
            self._measures.attestation_errors.inc()
            reason = reason_of(error, _STEP)
            audit.record("attest", outcome="refused", peer=ask.peer, reason=str(reason))
            raise BrokerError(
                Variant.ATTESTATION_ERROR,
                "Attestation error: RCAR handshake Attest failed",
                status=_status(error),
                reason=outwardly(error, reason),
            ) from error
        expires = datetime.fromisoformat(session.timeout).timestamp()
        return Answer.json(kbs.encode(kbs.TokenAnswer(token)), _cookie(session.id, expires))

    def token(self, ask: Ask) -> str | None:
        """Give the token of the request's session, if it was attested."""
        name = ask.cookie(kbs.SESSION_COOKIE)
        session = self._sessions.find(name) if name else None
        return session.token if isinstance(session, Attested) else None

    def _asked(self, ask: Ask) -> tuple[Authed | Attested, kbs.Attestation]:
        """Steps (1) to (5)."""
        name = _require_cookie(ask)
        attestation = kbs.parse_attestation(ask.body)
        session = self._require_session(name)
        if isinstance(session, Authed):
            _require_nonce(attestation.runtime_data.nonce, session.challenge.nonce)
        return session, attestation

    def _token(self, session: Authed | Attested, attestation: kbs.Attestation, ask: Ask) -> str:
        if isinstance(session, Attested):
            return session.token
        tee = session.request.tee
        make = ask.token or partial(self._attestation.attest, tee, attestation, session.id)
        try:
            token = make()
        except VerificationError:
            self._measures.refused.labels(tee).inc()
            raise
        self._archive.keep(ask.body)
        self._sessions.attested(session, token)
        self._measures.attested.labels(tee).inc()
        audit.record("attest", outcome="token issued", peer=ask.peer, tee=tee)
        return token

    def _require_session(self, name: str) -> Authed | Attested:
        session = self._sessions.find(name)
        if session is None:
            raise _refusal("session", "unknown or ended", "a session that auth opened", "§3.6")
        return session


def _raise(error: CasemateError) -> NoReturn:
    raise error


def _require_version(version: str) -> None:
    if version != kbs.PROTOCOL_VERSION:
        raise InputError(
            "KBS Client Protocol Version Mismatch",
            got=version,
            want=f"={kbs.PROTOCOL_VERSION}",
            spec="trustee spec §3.1",
        )


def _require_cookie(ask: Ask) -> str:
    name = ask.cookie(kbs.SESSION_COOKIE)
    if not name:
        raise _refusal("session", "no cookie", f"the cookie {kbs.SESSION_COOKIE} of auth", "§3.3")
    return name


def _require_nonce(got: str, expected: str) -> None:
    if not hmac.compare_digest(got.encode(), expected.encode()):
        raise _refusal("nonce", got, "the nonce of this session's challenge", "§3.3")


def _refusal(claim: str, got: str, expected: str, section: str) -> VerificationError:
    return VerificationError(
        Refusal(
            step=_STEP,
            claim=claim,
            got=got[:64],
            expected=expected,
            rule=f"trustee spec {section}: evidence answers this session's fresh challenge",
            remedy="Begin a new handshake; evidence of another session never serves.",
        )
    )


def _auth_refused(error: CasemateError, reason: Refusal) -> BrokerError:
    cause = str(reason) if isinstance(error, HostError) else str(error)
    if error.where.startswith("KBS Client Protocol Version"):
        cause = f"{error.where}: expect {error.want} while the request is {error.got}"
    return BrokerError(
        Variant.ATTESTATION_ERROR,
        f"Attestation error: RCAR handshake Auth failed: {cause}",
        status=_status(error),
        reason=reason,
    )


def _status(error: CasemateError) -> int:
    """503 where the mistake is this machine's: clients then try again, and need no new evidence."""
    return 503 if isinstance(error, HostError) else 401


def _cookie(name: str, expires: float) -> tuple[str, str]:
    at = formatdate(expires, usegmt=True)
    value = f"{kbs.SESSION_COOKIE}={name}; Expires={at}; Path={kbs.PREFIX}; HttpOnly; Secure"
    return "set-cookie", value
