"""A device's certificates (tee §13): leaf (firmware), boot ROM, ICA, architecture, root."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from casemate.crypto import vendor_chain
from casemate.crypto.certificate import Certificate
from casemate.crypto.keys import Kind, PublicKey
from casemate.crypto.revocation import RevocationList
from casemate.crypto.vendor_chain import ChainMemory, VerifiedChain
from casemate.errors import InputError, PeerError
from casemate.tee.evidence import Inputs
from casemate.tee.nvidia.roots import DEVICE_PINS
from casemate.tee.trail import Step

FWID_EXTENSION: Final = "2.23.133.5.4.1"
"""TCG DICE: what firmware the certified key is of."""
FWID_SIZE: Final = 48
"""SHA-384, the last bytes of the extension."""
_SPEC: Final = "tee §13"


def fwid_of(leaf: Certificate) -> bytes | None:
    """Give the firmware's digest in a certificate; None without one."""
    extension = leaf.extensions.get(FWID_EXTENSION)
    if extension is None or len(extension.value) < FWID_SIZE:
        return None
    return extension.value[-FWID_SIZE:]


def find(pool: Iterable[Certificate], fwid: bytes) -> tuple[Certificate, ...]:
    """Find a report's chain among certificates: from one whose firmware is the report's.

    Raises:
        PeerError: there is none.
    """
    known = tuple(pool)
    leaf = next((one for one in known if _fwid_or_none(one) == fwid), None)
    if leaf is None:
        raise PeerError(
            "certificates",
            got=f"none for firmware {fwid.hex()}",
            want="the device's chain, among the collateral",
            spec=_SPEC,
        )
    return vendor_chain.arrange(leaf, known)


def verify(step: Step, path: Sequence[Certificate], inputs: Inputs) -> VerifiedChain:
    """Verify a chain as it was given: leaf first, the pinned root last, valid now.

    Raises:
        VerificationError: it does not hold.
    """
    step.require(
        len(path) >= 2, "chain", f"{len(path)} certificates", "at least the root and a leaf"
    )
    return _verify(path, inputs.anchors.pins, inputs.now, inputs.memory)


def verify_not_revoked(
    path: Sequence[Certificate], lists: Sequence[RevocationList], inputs: Inputs
) -> tuple[RevocationList, ...]:
    """Verify the chain once more with these lists, and give those that were used.

    Raises:
        VerificationError: a certificate is revoked.
    """
    return _verify(path, inputs.anchors.pins, inputs.now, inputs.memory, lists).lists


def key_of(step: Step, leaf: Certificate) -> PublicKey:
    """Give the key that signs reports; VerificationError when it is not on P-384."""
    try:
        key = PublicKey.from_der(leaf.spki)
    except InputError as error:
        raise step.refusal(claim="key of the leaf", got=error.got, expected="P-384") from error
    step.require(key.kind is Kind.P384, "key of the leaf", key.kind, "P-384")
    return key


def _verify(
    path: Sequence[Certificate],
    pins: frozenset[bytes],
    now: datetime,
    memory: ChainMemory | None,
    lists: Sequence[RevocationList] = (),
) -> VerifiedChain:
    return vendor_chain.verify(path, pins=DEVICE_PINS | pins, at=now, lists=lists, memory=memory)


def _fwid_or_none(one: Certificate) -> bytes | None:
    try:
        return fwid_of(one)
    except PeerError:
        return None  # extensions that cannot be read: no leaf of a device
