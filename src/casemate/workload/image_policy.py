"""Image policies for the guest: only what the owner signed, in the customary form."""

import json
from collections.abc import Sequence

from casemate.oci.signature import policy as policies


def signed_only(scopes: Sequence[str], key_path: str) -> bytes:
    """Write a policy.json: images of ``scopes`` need a cosign signature by the key, others fail.

    ``key_path`` is a KBS URI or a file of the guest. A signature counts for its own repository.

    Raises:
        InputError: the result is no policy, e.g. because ``scopes`` is empty.
    """
    requirement = {
        "type": "sigstoreSigned",
        "keyPath": key_path,
        "signedIdentity": {"type": "matchRepository"},
    }
    document = {
        "default": [{"type": "reject"}],
        "transports": {"docker": {scope: [requirement] for scope in scopes}},
    }
    raw = json.dumps(document, indent=2).encode() + b"\n"
    policies.parse(raw)
    return raw
