"""Upstream's configuration of this verifier: whether it verifies here, or asks a service.

    {"cca-verifier": {"type": "local", "ta-store": path, "rv-store": path}}
    {"cca-verifier": {"type": "remote", "address": url, "ca-cert"?: path}}             (tee §9)

Ours is one member more of the remote form, ``"ear-verification-key"``: the path of the key (JWK)
that must have signed the service's verdicts. What paths name is read by ``gathering.cca_site``.
"""

import ipaddress
from collections.abc import Iterable
from typing import Final
from urllib.parse import SplitResult, urlsplit

import msgspec

from casemate.crypto.certificate import Certificate
from casemate.crypto.jwk import Jwk
from casemate.crypto.keys import PublicKey
from casemate.crypto.pem import blocks
from casemate.errors import MALFORMED_JSON, InputError, PeerError
from casemate.tee.cca.options import CcaOptions

_MARK: Final = b'"cca-verifier"'
_SPEC: Final = "tee §9"


class Local(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab", tag="local"):
    """Verify here, with these stores."""

    ta_store: str
    rv_store: str


class Remote(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab", tag="remote"):
    """Ask a Veraison service."""

    address: str
    ca_cert: str | None = None
    ear_verification_key: str | None = None


class _Configuration(msgspec.Struct, frozen=True, rename={"verifier": "cca-verifier"}):
    verifier: Local | Remote


def parse(raw: bytes, where: str) -> Local | Remote:
    """Read a configuration.

    Raises:
        InputError: another form, or a member that nobody knows: one misspelt would loosen it.
    """
    try:
        return msgspec.json.decode(raw, type=_Configuration).verifier
    except MALFORMED_JSON as error:
        want = "cca-verifier of type local or remote"
        raise InputError(where, got=error, want=want, spec=_SPEC) from error


def require_none_remote(files: Iterable[bytes]) -> None:
    """Refuse a remote configuration that lies among roots, rather than verify in another way.

    Its ``ca-cert`` would lie there too, and be a root of hardware.

    Raises:
        InputError: there is one, or one that cannot be read.
    """
    for file in files:
        if _MARK not in file:
            continue
        found = parse(file, "cca-verifier")
        if isinstance(found, Remote):
            raise InputError(
                "cca-verifier.type",
                got=f"remote {found.address}, in the folder of roots",
                want="local there",
                remedy="Name the file: cca.config of the Trustee, --cca-config of commands.",
            )


def require_meant(options: CcaOptions) -> None:
    """Refuse options that no conversation could come of.

    Raises:
        InputError: address, authorities or key cannot be meant.
    """
    if not options.address:
        return
    base_of(options)
    if options.ear_verification_key:
        PublicKey.from_jwk(configured_key(options))
    where = "cca-verifier.ca-cert"
    authorities = blocks(options.ca_cert.encode())
    if options.ca_cert and not authorities:
        raise InputError(where, got="no PEM", want="certificates, PEM")
    for one in authorities:
        try:
            Certificate.parse(one)
        except PeerError as error:
            raise InputError(where, got=error.got, want="certificates, PEM") from error


def configured_key(options: CcaOptions) -> Jwk:
    """Read the configured key; InputError when it is no JWK."""
    try:
        found: Jwk = msgspec.json.decode(options.ear_verification_key, type=Jwk)
    except MALFORMED_JSON as error:
        where = "cca-verifier.ear-verification-key"
        raise InputError(where, got=error, want="a JWK") from error
    return found


def base_of(options: CcaOptions) -> str:
    """Give the URL that the service's paths are added to.

    Raises:
        InputError: no plain http(s) URL, or one whose answers anybody on the way could write.
    """
    try:
        parts = urlsplit(options.address)
        _ = parts.port
    except ValueError as error:
        raise _not_meant(options.address) from error
    plain = not (parts.username or parts.password or parts.query or parts.fragment)
    if parts.scheme not in {"https", "http"} or not parts.hostname or not plain:
        raise _not_meant(options.address)
    if parts.scheme == "http" and not _is_this_machine(parts):
        if not options.allow_http:
            raise InputError(
                "cca-verifier.address",
                got=options.address,
                want="https, or http on this machine",
                remedy="Give the service a certificate; else cca.allow_http, with its key.",
            )
        if not options.ear_verification_key:
            raise InputError(
                "cca-verifier.ear-verification-key",
                got="none",
                want="the service's key, since plain HTTP proves nothing of the one it publishes",
            )
    return options.address.rstrip("/")


def _is_this_machine(parts: SplitResult) -> bool:
    if parts.hostname == "localhost":
        return True
    try:
        return ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False


def _not_meant(address: str) -> InputError:
    return InputError("cca-verifier.address", got=address, want="https://host[:port]", spec=_SPEC)
