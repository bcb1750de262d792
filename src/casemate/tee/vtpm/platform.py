"""Manufacture of a local vTPM: an attestation key, and the platform's word that it made it.

What the certificate proves: this key lives in a TPM that the platform (the host) started. It does
not prove that the host left that TPM alone; only hardware could (docs/threat-model.md).
"""

from datetime import datetime, timedelta
from typing import Final

import msgspec

from casemate.crypto.authority import CertificateAuthority
from casemate.crypto.x509 import Usage, split_pem
from casemate.linux.tpm import Transport
from casemate.tee.vtpm.report import AK_CERTIFICATE_INDEX, AK_HANDLE
from casemate.tee.vtpm.tpm import Tpm
from casemate.wire import tpm_command as commands
from casemate.wire.tpm import ALG_SHA256, RsaPublic

AK_LIFETIME: Final = timedelta(days=30)
"""Longer than any pod lives; a vTPM is made for one pod and thrown away with it."""

_NV_ATTRIBUTES: Final = (
    commands.NV_PLATFORM_WRITE
    | commands.NV_PLATFORM_READ
    | commands.NV_OWNER_READ
    | commands.NV_AUTH_READ
    | commands.NV_NO_DICTIONARY_ATTACK
    | commands.NV_PLATFORM_CREATE
)


class Manufactured(msgspec.Struct, frozen=True):
    """A vTPM's identity."""

    ak_public: bytes
    """SubjectPublicKeyInfo, DER."""
    ak_certificate: bytes
    """DER."""


def manufacture(
    transport: Transport,
    authority: CertificateAuthority,
    *,
    name: str = "casemate vTPM attestation key",
    now: datetime | None = None,
) -> Manufactured:
    """Turn a new TPM into a certified one; it must be reset before use (PCR banks change).

    An RSA-2048 restricted signing key becomes persistent, its certificate goes to an NV index, and
    SHA-256 stays the only PCR bank: firmware then hashes once instead of four times.

    Raises:
        HostError: the TPM refuses, for instance since it was manufactured before.
    """
    tpm = Tpm(transport)
    tpm.start()
    made = tpm.run(commands.create_primary(commands.RH_ENDORSEMENT, RsaPublic()))
    tpm.run(commands.evict_control(made.handle, AK_HANDLE))
    tpm.run(commands.flush_context(made.handle))
    public = tpm.public(AK_HANDLE).spki()
    pem = authority.issue_for_public_key(
        public, name, Usage.ATTESTATION_KEY, lifetime=AK_LIFETIME, now=now
    )
    certificate = split_pem(pem)[0]
    tpm.write_nv(AK_CERTIFICATE_INDEX, certificate, _NV_ATTRIBUTES)
    tpm.run(commands.pcr_allocate((ALG_SHA256,)))
    tpm.run(commands.shutdown())
    return Manufactured(public, certificate)
