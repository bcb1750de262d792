"""Configuration of the forwarder in the pod VM: ``/run/peerpod/apf.json`` (runtime.md §8.1).

Keys are upstream's; readers accept them in any letter case. The server key travels here in clear to
the cloud, as upstream's does: trust comes from attestation and policy, never from this channel.
"""

import json
from typing import Any, Final

import msgspec

from casemate.errors import MALFORMED_JSON, PeerError
from casemate.secret import Secret

PORT: Final = 15150
"""TCP port of the forwarder in the pod VM."""

_LARGEST: Final = 64 << 10  # bytes


class ForwarderConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Names and keys of one pod VM's forwarder. PEM texts; ``server_key`` is PKCS#8."""

    pod_namespace: str
    pod_name: str
    server_key: Secret
    server_certificate: bytes
    client_ca: bytes
    min_version: str = "VersionTLS13"


def encode(config: ForwarderConfig) -> bytes:
    """Write apf.json, zero values omitted."""
    return json.dumps(
        {
            "pod-network": {},
            "pod-namespace": config.pod_namespace,
            "pod-name": config.pod_name,
            "tls-server-key": config.server_key.reveal().decode(),
            "tls-server-cert": config.server_certificate.decode(),
            "tls-client-ca": config.client_ca.decode(),
            "tls-min-version": config.min_version,
        }
    ).encode()


def parse(text: bytes) -> ForwarderConfig:
    """Read apf.json of at most 64 KiB; unknown keys are left to newer readers.

    Raises:
        PeerError: no JSON object, a text missing, or a TLS version we do not know.
    """
    if len(text) > _LARGEST:
        raise PeerError("apf.json", got=f"{len(text)} bytes", want="at most 64 KiB")
    try:
        document = msgspec.json.decode(text, type=dict[str, Any])
    except MALFORMED_JSON as error:
        raise PeerError("apf.json", got=error, want="a JSON object") from error
    keys = {name.lower(): value for name, value in document.items()}
    minimum = _text(keys, "tls-min-version") or "VersionTLS13"
    if minimum not in {"VersionTLS12", "VersionTLS13"}:
        raise PeerError("apf.json: tls-min-version", got=minimum, want="VersionTLS12 or 13")
    return ForwarderConfig(
        pod_namespace=_text(keys, "pod-namespace"),
        pod_name=_text(keys, "pod-name"),
        server_key=Secret(_text(keys, "tls-server-key").encode()),
        server_certificate=_text(keys, "tls-server-cert").encode(),
        client_ca=_text(keys, "tls-client-ca").encode(),
        min_version=minimum,
    )


def _text(keys: dict[str, Any], name: str) -> str:
    value = keys.get(name, "")
    if not isinstance(value, str):
        raise PeerError(f"apf.json: {name}", got=type(value).__name__, want="a text")
    return value
