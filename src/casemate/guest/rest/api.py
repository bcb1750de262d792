"""The loopback API for containers, route by route (guest-components §19)."""

import logging
from enum import Flag
from typing import Final, Self
from urllib.parse import parse_qsl, urlsplit

import msgspec

from casemate import __version__
from casemate.crypto import base64url
from casemate.errors import MALFORMED_JSON, CasemateError, InputError
from casemate.guest.attestation.agent import AttestationAgent
from casemate.guest.attestation.measurements import Outcome
from casemate.guest.hub.resources import Resources
from casemate.net.http_server import Answer, Request
from casemate.wire.resource_uri import ResourceUri

_BYTES: Final = "application/octet-stream"
_JSON: Final = "application/json"
_TOKEN_KINDS: Final = frozenset({"kbs", "coco_as"})
_FORBIDDEN: Final = Answer(403, b"Forbidden")
_NOT_FOUND: Final = Answer(404, b"URL NOT FOUND")
_BAD_REQUEST: Final = Answer(400, b"BAD REQUEST")
_NOT_MEASURED: Final = {
    Outcome.NOT_SUPPORTED: "The platform does not support extending runtime measurements.",
    Outcome.NOT_ENABLED: "The event log is not enabled in the attestation agent.",
}
_log = logging.getLogger(__name__)


class Features(Flag):
    """Which halves of the API are open."""

    RESOURCE = 1
    ATTESTATION = 2
    ALL = 3

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``resource``, ``attestation`` or ``all``.

        Raises:
            InputError: anything else.
        """
        try:
            return cls[text.upper()]
        except KeyError as error:
            raise InputError(
                "features", got=text, want="resource, attestation or all", spec="§19"
            ) from error


class _Event(msgspec.Struct, frozen=True):
    domain: str
    operation: str
    content: str


class RestApi:
    """Answers requests of this machine's own containers, and nobody else's."""

    def __init__(self, agent: AttestationAgent, resources: Resources, features: Features) -> None:
        self._agent = agent
        self._resources = resources
        self._features = features

    async def answer(self, request: Request) -> Answer:
        """Answer one request; failures become status 400 or 500 with their text."""
        if not request.is_from_loopback:
            return _FORBIDDEN
        try:
            return await self._route(request)
        except InputError as error:
            _log.info("REST %s: %s", request.method, error)
            return _BAD_REQUEST
        except CasemateError as error:
            return Answer(500, str(error).encode())

    async def _route(self, request: Request) -> Answer:
        parts = urlsplit(request.target)
        match parts.path.split("/", 2)[1:]:
            case ["info"]:
                return self._info() if request.method == "GET" else _text(405, "Method Not Allowed")
            case ["aa", *rest]:
                if Features.ATTESTATION not in self._features:
                    return _text(404, "Attestation Feature Not Enabled")
                return await self._attestation(request, "/".join(rest), _query(parts.query))
            case ["cdh", *rest]:
                if Features.RESOURCE not in self._features:
                    return _text(404, "Resource Feature Not Enabled")
                return await self._resource("/".join(rest))
        return _NOT_FOUND

    def _info(self) -> Answer:
        info: dict[str, object] = {"version": __version__}
        if Features.ATTESTATION in self._features:
            info["tee"] = self._agent.tee
            if tees := self._agent.additional_tees:
                info["additional_tees"] = tees
        info["feature"] = (self._features.name or "").lower()
        return _json(info)

    async def _attestation(self, request: Request, path: str, query: dict[str, str]) -> Answer:
        match request.method, path:
            case "GET", "token":
                return await self._token(query)
            case "GET", "evidence":
                return Answer(200, await self._agent.evidence(_runtime_data(query)), _BYTES)
            case "GET", "additional-evidence":
                found = await self._agent.additional_evidence(_runtime_data(query))
                return Answer(200, found, _BYTES)
            case "POST", "aael":
                return self._extend(request.body)
        return _NOT_FOUND

    async def _token(self, query: dict[str, str]) -> Answer:
        if (kind := query.get("token_type")) not in _TOKEN_KINDS or kind is None:
            raise InputError("token_type", got=kind, want="kbs or coco_as")
        try:
            return Answer(200, await self._agent.token(kind), _BYTES)
        except InputError as error:  # of aa.toml, so not the asking container's mistake
            return Answer(500, str(error).encode())

    def _extend(self, body: bytes) -> Answer:
        try:
            event = msgspec.json.decode(body, type=_Event)
        except MALFORMED_JSON as error:
            raise InputError("aael", got=str(error), want="domain, operation, content") from error
        outcome = self._agent.extend(event.domain, event.operation, event.content)
        if outcome is Outcome.DONE:
            return _json({"success": "true"})
        return _json({"success": "false", "message": _NOT_MEASURED[outcome]})

    async def _resource(self, path: str) -> Answer:
        kind, _, name = path.partition("/")
        if kind != "resource":
            return _NOT_FOUND
        uri = ResourceUri.parse(f"kbs:///{name}")
        try:
            return Answer(200, (await self._resources.get(uri)).reveal(), _BYTES)
        except InputError as error:  # of cdh.toml, so not the asking container's mistake
            return Answer(500, str(error).encode())


def _text(status: int, text: str) -> Answer:
    return Answer(status, text.encode())


def _json(value: dict[str, object]) -> Answer:
    return Answer(200, msgspec.json.encode(value), _JSON)


def _query(text: str) -> dict[str, str]:
    try:
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=16))
    except ValueError as error:
        raise InputError("query", got=text, want="at most 16 parameters") from error


def _runtime_data(query: dict[str, str]) -> bytes:
    text = query.get("runtime_data")
    if text is None:
        raise InputError("runtime_data", got="nothing", want="the data to bind evidence to")
    match query.get("encoding"):
        case None:
            return text.encode()
        case "base64":
            return base64url.decode(text, where="runtime_data")
        case other:
            raise InputError("encoding", got=other, want="base64")
