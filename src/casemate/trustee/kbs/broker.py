"""The key broker: one function from request to answer (trustee spec §2). No server, no socket."""

from collections.abc import Callable
from typing import Final

from casemate.crypto import jwe
from casemate.errors import CasemateError, InputError, Refusal
from casemate.metrics import render
from casemate.trustee import audit
from casemate.trustee.kbs.administration import Administration
from casemate.trustee.kbs.exchange import JSON, XML, Answer, Ask, segments
from casemate.trustee.kbs.failure import BrokerError, Variant, outwardly, reason_of
from casemate.trustee.kbs.handshake import Handshake
from casemate.trustee.kbs.passport import Passport, PassportControl
from casemate.trustee.kbs.policy import ResourcePolicy
from casemate.trustee.kbs.resource import Resources
from casemate.trustee.measures import Measures
from casemate.wire.kbs import PREFIX

_METHODS: Final = frozenset({"GET", "POST", "PUT", "DELETE"})
_RESOURCE: Final = "resource"


class Broker:
    """Everything the broker answers, composed of its parts."""

    def __init__(
        self,
        *,
        handshake: Handshake,
        administration: Administration,
        passports: PassportControl,
        policy: ResourcePolicy,
        resources: Resources,
        measures: Measures,
        timer: Callable[[], float],
    ) -> None:
        self._handshake = handshake
        self._administration = administration
        self._passports = passports
        self._policy = policy
        self._resources = resources
        self._measures = measures
        self._timer = timer

    async def prepared(self, ask: Ask) -> Ask:
        """Give a request with all done that takes waiting; then ``answer`` waits for nobody."""
        if ask.method == "POST" and ask.path == f"{PREFIX}/attest":
            return await self._handshake.prepared(ask)
        return ask

    def answer(self, ask: Ask) -> Answer:
        """Answer any request; what goes wrong becomes an answer too."""
        if not ask.path.startswith("/kbs"):
            return self._outside(ask)
        measures, began = self._measures, self._timer()
        measures.requests.inc()
        measures.request_size.observe(len(ask.body))
        answer = self._inside(ask)
        measures.duration.observe(self._timer() - began)
        measures.response_size.observe(len(answer.body))
        return answer

    def _outside(self, ask: Ask) -> Answer:
        if ask.path not in {"/healthz", "/metrics"}:
            return Answer(404)
        if ask.method != "GET":
            return Answer(405)
        return Answer(200, render(self._measures.registry) if ask.path == "/metrics" else b"")

    def _inside(self, ask: Ask) -> Answer:
        if not ask.path.startswith(f"{PREFIX}/"):
            return Answer(404)
        if ask.method not in _METHODS:
            return Answer(405)
        try:
            return self._route(ask)
        except BrokerError as error:
            return error.answer()
        except CasemateError as error:
            reason = reason_of(error, "serve")
            audit.record("error", outcome=str(reason), peer=ask.peer, path=ask.path)
            failed = BrokerError(
                Variant.PLUGIN_INTERNAL_ERROR,
                "Plugin internal error",
                status=500,
                reason=outwardly(error, reason),
            )
            return failed.answer()

    def _route(self, ask: Ask) -> Answer:
        try:
            endpoint, *rest = segments(ask.path, PREFIX)
            query = ask.query
        except InputError as error:
            return Answer(400, str(error).encode(), (("content-type", "text/plain"),))
        match ask.method, endpoint:
            case "POST", "auth":
                return self._handshake.auth(ask)
            case "POST", "attest":
                return self._handshake.attest(ask)
            case _, "resource":
                return self._resource(ask, rest, query)
            case _:
                answer = self._administration.answer(ask, endpoint, rest)
                if answer is None:
                    raise BrokerError(
                        Variant.PLUGIN_NOT_FOUND, f"Plugin {endpoint} not found", status=404
                    )
                return answer

    def _resource(self, ask: Ask, path: list[str], query: dict[str, str]) -> Answer:
        where = "/".join(path)
        try:
            match ask.method:
                case "POST":
                    self._administration.require_for_plugin(ask)
                    self._resources.put(path, ask.body)
                    self._measures.writes.labels(where).inc()
                case "DELETE":
                    self._administration.require_for_plugin(ask)
                    if not self._resources.delete(path):
                        raise _missing(where)
                    self._measures.deletes.labels(where).inc()
                case "GET" if not path:
                    self._administration.require_for_plugin(ask)
                    return Answer.json(_listing(self._resources.paths()))
                case _:
                    return self._release(ask, path, query)
        except InputError as error:
            raise BrokerError(
                Variant.PLUGIN_INTERNAL_ERROR,
                "Plugin internal error",
                reason=reason_of(error, "release"),
            ) from error
        audit.record(f"resource.{ask.method}", outcome="done", peer=ask.peer, path=where)
        return Answer(200, b"", (("content-type", XML),))

    def _release(self, ask: Ask, path: list[str], query: dict[str, str]) -> Answer:
        """Release a resource in steps: (1) token, (2) policy, (3) resource, (4) seal."""
        passport = self._passport(ask)
        self._require_policy(ask, passport, path, query)
        if ask.method != "GET":
            raise InputError("method", got=ask.method, want="GET, POST or DELETE", spec="§14.1")
        secret = self._resources.get(path)
        where = "/".join(path)
        if secret is None:
            raise _missing(where)
        with secret:
            try:
                sealed = jwe.encrypt(secret, passport.tee_key)
            except InputError as error:
                raise BrokerError(
                    Variant.JWE_ERROR, "JWE failed", reason=reason_of(error, "release")
                ) from error
        self._measures.reads.labels(where).inc()
        audit.record("resource.GET", outcome="released", peer=ask.peer, path=where)
        return Answer(200, sealed, (("content-type", JSON),))

    def _passport(self, ask: Ask) -> Passport:
        token = self._handshake.token(ask) or ask.bearer()
        if token is None:
            raise BrokerError(
                Variant.TOKEN_NOT_FOUND, "Attestation Token not found", reason=_NO_TOKEN
            )
        try:
            return self._passports.verify(token)
        except CasemateError as error:
            reason = reason_of(error, "release")
            audit.record("token", outcome="refused", peer=ask.peer, reason=str(reason))
            raise BrokerError(
                Variant.TOKEN_VERIFIER_ERROR, "Token Verifier error", reason=reason
            ) from error

    def _require_policy(
        self, ask: Ask, passport: Passport, path: list[str], query: dict[str, str]
    ) -> None:
        self._measures.evaluations.inc()
        try:
            decision = self._policy.decide(
                passport.claims, plugin=_RESOURCE, path=path, query=query
            )
        except InputError as error:
            self._measures.policy_errors.inc()
            raise BrokerError(
                Variant.POLICY_ENGINE_ERROR,
                f"Policy engine error: {error}",
                reason=reason_of(error, "release"),
            ) from error
        if decision.allowed:
            self._measures.approvals.inc()
            return
        self._measures.violations.inc()
        audit.record(
            "resource.GET",
            outcome="denied",
            peer=ask.peer,
            path="/".join(path),
            reason=str(decision.reason),
        )
        raise BrokerError(Variant.POLICY_DENY, "Access denied by policy", reason=decision.reason)


_NO_TOKEN: Final = Refusal(
    step="release",
    claim="attestation token",
    got="none",
    expected="the cookie of an attested session, or a bearer token",
    rule="trustee spec §2.3",
    remedy="Attest first: POST auth, then attest.",
)


def _missing(path: str) -> BrokerError:
    """Say 404: upstream's clients take it as not found and do not attest again (§22)."""
    return BrokerError(
        Variant.PLUGIN_INTERNAL_ERROR,
        "Plugin internal error",
        status=404,
        reason=Refusal(
            step="release",
            claim=f"resource/{path}",
            got="no such resource",
            expected="a resource that the owner has set",
            rule="trustee spec §14.1",
            remedy=f"casemate kbs set {path} FILE",
        ),
    )


def _listing(paths: list[str]) -> bytes:
    import msgspec

    return msgspec.json.encode(paths)
