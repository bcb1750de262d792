"""Statuses of ttrpc answers: gRPC's numbers, and refusals that survive the trip.

A VerificationError becomes PERMISSION_DENIED with its Refusal as JSON among the details, and comes
out of the client as a VerificationError again (runtime.md §0, §12).
"""

from enum import IntEnum
from typing import Final

import msgspec

from casemate.errors import (
    MALFORMED_JSON,
    CasemateError,
    InputError,
    PeerError,
    Refusal,
    VerificationError,
    quote,
)
from casemate.wire.pb import ttrpc_pb2

REFUSAL_TYPE: Final = "casemate/refusal+json"
"""``type_url`` of the detail that carries a Refusal; upstream peers ignore it."""

_LONGEST_MESSAGE: Final = 4096


class Code(IntEnum):
    """Status codes, numbered as gRPC does."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


class TtrpcError(PeerError):
    """An answer that is not OK. Services raise it to choose their status, clients receive it.

    ``details`` holds ``(type_url, value)`` pairs as they came.
    """

    def __init__(
        self, code: Code, message: str, details: tuple[tuple[str, bytes], ...] = ()
    ) -> None:
        self.code = code
        self.message = message
        self.details = details
        super().__init__("ttrpc", got=f"{code.name} {message}", want="OK", spec="runtime.md §0")

    def __str__(self) -> str:
        return f"{self.code.name}: {self.message}"


def status_of(error: BaseException) -> ttrpc_pb2.Status:
    """The status by which a server answers ``error``.

    Only our own errors show their text; any other is INTERNAL with the name of its type, since its
    text may hold what a peer must not see.
    """
    match error:
        case TtrpcError():
            details = error.details
            return _status(error.code, error.message, details)
        case VerificationError():
            detail = (REFUSAL_TYPE, msgspec.json.encode(error.refusal))
            return _status(Code.PERMISSION_DENIED, str(error), (detail,))
        case InputError():
            return _status(Code.INVALID_ARGUMENT, str(error))
        case CasemateError():
            return _status(Code.INTERNAL, str(error))
        case TimeoutError():
            return _status(Code.DEADLINE_EXCEEDED, "deadline exceeded")
        case _:
            return _status(Code.INTERNAL, f"internal error ({type(error).__name__})")


def error_of(status: ttrpc_pb2.Status) -> CasemateError:
    """The error that a client raises for a status other than OK."""
    code = _code(status.code)
    message = quote(status.message) if len(status.message) <= _LONGEST_MESSAGE else "(too long)"
    details = tuple((d.type_url, d.value) for d in status.details)
    if code is Code.PERMISSION_DENIED:
        for kind, value in details:
            if kind == REFUSAL_TYPE and (refusal := _refusal(value)) is not None:
                return VerificationError(refusal)
    return TtrpcError(code, message, details)


def _status(
    code: Code, message: str, details: tuple[tuple[str, bytes], ...] = ()
) -> ttrpc_pb2.Status:
    return ttrpc_pb2.Status(
        code=code,
        message=message[:_LONGEST_MESSAGE],
        details=[ttrpc_pb2.Detail(type_url=kind, value=value) for kind, value in details],
    )


def _code(number: int) -> Code:
    try:
        return Code(number)
    except ValueError:
        return Code.UNKNOWN


def _refusal(value: bytes) -> Refusal | None:
    try:
        return msgspec.json.decode(value, type=Refusal)
    except MALFORMED_JSON:
        return None  # a foreign detail under our name: the plain status still tells the reader
