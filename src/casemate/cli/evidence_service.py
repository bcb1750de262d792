"""``casemate evidence verify --from``: may this service be sent data?"""

import asyncio
import secrets
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from casemate.cli import evidence_files as files
from casemate.cli import output
from casemate.cli.evidence_options import Asked
from casemate.client import verification
from casemate.client.trust import ServiceTrust, VerifiedService
from casemate.crypto.x509 import split_pem
from casemate.errors import InputError, VerificationError
from casemate.files import read, read_text
from casemate.net import attested
from casemate.trustee.attestation.policy import SHIPPED, shipped
from casemate.wire.token import Tier

_NONCE_SIZE: Final = 32
_HTTPS: Final = 443


def verify(service: str, asked: Asked, given: Mapping[str, Any], *, as_json: bool) -> int:
    """Verify the service and tell; exit 1 when it must not be sent anything.

    Raises:
        InputError: the address or a demand cannot be meant.
        PeerError: the service cannot be reached.
    """
    host, port = _address(service)
    trust = _trust(asked, given)
    nonce = secrets.token_urlsafe(_NONCE_SIZE)
    shown = asyncio.run(attested.ask(host, port, nonce))
    try:
        found = verification.judge(
            shown.certificate, trust, nonce, lambda: shown.document, now=asked.inputs.now
        )
    except VerificationError as error:
        _refused(error, as_json=as_json)
        return 1
    _verified(service, found, as_json=as_json)
    return 0


def _address(service: str) -> tuple[str, int]:
    try:
        parts = urlsplit(service)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise InputError("--from", got=service, want="https://HOST[:PORT]") from error
    if parts.scheme != "https" or not host:
        raise InputError("--from", got=service, want="https://HOST[:PORT]")
    return host, port or _HTTPS


def _trust(asked: Asked, given: Mapping[str, Any]) -> ServiceTrust:
    text = given["policy"]
    policies = {name.removeprefix("default_"): shipped(name) for name in SHIPPED}
    if text is not None:
        policies |= {"cpu": read_text(text)}
    authorities = [der for file in given["token_authorities"] for der in split_pem(read(file))]
    return ServiceTrust(
        inputs=asked.inputs,
        policies=policies,
        reference_values=files.reference_values(given["values"]),
        init_data=asked.expected.init_data,
        token_authorities=tuple(authorities),
        worst=Tier.WARNING if given["accept_warning"] else Tier.AFFIRMING,
        fresh=given["fresh"],
    )


def _verified(service: str, found: VerifiedService, *, as_json: bool) -> None:
    if as_json:
        document = msgspec.to_builtins(found) | {"key_sha256": found.key_sha256.hex()}
        output.print_json({"verdict": "verified", "service": service, **document})
        return
    output.say(f"{service} may be sent data.")
    rows = [
        ("proof", found.proof),
        ("TEE", found.tee),
        ("verdict", found.status),
        ("TLS key (SHA-256)", found.key_sha256.hex()),
        ("fresh", "yes, for our nonce" if found.fresh else "as old as its certificate"),
    ]
    output.print_table(("what", "value"), rows)


def _refused(error: VerificationError, *, as_json: bool) -> None:
    if as_json:
        output.print_json({"verdict": "refused", **msgspec.to_builtins(error.refusal)})
    else:
        output.say(f"refused: {error.refusal}")
