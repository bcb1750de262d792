"""KBS protocol 0.4.0: the messages of the RCAR handshake (trustee spec §2.4, §3).

Request -> Challenge -> Attestation -> token. Both ends are here: what one writes the other reads.
"""

from typing import Final, TypeVar

import msgspec

from casemate.crypto.digest import Algorithm, Digest
from casemate.crypto.jwk import UNNAMED, TeePublicKey
from casemate.errors import MALFORMED_JSON, InputError

PROTOCOL_VERSION: Final = "0.4.0"
PREFIX: Final = "/kbs/v0"
SESSION_COOKIE: Final = "kbs-session-id"
ERROR_TYPE_PREFIX: Final = "https://github.com/confidential-containers/kbs/errors/"
LARGEST_MESSAGE: Final = 2 << 20
"""Bytes; upstream's default ``payload_request_size``."""

EMPTY_PARAMETERS: Final = msgspec.Raw(b'""')
OFFERED_PARAMETERS: Final = msgspec.Raw(
    b'{"supported-hash-algorithms":["sha256","sha384","sha512"]}'
)
"""``extra-params`` of a client: the hash algorithms it can bind its evidence with."""


class Request(msgspec.Struct, frozen=True, rename="kebab"):
    """POST auth. All three members are mandatory; ``extra_params`` is any JSON (§3.1)."""

    version: str
    tee: str
    extra_params: msgspec.Raw


class Challenge(msgspec.Struct, frozen=True, rename="kebab"):
    """Answer of auth: ``nonce`` is 32 random bytes in base64 (§3.2)."""

    nonce: str
    extra_params: msgspec.Raw = EMPTY_PARAMETERS


class RuntimeData(msgspec.Struct, frozen=True, rename="kebab"):
    """What the evidence is bound to: the challenge's nonce and the key secrets are sealed to."""

    nonce: str
    tee_pubkey: TeePublicKey


class InitDataField(msgspec.Struct, frozen=True):
    """The pod's initdata, as text; ``format`` is ``toml``."""

    format: str
    body: str


class CompositeEvidence(msgspec.Struct, frozen=True):
    """Evidence of the CPU's TEE (JSON) and of devices (a JSON map as a string, or empty)."""

    primary_evidence: msgspec.Raw
    additional_evidence: str = ""


class Attestation(msgspec.Struct, frozen=True, rename="kebab"):
    """POST attest (§3.3)."""

    runtime_data: RuntimeData
    tee_evidence: CompositeEvidence
    init_data: InitDataField | None = None


class TokenAnswer(msgspec.Struct, frozen=True):
    """Answer of attest."""

    token: str


class ErrorBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """A refusal (§2.4): upstream's two members, then ours (RFC 9457 extension members)."""

    type: str
    detail: str
    step: str | msgspec.UnsetType = UNNAMED
    claim: str | msgspec.UnsetType = UNNAMED
    got: str | msgspec.UnsetType = UNNAMED
    expected: str | msgspec.UnsetType = UNNAMED
    rule: str | msgspec.UnsetType = UNNAMED
    remedy: str | msgspec.UnsetType = UNNAMED


def selected_parameters(request: Request, algorithm: Algorithm) -> msgspec.Raw:
    """Give ``extra-params`` of a challenge: the algorithm, where it is not SHA-384 (§3.2).

    Clients that offered no algorithms know the TEE's own.

    Raises:
        InputError: the client offered some, but not this one.
    """
    if algorithm is Algorithm.SHA384:
        return EMPTY_PARAMETERS
    try:
        offered = msgspec.json.decode(request.extra_params, type=_Offer).supported
    except MALFORMED_JSON as error:
        if _is_object(request.extra_params):
            raise _not_offered(error, algorithm) from error
        return EMPTY_PARAMETERS
    if offered is msgspec.UNSET:
        return EMPTY_PARAMETERS
    if algorithm.value not in (name.lower() for name in offered):
        raise _not_offered(offered, algorithm)
    return msgspec.Raw(msgspec.json.encode({"selected-hash-algorithm": algorithm.value}))


