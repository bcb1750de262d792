"""A Veraison service over TLS on loopback: sessions, verdicts with real signatures, real failures.

It judges tokens by our own local verifier, so a token that was tampered with really is
contraindicated, and puts its findings into an EAR as Veraison's scheme for Arm CCA does.
"""

import time
from base64 import b64encode, urlsafe_b64encode
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec

from casemate.crypto import base64url, jwt
from casemate.crypto.authority import CertificateAuthority
from casemate.crypto.keys import Kind, PrivateKey
from casemate.errors import VerificationError
from casemate.net.http_server import Answer, Request, Server
from casemate.net.tls import server_context
from casemate.tee.anchors import Anchors
from casemate.tee.evidence import Expectation, Inputs
from casemate.tee.verifiers import trail_of, verify

MEDIA_TYPE = 'application/eat-collection; profile="http://arm.com/CCA-SSD/1.0.0"'
SESSION = "application/vnd.veraison.challenge-response-session+json"
PROBLEM = "application/problem+json"
AFFIRMED = {"instance-identity": 2, "configuration": 2, "executables": 2, "hardware": 2}

Change = Callable[[dict[str, Any]], None]


def unchanged(_document: dict[str, Any]) -> None:
    """Leave a document as it is."""


def member_of(path: str, value: object) -> Change:
    """Give a change that sets a member, by its path; ``...`` takes it away."""

    def change(document: dict[str, Any]) -> None:
        *parents, last = path.split("/")
        place = document
        for one in parents:
            place = place[one]
        if value is ...:
            with suppress(KeyError):
                del place[last]
        else:
            place[last] = value

    return change


