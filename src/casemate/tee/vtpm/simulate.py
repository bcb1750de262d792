"""Simulator of bare TPM evidence: right, or wrong in a chosen field, under a new authority."""

from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

import msgspec

from casemate.crypto.authority import CertificateAuthority
from casemate.crypto.keys import Kind, PrivateKey
from casemate.crypto.x509 import Usage, split_pem
from casemate.tee.simulation import COMMON, REPORT_DATA, Changes, Simulated
from casemate.tee.vtpm import quote_fields
from casemate.tee.vtpm.fake import AK_BITS, SoftwareTpm
from casemate.tee.vtpm.report import TEE, TpmEvidence, TpmQuote, resize
from casemate.wire.tpm import Signature

_CERTIFICATES: Final = ("none", "another_authority", "expired", "tls", "another_key")
_LOGS: Final = ("none", "cut", "another_digest", "no_register")
FIELDS: Final = MappingProxyType(
    {
        **COMMON,
        **quote_fields.FIELDS,
        "signature.scheme": "number; 0x0014 is RSASSA",
        "signature.hash": "number; 0x000b is SHA-256",
        "ak_public": "hex; SubjectPublicKeyInfo shown, whichever key signs",
        "ak_certificate": ", ".join(_CERTIFICATES),
        "event_log": ", ".join(_LOGS),
    }
)


def simulate(changes: Changes, now: datetime) -> Simulated:
    """Make TPM evidence; its authority is made with it."""
    authority = CertificateAuthority.create("simulated platform", now=now)
    tpm = SoftwareTpm(authority, now=now)
    digest = quote_fields.init_data(changes)
    if digest:
        tpm.bind_init_data(digest)
    nonce = changes.data("report_data", REPORT_DATA)
    pcrs = quote_fields.registers(changes, tpm.pcrs)
    message = quote_fields.message(
        changes, signer=tpm.quote(nonce).qualified_signer, nonce=resize(nonce), pcrs=pcrs
    )
    other = quote_fields.chosen(changes, "signed_by", ("another",))
    key = PrivateKey.generate(Kind.RSA, bits=AK_BITS) if other else tpm.key
    evidence = TpmEvidence(
        tpm_quote=TpmQuote(
            _signature(changes, key.sign(message, "RS256")),
            quote_fields.flipped(changes, "flip", message),
            tuple(value.hex() for value in quote_fields.shown(changes, pcrs)),
        ),
        ak_public=changes.data("ak_public", tpm.ak_public),
        ak_certificate=_certificate(changes, tpm, authority, now),
        event_log=_event_log(changes, tpm),
    )
    return Simulated(
        tee=TEE,
        evidence=msgspec.json.encode(evidence),
        report_data=nonce,
        init_data=digest,
        now=now,
        roots={"platform-ca.pem": authority.certificate_pem},
    )


def _signature(changes: Changes, signature: bytes) -> bytes:
    encoded = Signature(signature).encode()
    scheme = quote_fields.number(changes, "signature.scheme", int.from_bytes(encoded[:2], "big"), 2)
    algorithm = quote_fields.number(
        changes, "signature.hash", int.from_bytes(encoded[2:4], "big"), 2
    )
    return scheme.to_bytes(2, "big") + algorithm.to_bytes(2, "big") + encoded[4:]


def _certificate(
    changes: Changes, tpm: SoftwareTpm, authority: CertificateAuthority, now: datetime
) -> bytes:
    usage, public, when = Usage.ATTESTATION_KEY, tpm.ak_public, now
    match quote_fields.chosen(changes, "ak_certificate", _CERTIFICATES):
        case "":
            return tpm.ak_certificate
        case "none":
            return b""
        case "another_authority":
            authority = CertificateAuthority.create("simulated platform", now=now)
        case "expired":
            when = now - timedelta(days=3650)
        case "tls":
            usage = Usage.CLIENT
        case _:
            public = PrivateKey.generate(Kind.RSA, bits=AK_BITS).public.der()
    pem = authority.issue_for_public_key(public, "software TPM", usage, now=when)
    return split_pem(pem)[0]


def _event_log(changes: Changes, tpm: SoftwareTpm) -> bytes:
    match quote_fields.chosen(changes, "event_log", _LOGS):
        case "":
            pass
        case "none":
            return b""
        case "cut":
            return tpm.event_log[:-1]
        case "another_digest":
            first = tpm.events[0]
            digests = tuple((algorithm, bytes(len(d))) for algorithm, d in first.digests)
            tpm.events = (msgspec.structs.replace(first, digests=digests), *tpm.events[1:])
        case _:
            stray = msgspec.structs.replace(tpm.events[0], register=24)
            tpm.events = (*tpm.events, stray)
    return tpm.event_log
