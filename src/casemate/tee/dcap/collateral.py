"""Intel's documents for one platform: chosen among all that are at hand, and verified (tee §4.4).

Of several that fit, those of the wanted evaluation come first, then the newest that was issued by
the time of verification. A document counts once its signature holds; where it lay proves nothing.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import cached_property
from typing import Final, Generic, NamedTuple, Protocol, TypeVar

from casemate.crypto import vendor_chain
from casemate.crypto.certificate import Certificate
from casemate.crypto.revocation import RevocationList
from casemate.crypto.vendor_chain import VerifiedChain
from casemate.errors import PeerError, VerificationError
from casemate.tee.dcap import publications
from casemate.tee.dcap.ecdsa import signed_by
from casemate.tee.dcap.options import DcapOptions, TcbUpdate
from casemate.tee.dcap.platform import Platform
from casemate.tee.dcap.publications import Publications, SignedDocument
from casemate.tee.dcap.quote import TeeType
from casemate.tee.dcap.tcb_info import QeIdentity, TcbInfo, parse_qe_identity, parse_tcb_info
from casemate.tee.evidence import Inputs, refusal

SIGNER_NAME: Final = "Intel SGX TCB Signing"
QE_NAMES: Final = {TeeType.SGX: "QE", TeeType.TDX: "TD_QE"}
"""TEE → ``id`` of its quoting enclave's identity."""

_SPEC: Final = "tee §4.4"
_SIGNER_PATH: Final = 2
_DIGITAL_SIGNATURE: Final = 0
_END_OF_TIME: Final = datetime.max.replace(tzinfo=UTC)
_REMEDY: Final = (
    "fetch Intel's collateral for this platform, or import an export that was made for it"
)


class _Issued(Protocol):
    @property
    def issue_date(self) -> datetime: ...


_D = TypeVar("_D", bound=_Issued)


class Documents(NamedTuple):
    """TCB info and QE identity, signed by Intel for this platform. Only ``documents`` makes one."""

    tcb_info: TcbInfo
    qe_identity: QeIdentity
    signers: tuple[Certificate, ...]
    """Who signed them: one certificate, or two."""
    not_before: datetime
    not_after: datetime


class Lists(NamedTuple):
    """Revocation lists of the PCK authority and the root. Only ``revocation_lists`` makes one."""

    pck: RevocationList
    root: RevocationList
    revoked_by_authority: frozenset[int]
    """Serial numbers on any list of the PCK authority, outdated ones too."""
    revoked_by_root: frozenset[int]
    not_before: datetime
    not_after: datetime


class Shelf:
    """All collateral at hand, sorted when first needed."""

    def __init__(self, inputs: Inputs) -> None:
        self._materials = (inputs.collateral, inputs.anchors.material)

    @cached_property
    def key(self) -> tuple[object, ...]:
        """What it holds, for a memory: bytes hash once, so this is cheap."""
        return tuple(
            (tuple(one.files.items()), one.certificates, one.lists) for one in self._materials
        )

    @cached_property
    def publications(self) -> Publications:
        return publications.find(*self._materials)


def documents(
    tee: TeeType, platform: Platform, shelf: Shelf, inputs: Inputs, options: DcapOptions
) -> Documents:
    """Choose and verify TCB info and QE identity; their age is another step.

    Raises:
        VerificationError: one is missing, for another platform, or not signed by Intel.
    """
    update = options.tcb_update_type
    extension = platform.extension
    key = (
        *("dcap documents", shelf.key, tee, update),
        *(extension.fmspc, extension.pce_id, platform.root.der),
    )
    memory, now = inputs.memory, inputs.now
    if memory and (known := memory.recall(key, now, Documents)):
        return known
    wanted = (tee.name, extension.fmspc.hex(), extension.pce_id.hex(), 0)
    found = shelf.publications
    tcb = _Kind(
        "TCB info",
        parse_tcb_info,
        lambda one: (one.id, one.fmspc.lower(), one.pce_id.lower(), one.tcb_type),
        wanted,
        f"one of {tee.name} with FMSPC {wanted[1]} and PCE id {wanted[2]}",
    )
    identity = _Kind(
        "QE identity",
        parse_qe_identity,
        lambda one: (one.id,),
        (QE_NAMES[tee],),
        f"one of {QE_NAMES[tee]}",
    )
    signers = _Signers(found.certificates, platform.root, now)
    chosen_tcb = tcb.choose(found.tcb_infos, signers, now, update)
    chosen_qe = identity.choose(found.qe_identities, signers, now, update)
    both = (chosen_tcb, chosen_qe)
    verified = Documents(
        chosen_tcb.document,
        chosen_qe.document,
        tuple(dict.fromkeys(one.signer for one in both)),
        max(one.not_before for one in both),
        min(one.not_after for one in both),
    )
    if memory and verified.not_before <= now:
        memory.keep(key, verified)
    return verified


class _Chosen(NamedTuple, Generic[_D]):
    document: _D
    signer: Certificate
    not_before: datetime
    not_after: datetime
    """Until when this choice stays: an end of a certificate, or the issue of a newer document."""


