"""Reference manifests that NVIDIA did not make: SWID tags, signed for real under a test root."""

import base64
import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

from casemate.crypto import simulated
from casemate.crypto.keys import Kind, PrivateKey
from casemate.crypto.simulated import Period
from casemate.crypto.xml_document import canonical
from casemate.crypto.xml_document import parse as parse_xml
from casemate.crypto.xml_signature import C14N11, DSIG, ECDSA_SHA384, ENVELOPED, SHA384
from casemate.tee.nvidia.fake_chain import choice
from casemate.tee.nvidia.manifest import HASH, SWID
from casemate.tee.simulation import Changes

FIELDS: Final = MappingProxyType(
    {
        "manifests": "none (the default), given, or only driver or vbios",
        "manifest_product": "text; the chip that manifests are for",
        "manifest_version": "text; the version that the driver's is for",
        "manifest_value": "hex; the good value of measurement 1",
        "manifest_root": "configured, or other: whose chain ends in another root",
        "manifest_signer": "own, or other: signed by another key than its certificate's",
        "manifest_digest": "right, or wrong: of another document",
        "manifest_expired": "true: its signer's certificate has ended",
    }
)
_YEARS: Final = timedelta(days=3650)
_DAY: Final = timedelta(days=1)


class Publisher:
    """Who signs manifests: a root, and a signer below it."""

    def __init__(self, changes: Changes, now: datetime) -> None:
        self._changes = changes
        now = now.replace(microsecond=0)
        long = Period(now - _YEARS, now + _YEARS)
        short = Period(now - _YEARS, now - _DAY) if changes.flag("manifest_expired") else long
        root_key, self._key = (PrivateKey.generate(Kind.P384) for _ in range(2))
        name = simulated.name("Simulated CoRIM signing Root CA")
        self.root = _root(name, root_key, long)
        other = choice(changes, "manifest_root", "configured", "other") == "other"
        self.configured = _root(name, PrivateKey.generate(Kind.P384), long) if other else self.root
        self._signer = simulated.certificate(
            subject=simulated.name("Simulated RIM signer"),
            spki=self._key.public.der(),
            issuer=name,
            signer=root_key,
            period=short,
            serial=2,
        )

    def manifest(self, chip: str, version: str, golden: Mapping[int, bytes]) -> bytes:
        """Make a manifest: ``golden`` is index from 0 → good value; the others are not active."""
        product = self._changes.text("manifest_product", chip)
        rows = "".join(
            f'<ns0:Resource type="Measurement" index="{index}" active="{index in golden}" '
            f'alternatives="2" ns2:Hash0="{golden.get(index, bytes(48)).hex()}" '
            f'ns2:Hash1="{"11" * 48}" name="Measurement_{index}" size="48"/>\n'
            for index in range(64)
        )
        body = (
            f'<SoftwareIdentity xmlns="{SWID}" xmlns:ns0="{SWID}" xmlns:ns2="{HASH}" '
            f'name="{product}" tagId="&lt;simulated&gt;">\n<!-- no comment is signed -->'
            f'<ns0:Meta colloquialVersion="{version.upper()}" product="{product}"/>'
            f"<ns0:Payload>{rows}</ns0:Payload>"
        )
        end = "</SoftwareIdentity>"
        digest = hashlib.sha384(canonical(parse_xml((body + end).encode()))).digest()
        if choice(self._changes, "manifest_digest", "right", "wrong") == "wrong":
            digest = bytes(48)
        return (body + self._signature(body, end, digest) + end).encode()

    def _signature(self, body: str, end: str, digest: bytes) -> str:
        info = (
            f'<ds:SignedInfo><ds:CanonicalizationMethod Algorithm="{C14N11}"/>'
            f'<ds:SignatureMethod Algorithm="{ECDSA_SHA384}"/><ds:Reference URI="">'
            f'<ds:Transforms><ds:Transform Algorithm="{ENVELOPED}"/>'
            f'<ds:Transform Algorithm="{C14N11}"/></ds:Transforms>'
            f'<ds:DigestMethod Algorithm="{SHA384}"/>'
            f"<ds:DigestValue>{_base64(digest)}</ds:DigestValue></ds:Reference></ds:SignedInfo>"
        )
        begin, finish = f'<ds:Signature xmlns:ds="{DSIG}">', "</ds:Signature>"
        whole = parse_xml((body + begin + info + finish + end).encode())
        signed = canonical(whole.only(DSIG, "Signature").only(DSIG, "SignedInfo"))
        own = choice(self._changes, "manifest_signer", "own", "other") == "own"
        key = self._key if own else PrivateKey.generate(Kind.P384)
        certificates = "".join(
            f"<ds:X509Certificate>{_base64(one)}</ds:X509Certificate>"
            for one in (self._signer, self.root)
        )
        return (
            f"{begin}{info}<ds:SignatureValue>{_base64(key.sign(signed, 'ES384'))}"
            f"</ds:SignatureValue><ds:KeyInfo><ds:X509Data>{certificates}</ds:X509Data>"
            f"</ds:KeyInfo>{finish}"
        )


def _root(name: bytes, key: PrivateKey, period: Period) -> bytes:
    return simulated.certificate(
        subject=name,
        spki=key.public.der(),
        issuer=name,
        signer=key,
        period=period,
        serial=1,
        extensions=simulated.authority(),
    )


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
