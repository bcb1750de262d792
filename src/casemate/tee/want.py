"""What a verifier wants of a vendor before it verifies: planned by pure code, fetched elsewhere.

A TEE's ``collateral.plan`` reads evidence and says which documents would help; whoever fetches
them puts their bytes into ``Inputs.collateral``, where they prove themselves by their signatures.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Final

import msgspec

from casemate.tee.evidence import Inputs

_DAY: Final = timedelta(days=1)


class Want(msgspec.Struct, frozen=True, kw_only=True):
    """One document to fetch."""

    name: str
    """Where it is kept: a relative path such as ``amd/vcek/Milan/<chip>/<tcb>.der``. Files of a
    cache, an export and an operator's folder share these names."""
    url: str
    """``https://`` by default; an operator may name another service."""
    keep: timedelta = _DAY
    """How long a copy serves before it is asked for again."""
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    """Sent with POST when not empty."""
    largest: int = 1 << 20
    """Bytes of the answer that are read."""
    chain_header: str = ""
    """Header of the answer that holds an issuer chain (URL-encoded PEM); kept as ``<name>.pem``."""
    fallbacks: tuple[str, ...] = ()
    """Names under which an operator's offline store may hold the same document."""


Plan = Callable[[bytes, Inputs], tuple[Want, ...]]
"""Evidence → what to fetch; may be called again with what the first round brought.

Raises VerificationError where evidence must be refused before anything is fetched on its behalf.
"""
