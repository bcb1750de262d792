"""Asking a key provider to unwrap a key: ocicrypt's JSON inside ttrpc (guest-components §11).

Rust peers write byte arrays as JSON numbers and read only those; Go peers write base64 text and
read both. We write numbers and read both.
"""

import base64
from typing import Final

import msgspec

from casemate.errors import MALFORMED_JSON, InputError
from casemate.secret import Secret

_LARGEST: Final = 1 << 20
_SPEC: Final = "guest-components §11"


class _UnwrapParameters(msgspec.Struct, frozen=True):
    annotation: str | list[int]


class _Unwrap(msgspec.Struct, frozen=True):
    op: str
    keyunwrapparams: _UnwrapParameters


def encode_unwrap(packet: bytes, *, provider: str = "attestation-agent") -> bytes:
    """Write the question: open what the annotation packet (JSON) holds."""
    return msgspec.json.encode(
        {
            "op": "keyunwrap",
            "keywrapparams": {"ec": None, "optsdata": None},
            "keyunwrapparams": {
                "dc": {"Parameters": {provider: [""]}},
                "annotation": base64.b64encode(packet).decode("ascii"),
            },
        }
    )


def parse_unwrap(data: bytes) -> bytes:
    """Read the question; gives the annotation packet (JSON).

    Raises:
        InputError: not such a question, or larger than 1 MiB.
    """
    try:
        if len(data) > _LARGEST:
            raise _wrong(f"{len(data)} bytes")
        question = msgspec.json.decode(data, type=_Unwrap)
        if question.op != "keyunwrap":
            raise _wrong(f"op {question.op}")
        annotation = question.keyunwrapparams.annotation
        if isinstance(annotation, str):
            return base64.b64decode(annotation, validate=True)
        return bytes(annotation)
    except (ValueError, *MALFORMED_JSON) as error:
        raise _wrong(str(error)) from error


def encode_unwrapped(options: Secret) -> bytes:
    """Write the answer: the private options, as numbers."""
    return msgspec.json.encode({"keyunwrapresults": {"optsdata": list(options.reveal())}})


def _wrong(got: str) -> InputError:
    return InputError("key provider request", got=got, want="an unwrap of 1 MiB", spec=_SPEC)
