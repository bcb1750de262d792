"""Simple signing: OpenPGP messages about an image (guest-components section 15.2)."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from casemate.crypto import openpgp
from casemate.crypto.keys import PublicKey
from casemate.errors import MALFORMED_JSON, PeerError
from casemate.oci.signature.cosign import Claim

CRITICAL_TYPE: Final = "atomic container signature"


class _Image(
    msgspec.Struct,
    frozen=True,
    forbid_unknown_fields=True,
    rename={"digest": "docker-manifest-digest"},
):
    digest: str


class _Identity(
    msgspec.Struct,
    frozen=True,
    forbid_unknown_fields=True,
    rename={"reference": "docker-reference"},
):
    reference: str


class _Critical(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    type: str
    image: _Image
    identity: _Identity


class _Payload(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    critical: _Critical
    optional: dict[str, Any] | None = None


def verify(raw: bytes, keys: Sequence[PublicKey], *, now: float) -> Claim:
    """Verify one signature object; gives what it says.

    Raises:
        InputError: not a signed message.
        VerificationError: signed by none of ``keys``, or expired.
        PeerError: signed, and the content is not of this form.
    """
    content = openpgp.open_message(raw, keys, now=now)
    try:
        critical = msgspec.json.decode(content, type=_Payload).critical
    except MALFORMED_JSON as error:
        raise PeerError("signed payload", got=error, want="simple-signing JSON") from error
    if critical.type != CRITICAL_TYPE:
        raise PeerError("signed payload type", got=critical.type, want=CRITICAL_TYPE)
    return Claim(critical.image.digest, critical.identity.reference)
