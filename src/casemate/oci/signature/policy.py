"""policy.json: which signatures an image needs (guest-components section 15.1).

Read as the reference tool reads it: ``default`` is needed, empty lists and unknown members are
errors.
"""

import base64
import binascii
from collections.abc import Iterator
from typing import Annotated, Final

import msgspec

from casemate.errors import MALFORMED_JSON, InputError
from casemate.oci.reference import Reference
from casemate.oci.signature.identity import (
    ExactRepository,
    Identity,
    MatchRepoDigestOrExact,
    MatchRepository,
)

_SPEC: Final = "guest-components 15.1"
_LARGEST: Final = 1 << 20


class Anything(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="insecureAcceptAnything"
):
    """Every image passes."""


class Reject(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="reject"):
    """No image passes."""


class SignedBy(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="signedBy", rename="camel"
):
    """A simple-signing (OpenPGP) signature."""

    key_type: str
    key_path: str | None = None
    key_paths: tuple[str, ...] | None = None
    key_data: str | None = None
    signed_identity: Identity = MatchRepoDigestOrExact()

    def key_text(self) -> bytes | None:
        """Give the keyring that stands in the policy itself, as base64."""
        return None if self.key_data is None else _base64(self.key_data)


class SigstoreSigned(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="sigstoreSigned", rename="camel"
):
    """A cosign signature by a key; no identity rule means that only the digest counts."""

    key_path: str | None = None
    key_data: str | None = None
    signed_identity: MatchRepository | ExactRepository | None = None

    def key_text(self) -> bytes | None:
        """Give the key that stands in the policy itself: PEM, or base64 of it."""
        if self.key_data is None:
            return None
        if "-----BEGIN" in self.key_data:
            return self.key_data.encode()
        return _base64(self.key_data)


Requirement = Anything | Reject | SignedBy | SigstoreSigned
_Requirements = Annotated[tuple[Requirement, ...], msgspec.Meta(min_length=1, max_length=100)]


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A whole policy.json."""

    default: _Requirements
    transports: dict[str, dict[str, _Requirements]] = {}

    def requirements(self, reference: Reference) -> tuple[str, tuple[Requirement, ...]]:
        """Give the scope that speaks for an image (``default`` if none), and what it requires."""
        found = self.scoped(reference)
        return found or ("default", self.default)

    def scoped(self, reference: Reference) -> tuple[str, tuple[Requirement, ...]] | None:
        """Give the closest scope for an image that is written out, if there is one."""
        table = self.transports.get("docker", {})
        for scope in scopes(reference):
            if scope in table:
                return scope or '""', table[scope]
        return None


ACCEPT_ANYTHING: Final = Policy(default=(Anything(),))
"""What stands where no policy is set (guest-components section 13.1)."""


def parse(raw: bytes) -> Policy:
    """Read policy.json, at most 1 MiB.

    Raises:
        InputError: not JSON, a member or type we do not know, an empty list, or a requirement
            without exactly one key.
    """
    if len(raw) > _LARGEST:
        raise _wrong(f"{len(raw)} bytes", f"at most {_LARGEST}")
    try:
        policy = msgspec.json.decode(raw, type=Policy)
    except MALFORMED_JSON as error:
        raise _wrong(error, "a policy.json") from error
    tables = [{"default": policy.default}, *policy.transports.values()]
    for table in tables:
        for requirements in table.values():
            for requirement in requirements:
                _require_one_key(requirement)
    return policy


def scopes(reference: Reference) -> Iterator[str]:
    """Yield the scopes an image is looked up under, closest first."""
    yield str(reference)
    parts = reference.repository.split("/")
    for end in range(len(parts), 0, -1):
        yield "/".join(parts[:end])
    if ":" not in reference.host:
        labels = reference.host.split(".")
        for start in range(1, len(labels)):
            yield "*." + ".".join(labels[start:])
    yield ""


def _require_one_key(requirement: Requirement) -> None:
    match requirement:
        case SignedBy(key_type=kind) if kind != "GPGKeys":
            raise _wrong(f"keyType {kind}", "GPGKeys")
        case SignedBy(key_path=path, key_paths=paths, key_data=data):
            keys = (path, paths or None, data)
            requirement.key_text()
        case SigstoreSigned(key_path=path, key_data=data):
            keys = (path, None, data)
            requirement.key_text()
        case _:
            return
    if sum(key is not None for key in keys) != 1:
        raise _wrong("no key, or more than one", "exactly one of keyPath and keyData")


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise _wrong(text, "base64 of a key, as keyData") from error


def _wrong(got: object, want: str) -> InputError:
    return InputError("image policy", got=got, want=want, spec=_SPEC)
