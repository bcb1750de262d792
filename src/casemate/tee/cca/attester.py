"""Attester of a realm, by configfs-tsm (tee §9)."""

from typing import Final

import msgspec

from casemate.crypto.digest import Digest
from casemate.errors import PeerError
from casemate.linux import configfs_tsm
from casemate.linux.configfs_tsm import ConfigfsTsm
from casemate.tee.machine import Machine
from casemate.tee.report_data import padded, require_init_data
from casemate.tee.runtime import no_registers

TEE: Final = "cca"
PROVIDER: Final = "arm_cca_guest"
CHALLENGE_SIZE: Final = 64
_PERSONALIZATION: Final = 44235


class CcaAttester:
    """This realm."""

    def __init__(self, tsm: ConfigfsTsm) -> None:
        self._tsm = tsm

    @property
    def tee(self) -> str:
        return TEE

    @property
    def has_registers(self) -> bool:
        """Realms have extensible measurements, but no kernel interface extends them yet."""
        return False

    def evidence(self, report_data: bytes) -> bytes:
        """Give a token whose challenge is ``report_data``, padded to 64 bytes.

        Raises:
            HostError: no token comes.
            InputError: over 64 bytes.
        """
        token = self._tsm.report(PROVIDER, padded(report_data, CHALLENGE_SIZE)).report
        return msgspec.json.encode({"token": list(token)})

    def bind_init_data(self, digest: Digest) -> None:
        """Check that the host gave the realm the digest as personalization value.

        The token is not verified here, which is the verifier's part: it is our own kernel's.

        Raises:
            HostError: it did not, or no token comes.
            PeerError: what comes is no token.
        """
        token = self._tsm.report(PROVIDER, bytes(CHALLENGE_SIZE)).report
        require_init_data("personalization value", _personalization(token), digest)

    def extend(self, register: int, digest: bytes, event: bytes = b"") -> None:  # noqa: ARG002
        """Refuse.

        Raises:
            HostError: always.
        """
        raise no_registers(TEE, register)


def _personalization(token: bytes) -> bytes:
    """Read the value out of a token, 64 bytes."""
    from casemate.crypto import cbor, cose  # what evidence alone does not need
    from casemate.tee.cca.report import Token

    where = "realm token"
    payload = cose.SignedMessage.parse(Token.parse(token).realm, where).payload
    match cbor.decode(payload, where):
        case dict(claims) if isinstance(value := claims.get(_PERSONALIZATION), bytes):
            return value
        case _:
            raise PeerError(where, got="none", want="a personalization value", spec="tee §9")


def open_attester(machine: Machine) -> CcaAttester:
    """Make the attester of a machine."""
    return CcaAttester(ConfigfsTsm(machine.path(configfs_tsm.FOLDER)))
