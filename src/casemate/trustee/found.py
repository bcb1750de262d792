"""Founding a Trustee: its folder with authority, certificates, keys and settings."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from casemate.crypto.authority import CertificateAuthority
from casemate.crypto.keys import Kind, PrivateKey
from casemate.crypto.x509 import Usage
from casemate.errors import HostError, InputError
from casemate.secret import Secret
from casemate.trustee.settings import FILE

NAMES: Final = ("localhost", "127.0.0.1", "10.0.2.2")
"""Where a Trustee on this machine is found: by itself, and by guests of user-mode networks."""

_SETTINGS: Final = """\
# Settings of this Trustee; docs/trustee.md has the table. Paths are relative to this file.
profile = "production"

[http]
host = "127.0.0.1"
port = 8080
"""


def found(folder: Path, *, names: Sequence[str] = NAMES) -> None:
    """Make a Trustee's folder; the settings file comes last, so that it means all is there.

    Files: ``ca.pem`` and ``ca.key`` (authority), ``server.*`` (TLS), ``token.*`` (signer of
    attestation results), ``admin.key`` (the owner's; keep it elsewhere), ``admin.pub``.

    Raises:
        InputError: there is a Trustee already.
        HostError: the folder cannot be written.
    """
    if (folder / FILE).exists():
        raise InputError(str(folder), got="a Trustee", want="a folder without one")
    authority = CertificateAuthority.create("Casemate Trustee")
    server = authority.issue_server("Casemate Trustee", names)
    token = PrivateKey.generate(Kind.P256)
    certificate = authority.issue_for_public_key(
        token.public.der(), "Casemate attestation results", Usage.DOCUMENT
    )
    admin = PrivateKey.generate(Kind.ED25519)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write_secret(folder / "ca.key", authority.key_pem)
        _write_secret(folder / "server.key", server.key_pem)
        _write_secret(folder / "token.key", token.pem())
        _write_secret(folder / "admin.key", admin.pem())
        (folder / "ca.pem").write_bytes(authority.certificate_pem)
        (folder / "server.pem").write_bytes(server.certificate_pem)
        (folder / "token.pem").write_bytes(certificate)
        (folder / "admin.pub").write_bytes(admin.public.pem())
        fresh = folder / f"{FILE}.new"
        fresh.write_text(_SETTINGS, encoding="utf-8")
        fresh.replace(folder / FILE)
    except OSError as error:
        raise HostError(
            str(folder), got=error.strerror, want="a folder that can be written"
        ) from error


def _write_secret(file: Path, key: Secret) -> None:
    file.unlink(missing_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as writing:
        writing.write(key.reveal())
