"""The guest's side of the RCAR handshake, without IO (guest-components §6, trustee §3).

Request, challenge, attestation, token: each step takes what the step before gave, so that none can
be left out. What a Trustee wrongly sends is a PeerError; what it refuses is a VerificationError
with the Trustee's own reason.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from casemate.crypto import base64url
from casemate.crypto.digest import Algorithm, Digest
from casemate.crypto.jwk import TeePublicKey
from casemate.crypto.keys import Kind, PrivateKey
from casemate.errors import (
    MALFORMED_JSON,
    CasemateError,
    InputError,
    PeerError,
    Refusal,
    VerificationError,
    quote,
)
from casemate.guest.attestation.settings import TeeKeyAlgorithm
from casemate.trace import Station
from casemate.wire import kbs

NO_DEVICES: Final = ""
SECURE_EXECUTION: Final = "se"
_LONGEST_NONCE: Final = 64 << 10
_LONGEST_TOKEN: Final = 1 << 20
_LONGEST_REASON: Final = 4000
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]+\.([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]+")
_WHERE: Final = "key broker"
_SERVER_TROUBLE: Final = 500
_KEYS: Final = {
    TeeKeyAlgorithm.EC_P256: (Kind.P256, "ECDH-ES+A256KW"),
    TeeKeyAlgorithm.EC_P521: (Kind.P521, "ECDH-ES+A256KW"),
    TeeKeyAlgorithm.RSA: (Kind.RSA, "RSA-OAEP-256"),
}


class TeeKey(msgspec.Struct, frozen=True):
    """The ephemeral key of one handshake; the broker seals secrets to its public half."""

    private: PrivateKey
    public: TeePublicKey

    @classmethod
    def generate(cls, algorithm: TeeKeyAlgorithm) -> "TeeKey":
        """Make a fresh one."""
        kind, alg = _KEYS[algorithm]
        private = PrivateKey.generate(kind)
        jwk = msgspec.to_builtins(private.public.jwk(alg=alg))
        return cls(private, msgspec.convert(jwk, TeePublicKey))


class Binding(msgspec.Struct, frozen=True):
    """What evidence must be bound to, and how."""

    runtime_data: kbs.RuntimeData
    algorithm: Algorithm

    @property
    def device_report_data(self) -> Digest:
        """For the evidence of each device."""
        return kbs.device_report_data(self.runtime_data, self.algorithm)

    def report_data(self, additional_evidence: str = NO_DEVICES) -> Digest:
        """For the evidence of the CPU's TEE; it covers the evidence of the devices."""
        return kbs.report_data(self.runtime_data, additional_evidence, self.algorithm)

    def asked(self, tee: str, additional_evidence: str = NO_DEVICES) -> bytes:
        """What the attester of ``tee`` is asked to bind: report data, or a request with it inside.

        Secure Execution is asked by the verifier's own request, which is the nonce (tee §1.2).

        Raises:
            PeerError: the nonce is no such request.
        """
        digest = self.report_data(additional_evidence).value
        if tee != SECURE_EXECUTION:
            return digest
        try:
            request = msgspec.json.decode(self.runtime_data.nonce, type=dict[str, msgspec.Raw])
        except MALFORMED_JSON as error:
            raise PeerError(
                _WHERE, got=str(error), want="a request of Secure Execution", spec="tee §12"
            ) from error
        own = {"runtime_data_digest": msgspec.Raw(msgspec.json.encode(digest))}
        return msgspec.json.encode(request | own)


class Passport(msgspec.Struct, frozen=True):
    """A token and the key it speaks for. ``lifetime`` is in seconds from when it was issued."""

    token: str
    key: PrivateKey
    lifetime: float


def request(tee: str) -> bytes:
    """Write the body of ``auth``."""
    return kbs.encode(kbs.Request(kbs.PROTOCOL_VERSION, tee, kbs.OFFERED_PARAMETERS))


def bind(challenge: bytes, key: TeeKey, tee: str = "") -> Binding:
    """Take the answer of ``auth``; evidence made from it is fresh and speaks for ``key``.

    Secure Execution always binds with SHA-512, whatever the challenge says (tee §1.2).

    Raises:
        PeerError: not a challenge, or a hash algorithm that was not offered.
    """
    try:
        parsed = kbs.parse_challenge(challenge)
        algorithm = _selected(parsed.extra_params)
    except InputError as error:
        raise PeerError(
            _WHERE, got=str(error), want="a challenge", spec="guest-components §6"
        ) from None
    if not 0 < len(parsed.nonce) <= _LONGEST_NONCE:
        raise PeerError(_WHERE, got=f"a nonce of {len(parsed.nonce)} characters", want="a nonce")
    if tee == SECURE_EXECUTION:
        algorithm = Algorithm.SHA512
    return Binding(kbs.RuntimeData(parsed.nonce, key.public), algorithm)


