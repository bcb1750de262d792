"""Certificates and lists of a vendor that does not exist, for the tests of what reads them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from casemate.crypto import simulated
from casemate.crypto.certificate import Certificate
from casemate.crypto.keys import Kind, PrivateKey
from casemate.crypto.revocation import RevocationList
from casemate.crypto.simulated import Extension, Period

NOW = datetime(2026, 1, 1, tzinfo=UTC)
YEAR = timedelta(days=365)
PERIOD = Period(NOW - YEAR, NOW + YEAR)


class Party(msgspec.Struct, frozen=True):
    """A name and a key."""

    name: bytes
    key: PrivateKey

    @classmethod
    def make(cls, common_name: str, kind: Kind = Kind.P384) -> "Party":
        return cls(simulated.name(common_name), PrivateKey.generate(kind, bits=2048))

    def certify(
        self,
        other: "Party",
        *,
        serial: int = 7,
        period: Period = PERIOD,
        extensions: Sequence[Extension] = (),
        **changes: Any,
    ) -> Certificate:
        """Certify another, or itself."""
        parts: dict[str, Any] = {
            "subject": other.name,
            "spki": other.key.public.der(),
            "issuer": self.name,
            "signer": self.key,
            "period": period,
            "serial": serial,
            "extensions": extensions,
        }
        return Certificate.parse(simulated.certificate(**(parts | changes)))

    def revoke(
        self, *serials: int, period: Period = PERIOD, signer: PrivateKey | None = None
    ) -> RevocationList:
        return RevocationList.parse(
            simulated.revocation_list(
                issuer=self.name, signer=signer or self.key, period=period, revoked=serials
            )
        )


ROOT = Party.make("root")
MIDDLE = Party.make("middle")
LEAF = Party.make("leaf", Kind.P256)
ROOT_CERTIFICATE = ROOT.certify(ROOT, serial=1, extensions=simulated.authority())
MIDDLE_CERTIFICATE = ROOT.certify(MIDDLE, serial=2, extensions=simulated.authority(0))
LEAF_CERTIFICATE = MIDDLE.certify(LEAF, serial=3)
CHAIN = (LEAF_CERTIFICATE, MIDDLE_CERTIFICATE, ROOT_CERTIFICATE)
PINS = frozenset({ROOT_CERTIFICATE.fingerprint})
