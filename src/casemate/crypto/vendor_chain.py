"""Chains of vendors' certificates to a pinned root: leaf first, one issuer after the other.

    1 each names the next as its issuer, and the next signed it
    2 every one but the leaf is an authority, and no path length is exceeded
    3 all are valid at the time of verification
    4 no critical extension is passed over
    5 revocation lists, where there are any, were made by the issuer and do not name the certificate
    6 the last signed itself, and its SHA-256 is a pin

The result is remembered, if a memory is given, until the first of these certificates or lists
ends: vendors' chains are few, and cost more than the evidence they vouch for.
"""

import hashlib
import itertools
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, Protocol, TypeVar

from casemate.crypto.certificate import Certificate
from casemate.crypto.revocation import RevocationList
from casemate.errors import Refusal, VerificationError

LONGEST: Final = 6
"""Certificates of a chain, root and leaf among them."""

_K = TypeVar("_K", bound=Hashable)
_V = TypeVar("_V")
_L = TypeVar("_L", bound="Lasting")

_SPEC: Final = "RFC 5280 section 6"
_UNDERSTOOD: Final = frozenset(
    {
        "2.5.29.15",  # key usage
        "2.5.29.19",  # basic constraints
        "2.5.29.37",  # extended key usage: callers compare it where it matters
        "2.5.29.35",  # authority key identifier
        "2.5.29.14",  # subject key identifier
    }
)
_END_OF_TIME: Final = datetime.max.replace(tzinfo=UTC)
_LARGEST_OF_STRANGERS: Final = 16 << 10


class VerifiedChain(NamedTuple):
    """A chain that holds: leaf first, root last. Only ``verify`` makes one."""

    path: tuple[Certificate, ...]
    lists: tuple[RevocationList, ...]
    """The revocation lists that were used."""
    not_before: datetime
    not_after: datetime
    """When the first of all certificates and lists ends."""

    @property
    def leaf(self) -> Certificate:
        return self.path[0]

    @property
    def root(self) -> Certificate:
        return self.path[-1]

    def __str__(self) -> str:
        return " < ".join(one.common_name for one in self.path)


class Lasting(Protocol):
    """What held once and holds again within its time."""

    @property
    def not_before(self) -> datetime: ...

    @property
    def not_after(self) -> datetime: ...


class ChainMemory:
    """Chains that held before, by everything that they depended on, and certificates as they read.

    Bounded: of each kind ``most``, and the oldest goes.
    """

    def __init__(self, most: int = 1024) -> None:
        self._most = most
        self._kept: OrderedDict[tuple[object, ...], Lasting] = OrderedDict()
        self._read: OrderedDict[tuple[object, ...], Any] = OrderedDict()

    def find(self, key: tuple[object, ...], at: datetime) -> VerifiedChain | None:
        """Give a chain that still holds ``at`` this time."""
        return self.recall(key, at, VerifiedChain)

    def recall(self, key: tuple[object, ...], at: datetime, kind: type[_L]) -> _L | None:
        """Give what was kept, if it is of this kind and still holds ``at`` this time."""
        found = self._kept.get(key)
        if isinstance(found, kind) and found.not_before <= at <= found.not_after:
            return found
        return None

    def keep(self, key: tuple[object, ...], held: Lasting) -> None:
        """Remember a chain, or signed documents that a verifier keeps in the same way."""
        self._kept[key] = held
        if len(self._kept) > self._most:
            self._kept.popitem(last=False)

    def read_once(self, read: Callable[[_K], _V], raw: _K) -> _V:
        """Give what ``read`` made of the same bytes before, or let it read them now.

        It must depend on nothing else. What it raises is not remembered.
        """
        key = (read, raw)
        found = self._read.get(key)
        if found is None:
            found = self._read[key] = read(raw)
            if len(self._read) > self._most:
                self._read.popitem(last=False)
        value: _V = found
        return value

    def read_strangers(self, read: Callable[[bytes], _V], raw: bytes) -> _V:
        """Read what comes with evidence in the same way; kept up to 16 KiB, lest it fill memory."""
        return self.read_once(read, raw) if len(raw) <= _LARGEST_OF_STRANGERS else read(raw)