def additional_evidence(devices: Mapping[str, bytes]) -> str:
    """Write the evidence of devices, JSON by TEE name, as the string that evidence covers."""
    if not devices:
        return NO_DEVICES
    raw = {tee: msgspec.Raw(evidence) for tee, evidence in devices.items()}
    return msgspec.json.encode(raw).decode()


def attestation(
    binding: Binding,
    primary_evidence: bytes,
    *,
    additional_evidence: str = NO_DEVICES,
    initdata: str | None = None,
) -> bytes:
    """Write the body of ``attest``. ``primary_evidence`` is JSON; ``initdata`` the TOML text."""
    return kbs.encode(
        kbs.Attestation(
            runtime_data=binding.runtime_data,
            tee_evidence=kbs.CompositeEvidence(msgspec.Raw(primary_evidence), additional_evidence),
            init_data=None if initdata is None else kbs.InitDataField("toml", initdata),
        )
    )


def passport(answer: bytes, key: TeeKey) -> Passport:
    """Take the answer of ``attest``.

    Raises:
        PeerError: no token in it, or one that does not say how long it is good for.
    """
    try:
        token = kbs.parse_token_answer(answer).token
        lifetime = token_lifetime(token)
    except InputError as error:
        raise PeerError(
            _WHERE, got=str(error), want="a token", spec="guest-components §6"
        ) from None
    return Passport(token, key.private, lifetime)


def token_lifetime(token: str) -> float:
    """Seconds between ``iat`` and ``exp``. The difference, so that clocks need not agree.

    The signature is left out: the token is for the broker that made it, and says here only how
    long to keep it.

    Raises:
        InputError: not a JWT with both claims.
    """
    match = _TOKEN.fullmatch(token) if len(token) <= _LONGEST_TOKEN else None
    if match is None:
        raise InputError("token", got=f"{len(token)} characters", want="a JWT up to 1 MiB")
    try:
        claims = msgspec.json.decode(base64url.decode(match[1], where="token"), type=_Times)
    except MALFORMED_JSON as error:
        raise InputError("token", got=str(error), want="claims iat and exp") from error
    return max(0.0, claims.exp - claims.iat)


def failure(status: int, body: bytes, *, station: Station, claim: str) -> CasemateError:
    """Turn an answer that is not 200 into the error to raise: 5xx is the broker's own trouble.

    The members a Casemate Trustee sends (step, claim, got, expected, rule, remedy) are carried
    unchanged, up to 4000 characters each; upstream's two are put into the same form, ``claim``
    naming what was asked for.
    """
    if status >= _SERVER_TROUBLE:
        return PeerError(_WHERE, got=f"status {status}: {_text(body)}", want="status 200")
    try:
        error = kbs.parse_error(body)
    except InputError:
        got = f"status {status}: {quote(_text(body))}"
        return VerificationError(_bare(station, claim, got, f"HTTP {status}"))
    rule = error.type.removeprefix(kbs.ERROR_TYPE_PREFIX)
    members = msgspec.structs.asdict(_bare(station, claim, error.detail, rule))
    for name in members:
        if isinstance(value := getattr(error, name), str):
            members[name] = value[:_LONGEST_REASON]
    return VerificationError(Refusal(**members))


class _Times(msgspec.Struct, frozen=True):
    exp: float
    iat: float


def _bare(station: Station, claim: str, got: str, rule: str) -> Refusal:
    return Refusal(
        step=station.value,
        claim=claim,
        got=got,
        expected="status 200",
        rule=rule,
        remedy="Ask the owner of the key broker; its log has the reason.",
    )


def _text(body: bytes) -> str:
    return body[:200].decode("utf-8", "replace")


def _selected(parameters: msgspec.Raw) -> Algorithm:
    """Missing selection means SHA-384; anything odd is an error (guest-components §6, step 2)."""
    try:
        found: Any = msgspec.json.decode(parameters)
    except MALFORMED_JSON as error:
        raise InputError("extra-params", got=str(error), want="JSON") from error
    name = found.get("selected-hash-algorithm", "sha384") if isinstance(found, dict) else "sha384"
    if not isinstance(name, str):
        raise InputError("selected-hash-algorithm", got=name, want="a string")
    return Algorithm.parse(name)
