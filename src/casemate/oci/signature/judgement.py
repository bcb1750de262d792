"""The verdict on an image: every requirement of its policy, before any layer is fetched.

Steps: 1 find the requirements; 2 each must pass: (a) key, (b) digest, (c) identity, all three by
one and the same signature.
"""

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from casemate.crypto.keys import PublicKey
from casemate.errors import CasemateError, Refusal, VerificationError
from casemate.oci.reference import Reference
from casemate.oci.signature import cosign
from casemate.oci.signature.cosign import Claim, Signature
from casemate.oci.signature.policy import (
    Anything,
    Policy,
    Reject,
    Requirement,
    SignedBy,
    SigstoreSigned,
)
from casemate.oci.source import Image, Source

ReadKey = Callable[[str], Awaitable[bytes]]
"""Gives the document a ``keyPath`` names: a file or a KBS URI."""

_STEP: Final = "pull"


class Judgement:
    """A policy about one image's names, ready to judge what a source gives.

    Args:
        policy: the rules.
        asked: the name the user asked for; it finds the scope.
        source: where signatures lie.
        read_key: fetches keys that the policy names.
        task: the name actually fetched from, if rules moved it; a scope written out for it must
            pass as well, and identity rules accept either name.
    """

    def __init__(
        self,
        policy: Policy,
        asked: Reference,
        *,
        source: Source,
        read_key: ReadKey,
        task: Reference | None = None,
    ) -> None:
        self._asked = asked
        self._names = (asked,) if task is None or task == asked else (asked, task)
        self._source = source
        self._read_key = read_key
        self._rules = [policy.requirements(asked)]
        if len(self._names) > 1 and (other := policy.scoped(self._names[1])):
            self._rules += [other] if other not in self._rules else []

    async def __call__(self, image: Image) -> tuple[str, ...]:
        """Accept the image, and say what accepted it.

        Raises:
            VerificationError: a requirement fails; the refusal names it.
            InputError: a key of the policy cannot be read.
            PeerError: the source cannot be reached.
        """
        passed: list[str] = []
        for scope, requirements in self._rules:
            for number, requirement in enumerate(requirements):
                rule = f"policy.json, scope {scope}, requirement {number + 1}"
                passed += await self._pass(requirement, image, rule)
        return tuple(dict.fromkeys(passed))

    async def _pass(self, requirement: Requirement, image: Image, rule: str) -> list[str]:
        match requirement:
            case Anything():
                return []
            case Reject():
                raise self._refused(
                    image,
                    got="an image the policy rejects",
                    expected="an image of another scope",
                    rule=f"{rule}: reject",
                    remedy="Sign the image and require its key, or name its scope in the policy.",
                )
            case SignedBy():
                raise self._refused(
                    image,
                    got="a signedBy requirement",
                    expected="sigstoreSigned, the signatures that are verified here",
                    rule=f"{rule}: signedBy",
                    remedy="Sign with `casemate image sign` and require sigstoreSigned.",
                )
            case SigstoreSigned():
                return [await self._pass_cosign(requirement, image, f"{rule}: sigstoreSigned")]

    async def _pass_cosign(self, requirement: SigstoreSigned, image: Image, rule: str) -> str:
        where = requirement.key_path or "keyData"
        pem = requirement.key_text() or await self._read_key(requirement.key_path or "")
        key = cosign.read_key(pem, where)
        digests = [image.digest] + ([image.index_digest] if image.index_digest else [])
        signatures = [s for digest in digests for s in await cosign.fetch(self._source, digest)]
        shown = f"{where} ({fingerprint(key)})"
        if not signatures:
            raise self._refused(
                image,
                got="no signature",
                expected=f"a signature by {shown}",
                rule=rule,
                remedy=f"Sign it: casemate image sign {self._asked} --key KEY",
            )
        described = [str(digest) for digest in digests]
        failures = [
            _failure(signature, key, described, requirement, self._names)
            for signature in signatures
        ]
        if None not in failures:
            raise self._refused(
                image,
                got="; ".join(dict.fromkeys(str(failure) for failure in failures)),
                expected=f"a signature by {shown} over this image and name",
                rule=rule,
                remedy="Sign with the key that the policy names, or name the signer's key there.",
            )
        return f"signed by {shown}"

    def _refused(
        self, image: Image, *, got: str, expected: str, rule: str, remedy: str
    ) -> VerificationError:
        claim = f"signature of {self._asked} ({image.digest})"
        return VerificationError(
            Refusal(step=_STEP, claim=claim, got=got, expected=expected, rule=rule, remedy=remedy)
        )


def fingerprint(key: PublicKey) -> str:
    """Name a key for people: the start of the SHA-256 of its DER form."""
    return f"sha256:{hashlib.sha256(key.der()).hexdigest()[:16]}"


def _failure(
    signature: Signature,
    key: PublicKey,
    digests: Sequence[str],
    requirement: SigstoreSigned,
    names: Sequence[Reference],
) -> str | None:
    """Say why a signature does not count; None when it does."""
    try:
        claim: Claim = cosign.verify(signature, key)
    except VerificationError:
        return "a signature by another key"
    except CasemateError as error:
        return str(error)
    if claim.digest not in digests:
        return f"a signature over {claim.digest}"
    identity = requirement.signed_identity
    if identity and not any(identity.accepts(name, claim.identity) for name in names):
        return f"a signature for {claim.identity}"
    return None
