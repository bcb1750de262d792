"""Variable data of the paravisor's report (tee §7.2): JSON that the hardware report binds."""

import binascii
from typing import Any, Final, Self

import msgspec

from casemate.crypto.jwk import Jwk, RsaJwk
from casemate.errors import MALFORMED_JSON, PeerError

AK_NAME: Final = "HCLAkPub"
"""``kid`` of the TPM's attestation key. Its ``key_ops`` tell nothing: old paravisors wrote
``encrypt``."""
EK_NAME: Final = "HCLEkPub"
USER_DATA_SIZE: Final = 64
"""Bytes that the guest may have put into the report."""

_SPEC: Final = "tee §7.2"


class VariableData(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """What the paravisor says of the VM. Members that it adds later are left alone: the hash is
    over the bytes, not over this."""  # noqa: D205, D209  # one sentence

    keys: tuple[Jwk, ...]
    vm_configuration: dict[str, Any]
    user_data: str | None = None
    """128 hex digits; absent in old reports."""

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read JSON.

        Raises:
            PeerError: not JSON, nested too deeply, or another shape.
        """
        try:
            return msgspec.json.decode(raw, type=cls)
        except MALFORMED_JSON as error:
            raise PeerError("variable data", got=error, want="keys, configuration") from error

    @property
    def attestation_key(self) -> RsaJwk:
        """The TPM's attestation key.

        Raises:
            PeerError: there is none, more than one, or it is of another kind than RSA.
        """
        found = [key for key in self.keys if key.kid == AK_NAME]
        if len(found) != 1 or not isinstance(found[0], RsaJwk):
            kinds = ", ".join(type(key).__name__ for key in found) or "none"
            raise PeerError(AK_NAME, got=kinds, want="one RSA key", spec=_SPEC)
        return found[0]

    @property
    def user_bytes(self) -> bytes:
        """The guest's own 64 bytes.

        Raises:
            PeerError: absent, or not 128 hex digits.
        """
        try:
            found = binascii.unhexlify(self.user_data or "")
        except ValueError as error:
            raise _no_user_data(self.user_data) from error
        if len(found) != USER_DATA_SIZE:
            raise _no_user_data(self.user_data)
        return found


def _no_user_data(got: str | None) -> PeerError:
    return PeerError("user-data", got=got, want="128 hex digits", spec=_SPEC)