@dataclass
class Veraison:
    """The service. What an attacker or a bad day would change is a field."""

    roots: Mapping[str, bytes] = field(default_factory=dict)
    """``tastore.json`` and ``rvstore.json``: the endorsements it was given."""
    kind: Kind = Kind.P256
    clock: Callable[[], float] = time.time
    tls: bool = True
    authority: CertificateAuthority = field(
        default_factory=lambda: CertificateAuthority.create("veraison")
    )
    polls: int = 0
    """How often a session is found processing after evidence came."""
    lifetime: float = 150.0
    """Seconds that a session lives."""
    location: str = "session/{id}"
    discovery: Change = unchanged
    session: Change = unchanged
    ear: Change = unchanged
    """Changes the claims before they are signed."""
    sign: Callable[[dict[str, Any], PrivateKey], str] = jwt.sign
    first: dict[str, list[Answer]] = field(default_factory=dict)
    """Path, or ``session`` for any session, or ``*`` → what comes before the right answer."""
    asked: list[Request] = field(default_factory=list)
    port: int = 0

    def __post_init__(self) -> None:
        self.key = PrivateKey.generate(self.kind)
        self._sessions: dict[str, dict[str, Any]] = {}
        self._waiting: dict[str, int] = {}

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://localhost:{self.port}"

    @property
    def anchors_pem(self) -> str:
        return self.authority.certificate_pem.decode()

    @property
    def jwk(self) -> bytes:
        return msgspec.json.encode(self.key.public.jwk(alg=self.key.algorithm))

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Veraison"]:
        issued = self.authority.issue_server("veraison", ["localhost"])
        context = server_context(issued.certificate_pem, issued.key_pem) if self.tls else None
        server = Server(self._answer, tls=context)
        self.port = await server.listen("localhost", 0)
        try:
            yield self
        finally:
            await server.close()

    async def _answer(self, request: Request) -> Answer:
        self.asked.append(request)
        path = urlsplit(request.target).path
        is_session = path.startswith("/challenge-response/v1/session/")
        for key in ("session" if is_session else path, "*"):
            if queue := self.first.get(key):
                return queue.pop(0)
        if (request.method, path) == ("GET", "/.well-known/veraison/verification"):
            return self._discovery()
        if (request.method, path) == ("POST", "/challenge-response/v1/newSession"):
            return self._new_session(parse_qs(urlsplit(request.target).query))
        known = self._sessions.get(path.rpartition("/")[2]) if is_session else None
        if known is None:
            return problem(404, "no active session could be located")
        if request.method == "POST":
            return self._submitted(path.rpartition("/")[2], request)
        return self._shown(path.rpartition("/")[2], 200)

    def _discovery(self) -> Answer:
        document: dict[str, Any] = {
            "ear-verification-key": msgspec.json.decode(self.jwk),
            "media-types": [MEDIA_TYPE],
            "version": "commit-simulated",
            "service-state": "READY",
            "api-endpoints": {"newChallengeResponseSession": "/challenge-response/v1/newSession"},
        }
        self.discovery(document)
        media_type = "application/vnd.veraison.discovery+json"
        return Answer(200, msgspec.json.encode(document), media_type)

    def _new_session(self, query: Mapping[str, list[str]]) -> Answer:
        nonce = base64url.decode(query["nonce"][0])
        if not 8 <= len(nonce) <= 64:
            return problem(400, "nonce must be between 8 and 64 bytes long")
        name = f"session-{len(self._sessions)}"
        expiry = datetime.fromtimestamp(self.clock() + self.lifetime, UTC)
        self._sessions[name] = {
            "nonce": base64url.encode(nonce),
            "expiry": expiry,
            "accept": ["application/psa-attestation-token", MEDIA_TYPE],
            "status": "waiting",
        }
        return self._shown(name, 201, ("Location", self.location.format(id=name)))

    def _submitted(self, name: str, request: Request) -> Answer:
        session = self._sessions[name]
        if dict(request.headers).get("content-type") != MEDIA_TYPE:
            return problem(415, "no active plugin found")
        claims = self._claims(request.body, base64url.decode(session["nonce"]))
        self.ear(claims)
        session["evidence"] = {"type": MEDIA_TYPE, "value": b64encode(request.body).decode()}
        session["verdict"] = self.sign(claims, self.key)
        session["status"] = "processing"
        self._waiting[name] = self.polls
        return self._shown(name, 202 if self.polls else 200)

    def _shown(self, name: str, status: int, *headers: tuple[str, str]) -> Answer:
        session = self._sessions[name]
        if session["status"] == "processing":
            self._waiting[name] -= 1
            if self._waiting[name] < 0:
                session |= {"status": "complete", "result": session["verdict"]}
        shown = {key: value for key, value in session.items() if key != "verdict"}
        self.session(shown)
        return Answer(status, msgspec.json.encode(shown), SESSION, headers)

    def _claims(self, token: bytes, nonce: bytes) -> dict[str, Any]:
        return {
            "eat_profile": "tag:github.com,2023:veraison/ear",
            "ear.verifier-id": {"build": "simulated", "developer": "Veraison Project"},
            "iat": int(self.clock()),
            "eat_nonce": urlsafe_b64encode(nonce).decode(),
            "submods": self._parts(token, nonce),
        }

    def _parts(self, token: bytes, nonce: bytes) -> dict[str, Any]:
        """Appraise: what the scheme cannot prove is one part with its name, and the problem."""
        now = datetime.fromtimestamp(self.clock(), UTC)
        inputs = Inputs(now=now, anchors=Anchors.of_folder(self.roots))
        trail = trail_of("cca")
        try:
            (found,) = verify("cca", token, Expectation(report_data=nonce), inputs, trail)
        except VerificationError as error:
            return self._less(token, nonce, error)
        seen = found.claims
        known = seen["platform"]["cca-platform-reference-values"] == "match"
        unknown = {} if known else {"configuration": 32, "executables": 33}
        executables = 2 if seen["realm"]["cca-realm-reference-values"] == "match" else 33
        return {
            "CCA_SSD_PLATFORM": part(AFFIRMED | unknown, seen["platform"]),
            "CCA_REALM": part({"instance-identity": 2, "executables": executables}, seen["realm"]),
        }

    def _less(self, token: bytes, nonce: bytes, error: VerificationError) -> dict[str, Any]:
        step = int(error.refusal.step.removeprefix("cca.").split()[0])
        if step not in {13, 14}:
            problem_of = {"problem": f"integrity validation failed: {error.refusal.claim}"}
            vector = dict.fromkeys([*AFFIRMED, "runtime-opaque"], 99)
            return {"ARM_CCA": part(vector, {}) | {"ear.veraison.policy-claims": problem_of}}
        known = {"tastore.json": self.roots["tastore.json"]}
        if step == 14:  # the firmware is known, the realm is not
            references = msgspec.json.decode(self.roots["rvstore.json"])
            known["rvstore.json"] = msgspec.json.encode({"platform": references["platform"]})
        return Veraison(known, clock=self.clock)._parts(token, nonce)


SEEN = "ear.veraison.annotated-evidence"


def part(vector: Mapping[str, int], seen: Mapping[str, Any]) -> dict[str, Any]:
    """Give what an EAR says of one part: Veraison's own claims alone."""
    worst = max(vector.values())
    status = "affirming" if worst < 32 else "warning" if worst < 96 else "contraindicated"
    ours = ("lifecycle-state", "trust-anchor", "reference-values")
    return {
        "ear.status": status,
        "ear.trustworthiness-vector": dict(vector),
        "ear.appraisal-policy-id": "policy:ARM_CCA",
        SEEN: {name: value for name, value in seen.items() if not name.endswith(ours)},
    }


def problem(status: int, detail: str, *headers: tuple[str, str]) -> Answer:
    """Give an error as the service does (RFC 9457)."""
    body = {"type": "about:blank", "title": "problem", "status": status, "detail": detail}
    return Answer(status, msgspec.json.encode(body), PROBLEM, headers)
