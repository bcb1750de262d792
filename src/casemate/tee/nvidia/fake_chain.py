"""Devices of an NVIDIA that does not exist: keys, certificates, lists and OCSP answers."""

import itertools
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

import msgspec

from casemate.crypto import der_encoding as der
from casemate.crypto import simulated, simulated_ocsp
from casemate.crypto.certificate import Certificate
from casemate.crypto.keys import Kind, PrivateKey
from casemate.crypto.ocsp import Status
from casemate.crypto.simulated import Extension, Period
from casemate.errors import InputError
from casemate.tee.nvidia.chain import FWID_EXTENSION
from casemate.tee.simulation import Changes

LEVELS: Final = ("root", "identity", "ica", "brom", "leaf")
"""Certificates of a chain, the root first."""
FIELDS: Final = MappingProxyType(
    {
        "root": "configured, or other: minted under a root that is not configured",
        "expired": f"one of {', '.join(LEVELS)}: ended before the time of the simulation",
        "not_yet": f"one of {', '.join(LEVELS)}: begins after it",
        "self_made": f"one of {', '.join(LEVELS)}: the same names, another signer",
        "no_authority": "root, identity, ica or brom: lacks the right to sign certificates",
        "without": f"one of {', '.join(LEVELS)}: left out of the chain",
        "chip": "text; what the chip is called in the certificates",
        "leaf_key": "P-384 or P-256",
        "leaf_fwid": "hex of 48 bytes, or none; the firmware's digest in the leaf",
        "revocation": "none (the default), lists, ocsp, or both: what the vendor publishes",
        "revoked": "identity, ica or brom: revoked by what is published",
        "ocsp_status": "good, revoked or unknown; of every answer",
        "ocsp_signer": "issuer, delegate, stranger (no right to answer) or other (another key)",
        "outdated": "true: lists and answers ended before the time of the simulation",
    }
)
FWID: Final = bytes(range(48))
_YEARS: Final = timedelta(days=3650)
_DAY: Final = timedelta(days=1)


class Authority(msgspec.Struct, frozen=True, kw_only=True):
    """A certificate of a simulation, and its key."""

    level: str
    name: bytes
    key: PrivateKey
    der: bytes

    @property
    def certificate(self) -> Certificate:
        return Certificate.parse(self.der)


class FakeDevice(msgspec.Struct, frozen=True):
    """A device: the chain from the root to its leaf, whose key signs reports."""

    path: tuple[Authority, ...]
    shown: tuple[bytes, ...]
    """Certificates as evidence carries them, leaf first, DER."""

    @property
    def key(self) -> PrivateKey:
        return self.path[-1].key