def arrange(leaf: Certificate, pool: Iterable[Certificate]) -> tuple[Certificate, ...]:
    """Put a chain in order: from the leaf by issuers' names, out of a pool in any order.

    Nothing is verified. It ends with a self-issued certificate, or where the pool has no issuer.
    Of several with the right name, one whose key made the signature is taken.
    """
    path = [leaf]
    by_name: dict[bytes, list[Certificate]] = {}
    for one in pool:
        by_name.setdefault(one.subject, []).append(one)
    while path[-1].issuer != path[-1].subject and len(path) < LONGEST:
        found = by_name.get(path[-1].issuer, [])
        if len(found) > 1:
            found = [one for one in found if path[-1].signed_by(one)] or found
        if not found:
            break
        path.append(found[0])
    return tuple(path)


def verify(
    path: Sequence[Certificate],
    *,
    pins: frozenset[bytes],
    at: datetime,
    lists: Sequence[RevocationList] = (),
    lists_required: bool = False,
    understood: frozenset[str] = frozenset(),
    memory: ChainMemory | None = None,
) -> VerifiedChain:
    """Verify a chain, leaf first and root last, in the steps above.

    Args:
        path: certificates in order; ``arrange`` gives them so.
        pins: SHA-256 of the roots that count.
        at: the time of verification.
        lists: revocation lists; those of other issuers are passed over. A list that is not yet or
            no longer valid, or partial, does not count.
        lists_required: whether each certificate but the root needs one that counts.
        understood: OIDs of critical extensions that the caller looks at itself.
        memory: chains that held before.

    Raises:
        VerificationError: with step ``certificate``; the caller puts its own there.
    """
    key = (
        tuple([one.der for one in path]),
        _digests(lists),
        pins,
        lists_required,
        understood,
    )
    if memory and (known := memory.find(key, at)):
        return known
    _verify_links(path)
    for one in path:
        _verify_dates(one, at)
        _verify_critical(one, understood)
    _verify_root(path[-1], pins)
    chain = VerifiedChain(
        path=tuple(path),
        lists=(),
        not_before=max(one.not_before for one in path),
        not_after=min(one.not_after for one in path),
    )
    chain = verify_not_revoked(chain, lists, at=at, required=lists_required)
    if memory:
        memory.keep(key, chain)
    return chain


def verify_not_revoked(
    chain: VerifiedChain,
    lists: Sequence[RevocationList],
    *,
    at: datetime,
    required: bool = False,
    looking_back: bool = False,
    memory: ChainMemory | None = None,
) -> VerifiedChain:
    """Verify step 5 alone, for callers to whom it is a step of its own.

    ``looking_back`` says that ``at`` was chosen: lists issued later count too, they only know more.

    Returns:
        The chain with the lists that were used; it ends when the first of them does.

    Raises:
        VerificationError: a certificate is revoked, or a required list is missing.
    """
    key = (
        "lists",
        tuple([one.der for one in chain.path]),
        _digests(lists),
        required,
        looking_back,
    )
    if memory and (known := memory.find(key, at)):
        return known
    counting = [one for one in lists if _counts(one, at, looking_back=looking_back)]
    used = _verify_not_revoked(chain.path, lists, counting, at, required=required)
    begins = [one.this_update for one in lists]
    checked = chain._replace(
        lists=tuple(used),
        not_before=max([chain.not_before, *(begin for begin in begins if begin <= at)]),
        not_after=min(
            [
                chain.not_after,
                *(one.next_update or _END_OF_TIME for one in used),
                *(begin for begin in begins if begin > at),  # others count from then on
            ]
        ),
    )
    if memory:
        memory.keep(key, checked)
    return checked


