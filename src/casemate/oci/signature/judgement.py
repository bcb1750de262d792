"""The verdict on an image: every requirement of its policy, before any layer is fetched.

Steps: 1 find the requirements; 2 each must pass: (a) key, (b) digest, (c) identity, all three by
one and the same signature.
"""

import hashlib
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from casemate.crypto import openpgp
from casemate.crypto.digest import Digest
from casemate.crypto.keys import PublicKey
from casemate.errors import CasemateError, Refusal, VerificationError
from casemate.oci.reference import Reference
from casemate.oci.signature import cosign, simple
from casemate.oci.signature.cosign import Claim
from casemate.oci.signature.identity import Identity
from casemate.oci.signature.lookaside import Lookaside
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
        lookaside: where simple-signing signatures lie; None has none.
        clock: seconds since the Unix epoch.
    """

    def __init__(
        self,
        policy: Policy,
        asked: Reference,
        *,
        source: Source,
        read_key: ReadKey,
        task: Reference | None = None,
        lookaside: Lookaside | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._asked = asked
        self._names = (asked,) if task is None or task == asked else (asked, task)
        self._source = source
        self._read_key = read_key
        self._lookaside = lookaside
        self._clock = clock
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
                return [await self._pass_simple(requirement, image, f"{rule}: signedBy")]
            case SigstoreSigned():
                return [await self._pass_cosign(requirement, image, f"{rule}: sigstoreSigned")]

    async def _pass_cosign(self, requirement: SigstoreSigned, image: Image, rule: str) -> str:
        where = requirement.key_path or "keyData"
        pem = requirement.key_text() or await self._read_key(requirement.key_path or "")
        key = cosign.read_key(pem, where)
        digests = _digests(image)
        signatures = [s for digest in digests for s in await cosign.fetch(self._source, digest)]
        claims = [lambda s=s: cosign.verify(s, key) for s in signatures]
        signer = f"{where} ({fingerprint(key)})"
        return self._weigh(claims, requirement.signed_identity, image, rule, signer)

    async def _pass_simple(self, requirement: SignedBy, image: Image, rule: str) -> str:
        paths = requirement.key_paths or filter(None, [requirement.key_path])
        rings = [requirement.key_text() or b""] if requirement.key_data else []
        rings += [await self._read_key(path) for path in paths]
        keys = [key for ring in rings for key in openpgp.parse_keyring(ring)]
        raws = [r for digest in _digests(image) for r in await self._simple_signatures(digest)]
        claims = [lambda raw=raw: simple.verify(raw, keys, now=self._clock()) for raw in raws]
        signer = ", ".join(fingerprint(key) for key in keys)
        return self._weigh(claims, requirement.signed_identity, image, rule, signer)

    async def _simple_signatures(self, digest: Digest) -> tuple[bytes, ...]:
        if self._lookaside is None:
            return ()
        found = [await self._lookaside.fetch(name, digest) for name in self._names]
        return tuple(raw for raws in found for raw in raws)

    def _weigh(
        self,
        claims: Sequence[Callable[[], Claim]],
        identity: Identity | None,
        image: Image,
        rule: str,
        signer: str,
    ) -> str:
        """Find one signature that passes key, digest and identity together."""
        if not claims:
            raise self._refused(
                image,
                got="no signature",
                expected=f"a signature by {signer}",
                rule=rule,
                remedy=f"Sign it: casemate image sign {self._asked} --key KEY",
            )
        described = [str(digest) for digest in _digests(image)]
        failures = [_failure(claim, described, identity, self._names) for claim in claims]
        if None not in failures:
            raise self._refused(
                image,
                got="; ".join(dict.fromkeys(str(failure) for failure in failures)),
                expected=f"a signature by {signer} over this image and name",
                rule=rule,
                remedy="Sign with the key that the policy names, or name the signer's key there.",
            )
        return f"signed by {signer}"

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


def _digests(image: Image) -> list[Digest]:
    return [image.digest] + ([image.index_digest] if image.index_digest else [])


def _failure(
    claim: Callable[[], Claim],
    digests: Sequence[str],
    identity: Identity | None,
    names: Sequence[Reference],
) -> str | None:
    """Say why a signature does not count; None when it does."""
    try:
        claimed = claim()
    except VerificationError as error:
        expired = "expired" in error.refusal.got
        return error.refusal.got if expired else "a signature by another key"
    except CasemateError as error:
        return str(error)
    if claimed.digest not in digests:
        return f"a signature over {claimed.digest}"
    if identity and not any(identity.accepts(name, claimed.identity) for name in names):
        return f"a signature for {claimed.identity}"
    return None
