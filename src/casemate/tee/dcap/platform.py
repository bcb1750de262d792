"""The platform: the PCK chain of a quote, verified up to the pinned root (tee §4.5 step 2)."""

from datetime import datetime
from typing import Final, NamedTuple

from casemate.crypto import vendor_chain
from casemate.crypto.certificate import Certificate
from casemate.crypto.pem import only_blocks
from casemate.crypto.vendor_chain import VerifiedChain
from casemate.errors import VerificationError
from casemate.tee.dcap import roots
from casemate.tee.dcap.pck import (
    AUTHORITIES,
    EXTENSION,
    LEAF_NAME,
    CertificateAuthorityKind,
    PckExtension,
)
from casemate.tee.dcap.quote import SignatureData
from casemate.tee.evidence import Inputs, refusal

_SPEC: Final = "tee §4.3"
_PATH: Final = 3
_DIGITAL_SIGNATURE: Final = 0
_UNDERSTOOD: Final = frozenset({EXTENSION})


class Platform(NamedTuple):
    """Who signs for a platform. Only ``verify`` makes one."""

    chain: VerifiedChain
    """PCK certificate, its authority, root."""
    extension: PckExtension
    authority: CertificateAuthorityKind

    @property
    def leaf(self) -> Certificate:
        return self.chain.path[0]

    @property
    def issuer(self) -> Certificate:
        return self.chain.path[1]

    @property
    def root(self) -> Certificate:
        return self.chain.path[-1]

    @property
    def not_before(self) -> datetime:
        return self.chain.not_before

    @property
    def not_after(self) -> datetime:
        return self.chain.not_after


def verify(data: SignatureData, inputs: Inputs) -> Platform:
    """Verify the PCK chain; revocation is another step, since its lists may not be there yet.

    Raises:
        VerificationError: no pinned root, another name, date, key usage or shape.
        PeerError: a certificate or its extension is unreadable.
    """
    pins = roots.trusted(inputs.anchors)
    helpers = inputs.anchors.material.certificates
    key = ("dcap platform", data.certificates, pins, helpers)
    memory = inputs.memory
    if memory and (known := memory.recall(key, inputs.now, Platform)):
        return known
    chain = vendor_chain.verify(
        _path(data.certificates, helpers), pins=pins, at=inputs.now, understood=_UNDERSTOOD
    )
    platform = Platform(chain, PckExtension.of(chain.leaf), _authority(chain))
    if memory:
        memory.keep(key, platform)
    return platform


def _path(pem: bytes, helpers: tuple[Certificate, ...]) -> tuple[Certificate, ...]:
    """Put the chain in order: leaf first. Only a root that is left out may come from elsewhere."""
    given = [Certificate.parse(der) for der in only_blocks(pem, "CERTIFICATE")[: _PATH + 1]]
    if not _PATH - 1 <= len(given) <= _PATH:
        raise _refused("PCK certificate chain", f"{len(given)} certificates", "leaf, CA and root")
    others = helpers if len(given) < _PATH else ()
    path = vendor_chain.arrange(given[0], [*given[1:], *others])
    if len(path) != _PATH or not set(given) <= set(path):
        shown = " ← ".join(one.common_name or "nobody" for one in path)
        raise _refused("PCK certificate chain", shown, "PCK certificate, PCK CA, root")
    return path


def _authority(chain: VerifiedChain) -> CertificateAuthorityKind:
    leaf, issuer, _ = chain.path
    if leaf.common_name != LEAF_NAME:
        raise _refused("PCK certificate", leaf.common_name or "nobody", LEAF_NAME)
    if leaf.is_authority or not leaf.may(_DIGITAL_SIGNATURE):
        raise _refused("PCK certificate", "one for another use", "one for signatures")
    kind = AUTHORITIES.get(issuer.common_name)
    if kind is None:
        raise _refused("issuer of the PCK", issuer.common_name, " or ".join(AUTHORITIES))
    return kind


def _refused(claim: str, got: str, expected: str) -> VerificationError:
    return refusal("pck chain", claim=claim, got=got, expected=expected, rule=_SPEC)
