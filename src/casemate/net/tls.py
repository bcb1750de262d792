"""TLS contexts of the project: version 1.3, named peers, keys that never touch a disk.

The standard library loads private keys from files only. We give it an anonymous memory file, which
has no name in any file system and is gone when closed.
"""

import os
import ssl
from typing import Final

from casemate.errors import InputError
from casemate.secret import Secret

Context = ssl.SSLContext
"""A configured side of TLS, for rooms that pass one on."""

_VERSION: Final = ssl.TLSVersion.TLSv1_3


def server_context(
    certificate_pem: bytes, key_pem: Secret, *, client_ca_pem: bytes | None = None
) -> ssl.SSLContext:
    """Serve with a certificate (leaf first); with ``client_ca_pem``, insist on a client's.

    Each connection proves everything anew: no tickets, which let one go on without certificates.

    Raises:
        InputError: certificate, key or CA cannot be read or do not belong together.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _VERSION
    context.num_tickets = 0
    _load_pair(context, certificate_pem, key_pem)
    if client_ca_pem is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        _load_anchors(context, client_ca_pem)
    return context


def client_context(
    anchors_pem: bytes | None,
    *,
    certificate_pem: bytes | None = None,
    key_pem: Secret | None = None,
) -> ssl.SSLContext:
    """Call a server whose chain ends in ``anchors_pem`` (the system's roots when None).

    The name given when connecting is verified against the server's certificate.

    Raises:
        InputError: an anchor, the certificate or the key cannot be read.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2 if anchors_pem is None else _VERSION
    if anchors_pem is None:
        context.load_default_certs()
    else:
        _load_anchors(context, anchors_pem)
    if certificate_pem is not None and key_pem is not None:
        _load_pair(context, certificate_pem, key_pem)
    return context


def _load_anchors(context: ssl.SSLContext, pem: bytes) -> None:
    try:
        context.load_verify_locations(cadata=pem.decode("ascii"))
    except (ssl.SSLError, UnicodeDecodeError, ValueError) as error:
        raise InputError("TLS anchors", got=error, want="PEM certificates") from error


def _load_pair(context: ssl.SSLContext, certificate_pem: bytes, key_pem: Secret) -> None:
    descriptor = os.memfd_create("tls", os.MFD_CLOEXEC)
    try:
        with open(descriptor, "wb", closefd=False) as file:  # a descriptor has no path
            file.write(certificate_pem.rstrip() + b"\n" + key_pem.reveal())
        context.load_cert_chain(f"/proc/self/fd/{descriptor}", password=_no_password)
    except (ssl.SSLError, OSError) as error:
        raise InputError(
            "TLS certificate", got=error, want="a PEM certificate and its own key"
        ) from error
    finally:
        os.close(descriptor)


def _no_password() -> str:
    """Stand in for OpenSSL's prompt on the terminal: our keys are never locked."""
    return ""
