"""Evidence of a realm: ``{"token": [u8...]}`` on the wire; the token is CBOR of two COSE_Sign1.

399({44234: platform token, 44241: realm token})    both as byte strings (tee §9)
"""

from typing import Annotated, Final, Self

import msgspec

from casemate.crypto import cbor
from casemate.errors import PeerError
from casemate.tee.evidence import parse_json

TEE: Final = "cca"
TAG: Final = 399
PLATFORM_KEY: Final = 44234
REALM_KEY: Final = 44241

_Byte = Annotated[int, msgspec.Meta(ge=0, le=255)]


class CcaEvidence(msgspec.Struct, frozen=True):
    """The evidence object."""

    token: tuple[_Byte, ...]


class Token(msgspec.Struct, frozen=True):
    """The two signed messages of a token."""

    platform: bytes
    """COSE_Sign1, encoded."""
    realm: bytes
    """COSE_Sign1, encoded."""

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read a token.

        Raises:
            PeerError: other CBOR than tag 399 of a map of just these two byte strings.
        """
        where = "CCA token"
        match cbor.decode(raw, where):
            case cbor.Tag(399, dict(found)) if found.keys() == {PLATFORM_KEY, REALM_KEY}:
                platform, realm = found[PLATFORM_KEY], found[REALM_KEY]
            case _:
                raise _broken(where, "another form")
        if not isinstance(platform, bytes) or not isinstance(realm, bytes):
            raise _broken(where, "a member that is no byte string")
        return cls(platform, realm)

    def encode(self) -> bytes:
        """Write the token."""
        return cbor.encode(cbor.Tag(TAG, {PLATFORM_KEY: self.platform, REALM_KEY: self.realm}))


def token_of(raw: bytes) -> bytes:
    """Give the token inside evidence: the wire's JSON, or the token itself.

    Raises:
        PeerError: JSON of another shape. Anything that does not begin like JSON is a token.
    """
    if raw[:64].lstrip()[:1] == b"{":
        return bytes(parse_json(raw, CcaEvidence, TEE).token)
    return raw


def evidence_of(token: bytes) -> bytes:
    """Write evidence around a token, as it goes over the wire."""
    return msgspec.json.encode(CcaEvidence(tuple(token)))


def _broken(where: str, got: str) -> PeerError:
    return PeerError(
        where,
        got=got,
        want=f"tag {TAG} of a map with {PLATFORM_KEY} and {REALM_KEY}",
        spec="tee §9",
    )
