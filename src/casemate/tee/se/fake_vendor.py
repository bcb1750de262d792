"""A key signing service that is not IBM's: the same certificates and lists under a test root."""

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

import msgspec

from casemate.crypto import der_encoding as der
from casemate.crypto import pem, simulated
from casemate.crypto.der import Tag
from casemate.crypto.keys import Kind, PrivateKey, PublicKey
from casemate.crypto.simulated import Extension, Period
from casemate.tee.se.names import COMMON_NAME, COUNTRY, ORGANISATION, STATE, TOWN, UNIT

ROOT: Final = "se-root.pem"
FAULTS: Final = MappingProxyType(
    {
        "other_root": "the root is another, of the same name",
        "no_intermediate": "the intermediate is missing",
        "other_intermediate": "the intermediate is another, of the same name",
        "long_chain": "there is a second intermediate",
        "no_signer": "there is no signing certificate",
        "two_signers": "there are two signing certificates",
        "expired_signer": "the signing certificate is out of date",
        "revoked_signer": "the intermediate revoked the signing certificate",
        "revoked_intermediate": "the root revoked the intermediate",
        "no_root_list": "the root's list is missing",
        "no_intermediate_list": "the intermediate's list is missing",
        "stale_intermediate_list": "the intermediate's list is out of date",
        "no_document": "the host key document is missing",
        "forged_document": "another key signed the host key document",
        "foreign_document": "another service issued the host key document",
        "expired_document": "the host key document is out of date",
        "early_document": "the host key document is not yet valid",
        "unusable_document": "the host key may not agree on keys",
        "misattributed_document": "the host key document names another key as its issuer's",
        "critical_document": "the host key document has a critical extension nobody knows",
        "revoked_document": "the host key is revoked",
        "no_list": "the signing service's list is missing",
        "stale_list": "the signing service's list is out of date",
        "early_list": "the signing service's list is not yet valid",
        "foreign_list": "another service issued the list",
        "forged_list": "another key signed the list",
    }
)
"""What may be wrong with what the vendor publishes: name → meaning."""

_IBM: Final = "International Business Machines Corporation"
_YEAR: Final = timedelta(days=365)
_SERIALS: Final = MappingProxyType({"root": 1, "intermediate": 2, "signer": 3, "document": 4})
_NOT_AUTHORITY: Final = Extension("2.5.29.19", der.sequence(), critical=True)
_SIGNS: Final = Extension("2.5.29.15", der.bits(b"\x80", unused=7), critical=True)
_AGREES: Final = Extension("2.5.29.15", der.bits(b"\x08", unused=3), critical=True)
_UNKNOWN: Final = Extension("1.3.6.1.4.1.99999.1", der.element(Tag.NULL), critical=True)


class Issuer(msgspec.Struct, frozen=True):
    """Who signs: a name (DER) and a key. The key needs not be the name's."""

    name: bytes
    key: PrivateKey