def encode(message: msgspec.Struct) -> bytes:
    """Write any message of this protocol as JSON."""
    return msgspec.json.encode(message)


def parse_request(data: bytes) -> Request:
    """Read the body of auth; InputError when it is anything else."""
    return _parse(data, _REQUEST, "request")


def parse_challenge(data: bytes) -> Challenge:
    """Read the answer of auth; InputError when it is anything else."""
    return _parse(data, _CHALLENGE, "challenge")


def parse_attestation(data: bytes) -> Attestation:
    """Read the body of attest; InputError when it is anything else."""
    return _parse(data, _ATTESTATION, "attestation")


def parse_token_answer(data: bytes) -> TokenAnswer:
    """Read the answer of attest; InputError when it is anything else."""
    return _parse(data, _TOKEN_ANSWER, "token answer")


def parse_error(data: bytes) -> ErrorBody:
    """Read the body of a refusal; InputError when it is anything else."""
    return _parse(data, _ERROR_BODY, "error body")


def parse_tee_key(data: bytes) -> TeePublicKey:
    """Read a TEE key; members that §3.5 does not name are dropped, as upstream drops them."""
    return _decode(data, _TEE_KEY, "tee-pubkey")


def report_data(
    runtime_data: RuntimeData,
    additional_evidence: str,
    algorithm: Algorithm = Algorithm.SHA384,
) -> Digest:
    """Digest that the primary evidence carries (§3.4).

    It is taken over the canonical JSON (RFC 8785) of ``additional-evidence`` (the exact string,
    empty when there is none), ``nonce`` and ``tee-pubkey``.
    """
    return Digest.of(
        msgspec.json.encode(
            {
                "additional-evidence": additional_evidence,
                "nonce": runtime_data.nonce,
                "tee-pubkey": runtime_data.tee_pubkey,
            },
            order="sorted",
        ),
        algorithm,
    )


def device_report_data(
    runtime_data: RuntimeData, algorithm: Algorithm = Algorithm.SHA384
) -> Digest:
    """Digest that each device's evidence carries: ``nonce`` and ``tee-pubkey`` alone (§3.4)."""
    return Digest.of(
        msgspec.json.encode(
            {"nonce": runtime_data.nonce, "tee-pubkey": runtime_data.tee_pubkey}, order="sorted"
        ),
        algorithm,
    )


class _Offer(msgspec.Struct, frozen=True):
    supported: list[str] | msgspec.UnsetType = msgspec.field(
        default=msgspec.UNSET, name="supported-hash-algorithms"
    )


def _is_object(parameters: msgspec.Raw) -> bool:
    return bytes(parameters).lstrip()[:1] == b"{"


def _not_offered(got: object, algorithm: Algorithm) -> InputError:
    return InputError(
        "supported-hash-algorithms", got=got, want=f"a list with {algorithm}", spec="§3.2"
    )


_T = TypeVar("_T")
_REQUEST: Final = msgspec.json.Decoder(Request)
_CHALLENGE: Final = msgspec.json.Decoder(Challenge)
_ATTESTATION: Final = msgspec.json.Decoder(Attestation)
_TOKEN_ANSWER: Final = msgspec.json.Decoder(TokenAnswer)
_ERROR_BODY: Final = msgspec.json.Decoder(ErrorBody)
_TEE_KEY: Final[msgspec.json.Decoder[TeePublicKey]] = msgspec.json.Decoder(TeePublicKey)


def _parse(data: bytes, decoder: msgspec.json.Decoder[_T], what: str) -> _T:
    if len(data) > LARGEST_MESSAGE:
        raise InputError(what, got=f"{len(data)} bytes", want=f"at most {LARGEST_MESSAGE}")
    return _decode(data, decoder, what)


def _decode(data: bytes, decoder: msgspec.json.Decoder[_T], what: str) -> _T:
    try:
        return decoder.decode(data)
    except MALFORMED_JSON as error:
        raise InputError(what, got=error, want="the JSON of KBS 0.4.0", spec="§3") from error
