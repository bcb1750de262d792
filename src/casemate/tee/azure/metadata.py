"""What Azure's metadata service is asked for by a guest (tee §7.5), as requests and answers.

Nothing here talks: whoever attests passes a function in that does. What the service says is
believed for nothing; the verifier looks at every certificate and quote.
"""

from collections.abc import Callable
from typing import Final, TypeVar

import msgspec

from casemate.crypto import base64url, pem
from casemate.errors import MALFORMED_JSON, InputError, PeerError

HOST: Final = "http://169.254.169.254"
"""Link-local: it does not leave the machine."""
LARGEST: Final = 1 << 20
"""Bytes of an answer that are read."""

_SPEC: Final = "tee §7.5"
_T = TypeVar("_T")


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """A request; POST when it has a body."""

    url: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


Fetch = Callable[[Request], bytes]
"""Sends a request and gives the body of the answer, if its status is 200.

Raises HostError where the service is not there.
"""

VCEK_REQUEST: Final = Request(
    url=f"{HOST}/metadata/THIM/amd/certification", headers=(("Metadata", "true"),)
)
"""Asks for the certificate of this machine's AMD processor."""


def quote_request(td_report: bytes) -> Request:
    """Ask for a quote of a TDREPORT (1024 bytes)."""
    body = msgspec.json.encode({"report": base64url.encode(td_report)})
    return Request(
        url=f"{HOST}/acc/tdquote", headers=(("Content-Type", "application/json"),), body=body
    )


class _Certification(msgspec.Struct, frozen=True, rename={"vcek_cert": "vcekCert"}):
    vcek_cert: str


class _Quote(msgspec.Struct, frozen=True):
    quote: str


def parse_vcek(answer: bytes) -> bytes:
    """Read the VCEK, DER, out of the answer; its chain is left: verifiers have AMD's.

    Raises:
        PeerError: another answer.
    """
    found = pem.blocks(_read(answer, _Certification).vcek_cert.encode(), "CERTIFICATE")
    if len(found) != 1:
        raise PeerError("vcekCert", got=f"{len(found)} certificates", want="one", spec=_SPEC)
    return found[0]


def parse_quote(answer: bytes) -> bytes:
    """Read the TD quote out of the answer.

    Raises:
        PeerError: another answer.
    """
    text = _read(answer, _Quote).quote
    try:
        return base64url.decode(text.rstrip("="), where="quote")
    except InputError as error:
        raise PeerError("quote", got=error.got, want="base64url", spec=_SPEC) from error


def _read(answer: bytes, kind: type[_T]) -> _T:
    if len(answer) > LARGEST:
        raise PeerError("metadata service", got=f"{len(answer)} bytes", want=f"at most {LARGEST}")
    try:
        return msgspec.json.decode(answer, type=kind)
    except MALFORMED_JSON as error:
        raise PeerError("metadata service", got=error, want="its JSON", spec=_SPEC) from error