class FakeVendor:
    """Keys and names of the service. What it publishes is right, or wrong in one thing."""

    def __init__(self, now: datetime) -> None:
        self._good = Period(now - _YEAR, now + _YEAR)
        self._over = Period(now - 2 * _YEAR, now - _YEAR)
        self._later = Period(now + _YEAR, now + 2 * _YEAR)
        self._root = Issuer(_name("IBM Z Root CA"), PrivateKey.generate(Kind.P384))
        self._intermediate = Issuer(_name("IBM Z Intermediate CA"), _fresh())
        self._signer = Issuer(_name("IBM Z Host Key Signing Service", "Poughkeepsie"), _fresh())
        self._stranger = Issuer(_name("Key Signing Service of a stranger"), _fresh())

    def publishes(
        self, hosts: Mapping[str, PublicKey], fault: str = ""
    ) -> tuple[dict[str, bytes], dict[str, bytes]]:
        """Give what is trusted and what is published: file name → PEM.

        Args:
            hosts: file name → host key that gets a document.
            fault: one of ``FAULTS``, or empty.
        """
        root = self._forged(self._root) if fault == "other_root" else self._root
        certificate = self._authority(root, root, "root")
        published = {
            **self._intermediates(root, fault),
            **self._signers(fault),
            **{name: self._document(key, fault) for name, key in hosts.items()},
            **self._lists(root, fault),
        }
        if fault == "no_document":
            published = {name: body for name, body in published.items() if name not in hosts}
        return {ROOT: certificate}, published

    def _authority(self, subject: Issuer, issuer: Issuer, part: str) -> bytes:
        return _certificate(
            subject.name,
            subject.key.public,
            issuer,
            self._good,
            _SERIALS[part],
            *simulated.authority(),
        )

    def _intermediates(self, root: Issuer, fault: str) -> dict[str, bytes]:
        own = self._intermediate
        if fault == "other_intermediate":
            own = self._forged(own)
        # The other root vouches for nothing: what it is said to have signed, the first one did.
        issuer = self._root if fault == "other_root" else root
        above: dict[str, bytes] = {}
        if fault == "long_chain":
            second = Issuer(_name("IBM Z Second Intermediate CA"), self._stranger.key)
            above["second.pem"] = self._authority(second, issuer, "intermediate")
            issuer = second
        if fault == "no_intermediate":
            return above
        return {**above, "intermediate.pem": self._authority(own, issuer, "intermediate")}

    def _signers(self, fault: str) -> dict[str, bytes]:
        def made(validity: Period, serial: int) -> bytes:
            own = self._signer
            return _certificate(
                own.name,
                own.key.public,
                self._intermediate,
                validity,
                serial,
                _NOT_AUTHORITY,
                _SIGNS,
            )

        validity = self._over if fault == "expired_signer" else self._good
        found = {"signer.pem": made(validity, _SERIALS["signer"])}
        if fault == "two_signers":
            found["signer-2.pem"] = made(self._good, _SERIALS["signer"] + 100)
        return {} if fault == "no_signer" else found

    def _document(self, key: PublicKey, fault: str) -> bytes:
        # The other town: IBM's documents and signing certificates do not always agree on it.
        issuer = Issuer(_name("IBM Z Host Key Signing Service"), self._signer.key)
        signers = {"forged_document": self._forged(issuer), "foreign_document": self._stranger}
        dates = {"expired_document": self._over, "early_document": self._later}
        misattributed = fault == "misattributed_document"
        return _certificate(
            _name("IBM Z Host Key"),
            key,
            signers.get(fault, issuer),
            dates.get(fault, self._good),
            _SERIALS["document"],
            _SIGNS if fault == "unusable_document" else _AGREES,
            *([_UNKNOWN] if fault == "critical_document" else []),
            issuer_key=self._root.key.public if misattributed else None,
        )

    def _lists(self, root: Issuer, fault: str) -> dict[str, bytes]:
        dates = {
            "stale_list": ("signer", self._over),
            "early_list": ("signer", self._later),
            "stale_intermediate_list": ("intermediate", self._over),
        }
        late, validity = dates.get(fault, ("", self._good))
        signer = {"foreign_list": self._stranger, "forged_list": self._forged(self._signer)}
        plans = (
            ("root", "no_root_list", root, "revoked_intermediate", "intermediate"),
            (
                "intermediate",
                "no_intermediate_list",
                self._intermediate,
                "revoked_signer",
                "signer",
            ),
            ("signer", "no_list", signer.get(fault, self._signer), "revoked_document", "document"),
        )
        return {
            f"{name}-list.pem": pem.encode(
                simulated.revocation_list(
                    issuer=issuer.name,
                    signer=issuer.key,
                    period=validity if name == late else self._good,
                    revoked=[_SERIALS[part]] if fault == revokes else [],
                ),
                "X509 CRL",
            )
            for name, missing, issuer, revokes, part in plans
            if fault != missing
        }

    def _forged(self, issuer: Issuer) -> Issuer:
        """The same name with another key."""
        return Issuer(issuer.name, self._stranger.key)


def _fresh() -> PrivateKey:
    return PrivateKey.generate(Kind.P256)


def _name(unit: str, town: str = "Armonk") -> bytes:
    parts = (
        (COUNTRY, "US"),
        (ORGANISATION, _IBM),
        (COMMON_NAME, _IBM),
        (STATE, "New York"),
        (TOWN, town),
        (UNIT, unit),
    )
    return der.sequence(
        *(
            der.element(
                Tag.SET, der.sequence(der.oid(oid), der.element(Tag.UTF8_STRING, text.encode()))
            )
            for oid, text in parts
        )
    )


def _certificate(
    subject: bytes,
    key: PublicKey,
    issuer: Issuer,
    validity: Period,
    serial: int,
    *extensions: Extension,
    issuer_key: PublicKey | None = None,
) -> bytes:
    """Make a certificate, PEM; ``issuer_key`` stands in its identifier for the issuer's."""
    named = _identifier(issuer_key or issuer.key.public)
    made = simulated.certificate(
        subject=subject,
        spki=key.der(),
        issuer=issuer.name,
        signer=issuer.key,
        period=validity,
        serial=serial,
        extensions=(
            *extensions,
            Extension("2.5.29.14", der.octets(_identifier(key))),
            Extension("2.5.29.35", der.sequence(der.element(0x80, named))),
        ),
    )
    return pem.encode(made, "CERTIFICATE")


def _identifier(key: PublicKey) -> bytes:
    return hashlib.sha256(key.der()).digest()[:20]