def _digests(lists: Sequence[RevocationList]) -> tuple[bytes, ...]:
    """What stands for lists in a key that is kept: they may be megabytes of a stranger's."""
    return tuple([hashlib.sha256(one.der).digest() for one in lists])


def _verify_links(path: Sequence[Certificate]) -> None:
    if not 1 <= len(path) <= LONGEST:
        raise VerificationError(
            Refusal(
                step="certificate",
                claim="chain",
                got=f"{len(path)} certificates",
                expected=f"1 to {LONGEST}",
                rule=_SPEC,
                remedy="",
            )
        )
    for below, (child, parent) in enumerate(itertools.pairwise(path)):
        if child.issuer != parent.subject:
            raise refused(child, f"issuer {child.issuer_common_name}", parent.common_name)
        if not parent.is_authority:
            raise refused(parent, "a certificate that must not sign others", "an authority")
        if parent.path_length is not None and below > parent.path_length:
            raise refused(parent, f"{below} authorities below", f"at most {parent.path_length}")
        if not child.signed_by(parent):
            raise refused(child, "a signature that does not verify", f"one by {parent.common_name}")


def _verify_dates(certificate: Certificate, at: datetime) -> None:
    if not certificate.not_before <= at <= certificate.not_after:
        raise refused(
            certificate,
            f"time {at.isoformat()}",
            f"between {certificate.not_before.isoformat()} and {certificate.not_after.isoformat()}",
            remedy="fetch a certificate that is valid, or mend the clock",
        )


def _verify_critical(certificate: Certificate, understood: frozenset[str]) -> None:
    for oid, extension in certificate.extensions.items():
        if extension.critical and oid not in _UNDERSTOOD and oid not in understood:
            raise refused(certificate, f"critical extension {oid}", "only ones that are understood")


def _verify_not_revoked(
    path: Sequence[Certificate],
    lists: Sequence[RevocationList],
    counting: Sequence[RevocationList],
    at: datetime,
    *,
    required: bool,
) -> list[RevocationList]:
    """Give the lists that cleared somebody. One that does not count can still accuse."""
    used = []
    for child, parent in itertools.pairwise(path):
        found = [one for one in lists if one.issuer == parent.subject and one.signed_by(parent)]
        valid = [one for one in found if one in counting]
        for one in found:
            if child.serial in one.revoked:
                raise refused(
                    child,
                    f"serial number {child.serial:#x}, revoked",
                    "a certificate that its issuer has not revoked",
                    remedy="do not trust this machine; ask its vendor",
                )
        if required and not valid:
            raise refused(
                child,
                f"no valid revocation list of {parent.common_name}",
                f"one that is valid at {at.isoformat()}",
                remedy="fetch the vendor's revocation lists",
            )
        used += valid
    return used


def _counts(one: RevocationList, at: datetime, *, looking_back: bool) -> bool:
    begun = looking_back or one.this_update <= at
    return begun and (one.next_update is None or at <= one.next_update) and not one.is_partial


def _verify_root(root: Certificate, pins: frozenset[bytes]) -> None:
    if root.fingerprint not in pins:
        raise refused(
            root,
            f"root {root.fingerprint.hex()}",
            "one of " + (", ".join(sorted(pin.hex() for pin in pins)) or "none"),
            remedy="only roots that are pinned, or named by the operator, are trusted",
        )
    if not root.is_self_signed:
        raise refused(root, "a root that did not sign itself", "a self-signed root")


def refused(
    certificate: Certificate, got: str, expected: str, *, remedy: str = ""
) -> VerificationError:
    """Make the error of a certificate that does not hold."""
    return VerificationError(
        Refusal(
            step="certificate",
            claim=f"certificate of {certificate.common_name or 'nobody'}",
            got=got,
            expected=expected,
            rule=_SPEC,
            remedy=remedy,
        )
    )
