"""An owner's client of a key broker: resources, policies, reference values (trustee spec §2.2)."""

import base64
import time
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import quote as percent

import msgspec

from casemate.crypto import base64url, jwt
from casemate.crypto.keys import PrivateKey
from casemate.errors import MALFORMED_JSON, InputError, PeerError, Refusal, VerificationError
from casemate.net.http import HttpClient, Response
from casemate.secret import Secret
from casemate.wire.kbs import ERROR_TYPE_PREFIX, PREFIX, parse_error

_TOKEN_LIFETIME: Final = 300  # seconds
_RESOURCE_POLICY: Final = "resource-policy"
_SERVER_TROUBLE: Final = 500
"""From this status on it is the broker's own trouble, and no refusal."""
_TROUBLE: Final = "Nothing was changed. The broker's log has the reason."


class KbsAdmin:
    """Speaks to the broker at ``url`` as the holder of an admin key.

    Every call raises VerificationError when the broker refuses (with its reason), PeerError when
    it cannot be reached or answers something else.
    """

    def __init__(
        self,
        http: HttpClient,
        url: str,
        key: PrivateKey | None,
        *,
        role: str = "admin",
        clock: Callable[[], float] = time.time,
    ) -> None:
        if not url.startswith("https://"):
            raise InputError("URL of the key broker", got=url, want="https://host:port")
        self._http = http
        self._base = url.rstrip("/") + PREFIX
        self._key = key
        self._role = role
        self._clock = clock

    async def set_resource(self, path: str, value: Secret | bytes) -> None:
        """Store ``value`` under ``repo/type/tag``; it is on the broker's disk afterwards."""
        body = value.reveal() if isinstance(value, Secret) else value
        await self._call("POST", f"resource/{path}", body)

    async def delete_resource(self, path: str) -> None:
        """Remove a resource."""
        await self._call("DELETE", f"resource/{path}")

    async def resources(self) -> list[str]:
        """Give the paths of all resources (a Casemate Trustee's own route)."""
        return _list(await self._call("GET", "resource"))

    async def set_resource_policy(self, text: str) -> None:
        """Put a resource policy (Rego) in force."""
        body = msgspec.json.encode({"policy": base64url.encode(text.encode())})
        await self._call("POST", _RESOURCE_POLICY, body)

    async def resource_policy(self) -> str:
        """Give the resource policy in force (a Casemate Trustee's own route)."""
        return _text(await self._call("GET", f"{_RESOURCE_POLICY}/{_RESOURCE_POLICY}"))

    async def set_attestation_policy(self, text: str, *, policy_id: str = "default_cpu") -> None:
        """Put an attestation policy (Rego) in force."""
        policy = base64url.encode(text.encode())
        body = msgspec.json.encode({"type": "rego", "policy_id": policy_id, "policy": policy})
        await self._call("POST", "attestation-policy", body)

    async def attestation_policy(self, policy_id: str = "default_cpu") -> str:
        """Give an attestation policy (a Casemate Trustee's own route)."""
        return _text(await self._call("GET", f"attestation-policy/{policy_id}"))

    async def register(self, values: Mapping[str, Any]) -> None:
        """Register reference values, over older ones of these names."""
        payload = base64.b64encode(msgspec.json.encode(dict(values))).decode("ascii")
        message = {"version": "0.1.0", "type": "sample", "payload": payload}
        await self._call("POST", "reference-value", msgspec.json.encode(message))

    async def reference_value(self, name: str) -> Any:
        """Give a reference value."""
        return _json(await self._call("GET", f"reference-value/{name}"))

    async def reference_values(self) -> dict[str, Any]:
        """Give all reference values by name (a Casemate Trustee's own route)."""
        found = _json(await self._call("GET", "reference-value"))
        if not isinstance(found, dict):
            raise PeerError("reference values", got=type(found).__name__, want="a JSON object")
        return found

    async def delete_reference_value(self, name: str) -> None:
        """Remove a reference value (a Casemate Trustee's own route)."""
        await self._call("DELETE", f"reference-value/{name}")

    async def _call(self, method: str, path: str, body: bytes = b"") -> Response:
        url = f"{self._base}/{percent(path, safe='/')}"
        headers = [("content-type", "application/octet-stream")]
        if self._key is not None:
            headers.append(("authorization", f"Bearer {self._token(self._key)}"))
        answer = await self._http.request(method, url, headers, body)
        if answer.status != 200:
            raise _failure(answer, f"{method} {path}")
        return answer

    def _token(self, key: PrivateKey) -> str:
        now = int(self._clock())
        claims = {
            "iss": "casemate",
            "sub": "owner",
            "aud": ["KBS"],
            "role": self._role,
            "iat": now,
            "exp": now + _TOKEN_LIFETIME,
        }
        return jwt.sign(claims, key)


def _failure(answer: Response, what: str) -> PeerError | VerificationError:
    try:
        error = parse_error(answer.body)
    except InputError:
        return PeerError(what, got=f"status {answer.status}", want="the answer of a key broker")
    if answer.status >= _SERVER_TROUBLE:
        got = f"status {answer.status}: {error.detail}"
        return PeerError(what, got=got, want="status 200", remedy=_TROUBLE)
    reason = Refusal(
        step="admin",
        claim=what,
        got=error.detail,
        expected="status 200",
        rule=error.type.removeprefix(ERROR_TYPE_PREFIX),
        remedy="",
    )
    ours = {
        name: value
        for name in reason.__struct_fields__
        if isinstance(value := getattr(error, name), str)
    }
    return VerificationError(msgspec.structs.replace(reason, **ours))


def _json(answer: Response) -> Any:
    try:
        return msgspec.json.decode(answer.body)
    except MALFORMED_JSON as error:
        raise PeerError("key broker", got=error, want="JSON") from error


def _list(answer: Response) -> list[str]:
    found = _json(answer)
    if not isinstance(found, list):
        raise PeerError("key broker", got=type(found).__name__, want="a JSON list")
    return [str(item) for item in found]


def _text(answer: Response) -> str:
    return answer.body.decode("utf-8", "replace")