class _Kind(NamedTuple, Generic[_D]):
    """How one kind of document is recognised."""

    name: str
    parse: Callable[[bytes], _D]
    names: Callable[[_D], tuple[object, ...]]
    """What it is for."""
    wanted: tuple[object, ...]
    expected: str

    def choose(
        self,
        found: Iterable[SignedDocument],
        signers: "_Signers",
        now: datetime,
        update: TcbUpdate,
    ) -> _Chosen[_D]:
        """Give the best document whose signature holds; VerificationError when there is none."""
        fitting = self._fitting(found)
        preferred = [one for one in fitting if one[0].update is update] or fitting
        preferred.sort(key=lambda one: _age(one[1].issue_date, now))
        later = [one.issue_date for _, one in preferred if one.issue_date > now]
        for signed, read in preferred:
            if by := signers.find(signed):
                text, chain = by
                document = read if text is signed.texts[0] else self.parse(text)
                begin = max(chain.not_before, document.issue_date)
                return _Chosen(document, chain.leaf, begin, min([chain.not_after, *later]))
        raise signers.why_not(self.name, preferred[0][0])

    def _fitting(self, found: Iterable[SignedDocument]) -> list[tuple[SignedDocument, _D]]:
        others = []
        fitting = []
        for signed in found:
            try:
                document = self.parse(signed.texts[0])
            except PeerError as error:
                others.append(f"one that is unreadable ({error})")
                continue
            names = self.names(document)
            if names == self.wanted:
                fitting.append((signed, document))
            else:
                others.append(" ".join(map(str, names)))
        if not fitting:
            raise _refused(self.name, ", ".join(others) or "none", self.expected)
        return fitting


def _age(issued: datetime, now: datetime) -> float:
    """Sort key: the newest that is issued first, then those to come."""
    seconds = (now - issued).total_seconds()
    return seconds if seconds >= 0 else 1e12 - seconds


class _Signers:
    """Certificates of Intel's TCB signing key: those that the root itself issued, valid now."""

    def __init__(
        self, certificates: Iterable[Certificate], root: Certificate, now: datetime
    ) -> None:
        self._chains: list[VerifiedChain] = []
        self._refused: list[tuple[Certificate, VerificationError]] = []
        for one in certificates:
            if one.common_name != SIGNER_NAME:
                continue
            try:
                self._chains.append(_verify_signer(one, root, now))
            except VerificationError as error:
                self._refused.append((one, error))

    def find(self, signed: SignedDocument) -> tuple[bytes, VerifiedChain] | None:
        """Give the text that one of them signed, and its chain."""
        for chain in self._chains:
            if signed.chain not in {None, chain.path}:
                continue  # the document came with a chain of its own, which is not this one
            if (text := _text_by(signed, chain.leaf)) is not None:
                return text, chain
        return None

    def why_not(self, name: str, signed: SignedDocument) -> VerificationError:
        """Make the error of a document that none of them signed."""
        for certificate, error in self._refused:
            if _text_by(signed, certificate) is not None:
                return error
        return _refused(
            f"signature of {name}",
            "one that does not verify",
            f"one by {SIGNER_NAME}, whose certificate is at hand",
        )


def _text_by(signed: SignedDocument, signer: Certificate) -> bytes | None:
    return next(
        (text for text in signed.texts if signed_by(signer.spki, signed.signature, text)), None
    )


def _verify_signer(signer: Certificate, root: Certificate, now: datetime) -> VerifiedChain:
    """Verify that the root itself certified the signer; nobody else may name one."""
    if signer.is_authority or not signer.may(_DIGITAL_SIGNATURE):
        raise _refused(f"certificate of {SIGNER_NAME}", "one for another use", "one for signatures")
    return vendor_chain.verify((signer, root), pins=frozenset({root.fingerprint}), at=now)


def revocation_lists(
    platform: Platform, shelf: Shelf, inputs: Inputs, options: DcapOptions
) -> Lists:
    """Choose and verify the two lists; their age, and who is on them, are the caller's steps.

    Raises:
        VerificationError: one is missing, or was not signed by its issuer.
    """
    key = (
        *("dcap lists", shelf.key, options.allow_future_crl),
        *(platform.issuer.der, platform.root.der),
    )
    memory, now = inputs.memory, inputs.now
    if memory and (known := memory.recall(key, now, Lists)):
        return known
    pck = _own_lists(platform.issuer, shelf.publications.lists)
    root = _own_lists(platform.root, shelf.publications.lists)
    lists = Lists(
        newest_pck := _newest(platform.issuer, pck, now, options),
        newest_root := _newest(platform.root, root, now, options),
        frozenset().union(*(one.revoked for one in pck)),
        frozenset().union(*(one.revoked for one in root)),
        max(newest_pck.this_update, newest_root.this_update),
        min([one.this_update for one in (*pck, *root) if one.this_update > now] or [_END_OF_TIME]),
    )
    if memory and lists.not_before <= now:
        memory.keep(key, lists)
    return lists


def _own_lists(issuer: Certificate, found: Iterable[RevocationList]) -> list[RevocationList]:
    return [one for one in found if one.issuer == issuer.subject and one.signed_by(issuer)]


def _newest(
    issuer: Certificate, found: list[RevocationList], now: datetime, options: DcapOptions
) -> RevocationList:
    usable = [one for one in found if options.allow_future_crl or one.this_update <= now]
    if not usable:
        later = ", ".join(f"one of {one.this_update.isoformat()}" for one in found)
        raise _refused(
            f"revocation list of {issuer.common_name}",
            later or "none that it signed",
            f"one issued by {now.isoformat()}",
        )
    return min(usable, key=lambda one: _age(one.this_update, now))


def _refused(claim: str, got: str, expected: str) -> VerificationError:
    return refusal(
        "collateral", claim=claim, got=got, expected=expected, rule=_SPEC, remedy=_REMEDY
    )
