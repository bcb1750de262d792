"""The operator's store of platform keys: which machine signs with which key (``tastore.json``).

Arm runs no authority whose root could be pinned: whoever bought the machines knows their keys, so
the store *is* the trust. It is found in the operator's folder by what it holds; none is taken out
of collateral.

    [{"instance-id": hex 33, "implementation-id": hex 32, "pkey": JWK}, ...]      (tee §9)
"""

import hmac
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final

import msgspec

from casemate.crypto.jwk import UNNAMED, Jwk
from casemate.crypto.keys import PublicKey
from casemate.errors import MALFORMED_JSON, InputError

_SPEC: Final = "tee §9"
_MARK: Final = b'"instance-id"'
_FIRST: Final = b"["


class PlatformKey(msgspec.Struct, frozen=True):
    """An entry as written: the key is read when it is needed, so one bad entry harms no other."""

    instance: bytes
    """33 bytes."""
    implementation: bytes
    """32 bytes."""
    key: Any
    """A JWK, as JSON gives it."""

    def public_key(self) -> tuple[PublicKey, str | None]:
        """Read the key, and the one algorithm it may be used with, where the store names one.

        Raises:
            InputError: it is no JWK, of another kind, or a point off its curve.
        """
        try:
            jwk = msgspec.convert(self.key, Jwk)
        except msgspec.ValidationError as error:
            raise InputError("trust anchor store: pkey", got=error, want="a JWK") from error
        named = None if jwk.alg is UNNAMED else jwk.alg
        return PublicKey.from_jwk(jwk), named


class _Written(msgspec.Struct, frozen=True, rename="kebab"):
    instance_id: str
    implementation_id: str
    pkey: dict[str, Any]


def find(files: Iterable[bytes], instance: bytes) -> tuple[PlatformKey, ...]:
    """Give the entries of a machine in all stores among ``files``, each once.

    Raises:
        InputError: a store that cannot be read.
    """
    found: list[PlatformKey] = []
    for file in files:
        for entry in _read(file) if is_store(file) else ():
            if hmac.compare_digest(entry.instance, instance) and entry not in found:
                found.append(entry)
    return tuple(found)


def is_store(file: bytes) -> bool:
    """Say whether a file is meant as such a store: a JSON list that speaks of instance ids."""
    return file.lstrip()[:1] == _FIRST and _MARK in file


@lru_cache(maxsize=8)
def _read(file: bytes) -> tuple[PlatformKey, ...]:
    where = "trust anchor store"
    try:
        written = msgspec.json.decode(file, type=list[_Written])
        return tuple(
            PlatformKey(
                bytes.fromhex(one.instance_id), bytes.fromhex(one.implementation_id), one.pkey
            )
            for one in written
        )
    except (ValueError, *MALFORMED_JSON) as error:
        raise InputError(where, got=error, want="the form of tastore.json", spec=_SPEC) from error