class Maker:
    """Authorities that all devices of a simulation share."""

    def __init__(self, changes: Changes, now: datetime) -> None:
        self._changes = changes
        self._now = now.replace(microsecond=0)
        self._serial = itertools.count(0x1000)
        self._shared: dict[str, Authority] = {}
        self.root = self._make("root", "Simulated Device Identity CA", None)
        other = choice(changes, "root", "configured", "other") == "other"
        self.configured = self._make("root", "Simulated other CA", None) if other else self.root

    def device(self, chip: str) -> FakeDevice:
        """Make a device whose chip is called so."""
        chip = self._changes.text("chip", chip)
        identity = self._once("identity", f"Simulated {chip} Identity", self.root)
        ica = self._once("ica", f"Simulated {chip} Provisioner ICA 1", identity)
        brom = self._make("brom", f"{chip} A01 GSP BROM", ica)
        leaf = self._make("leaf", f"{chip} A01 GSP FMC LF", brom)
        path = (self.root, identity, ica, brom, leaf)
        without = choice(self._changes, "without", "", *LEVELS)
        shown = tuple(one.der for one in reversed(path) if one.level != without)
        return FakeDevice(path, shown)

    def published(self, device: FakeDevice) -> dict[str, bytes]:
        """Give the lists and answers about a device's certificates: file name → content."""
        kind = choice(self._changes, "revocation", "none", "lists", "ocsp", "both")
        found: dict[str, bytes] = {}
        if kind in {"lists", "both"}:
            for issuer, child in itertools.pairwise(device.path[:4]):
                found[f"nvidia/crl/{child.level}-{child.certificate.serial}.crl"] = self._list(
                    issuer, child
                )
        if kind in {"ocsp", "both"}:
            for issuer, child in itertools.pairwise(device.path[:4]):
                name = child.certificate.fingerprint.hex()
                found[f"nvidia/ocsp/{name}.der"] = self._answer(issuer, child)
        return found

    def _once(self, level: str, text: str, issuer: Authority) -> Authority:
        if text not in self._shared:
            self._shared[text] = self._make(level, text, issuer)
        return self._shared[text]

    def _make(self, level: str, text: str, issuer: Authority | None) -> Authority:
        kind = Kind.P384
        if level == "leaf" and choice(self._changes, "leaf_key", "P-384", "P-256") == "P-256":
            kind = Kind.P256
        key, name = PrivateKey.generate(kind), simulated.name(text)
        signer = issuer.key if issuer else key
        if self._is(level, "self_made"):
            signer = PrivateKey.generate(Kind.P384) if issuer is None else key
        made = simulated.certificate(
            subject=name,
            spki=key.public.der(),
            issuer=issuer.name if issuer else name,
            signer=signer,
            period=self._period(level),
            serial=next(self._serial),
            extensions=self._extensions(level),
        )
        return Authority(level=level, name=name, key=key, der=made)

    def _extensions(self, level: str) -> tuple[Extension, ...]:
        if level != "leaf":
            return () if self._is(level, "no_authority") else simulated.authority()
        if self._changes.text("leaf_fwid", "") == "none":
            return ()
        fwid = self._changes.data("leaf_fwid", FWID)
        return (Extension(FWID_EXTENSION, der.sequence(der.octets(fwid))),)

    def _period(self, level: str) -> Period:
        begin, end = self._now - _YEARS, self._now + _YEARS
        if self._is(level, "expired"):
            end = self._now - _DAY
        if self._is(level, "not_yet"):
            begin = self._now + _DAY
        return Period(begin, end)

    def _published_period(self) -> Period:
        shift = timedelta(days=-9) if self._changes.flag("outdated") else timedelta()
        return Period(self._now - _DAY + shift, self._now + _DAY + shift)

    def _list(self, issuer: Authority, child: Authority) -> bytes:
        revoked = [child.certificate.serial] if self._is(child.level, "revoked") else []
        return simulated.revocation_list(
            issuer=issuer.name,
            signer=issuer.key,
            period=self._published_period(),
            revoked=revoked,
        )

    def _answer(self, issuer: Authority, child: Authority) -> bytes:
        status = Status(choice(self._changes, "ocsp_status", *Status))
        if self._is(child.level, "revoked"):
            status = Status.REVOKED
        who = choice(self._changes, "ocsp_signer", "issuer", "delegate", "stranger", "other")
        signer, delegate = issuer.key, b""
        if who != "issuer":
            signer = PrivateKey.generate(Kind.P384)
        if who in {"delegate", "stranger"}:
            delegate = simulated.certificate(
                subject=simulated.name("Simulated OCSP Responder"),
                spki=signer.public.der(),
                issuer=issuer.name,
                signer=issuer.key,
                period=self._period("responder"),
                serial=next(self._serial),
                extensions=(simulated_ocsp.OCSP_SIGNING,) if who == "delegate" else (),
            )
        return simulated_ocsp.answer(
            child.certificate,
            issuer.certificate,
            signer=signer,
            period=self._published_period(),
            status=status,
            delegate=delegate,
        )

    def _is(self, level: str, field: str) -> bool:
        return choice(self._changes, field, "", *LEVELS) == level


def choice(changes: Changes, field: str, *allowed: str) -> str:
    """Give what was chosen, or the first; InputError when it is none of these."""
    value = changes.text(field, allowed[0])
    if value not in allowed:
        raise InputError(field, got=value, want=" or ".join(filter(None, allowed)))
    return value
