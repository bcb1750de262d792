"""From evidence to a signed verdict: verify, annotate, appraise, sign (trustee spec §10 to §12)."""

import asyncio
import os
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

import msgspec

from casemate.errors import InputError, Refusal, VerificationError
from casemate.tee.evidence import Expectation, Inputs, VerifiedEvidence
from casemate.tee.gathering.gatherer import Gathered
from casemate.tee.verifiers import OLD_NAMES, VERIFIERS, Verifier, challenge_maker, verify
from casemate.trustee.attestation.appraised import Appraised, of_attestation
from casemate.trustee.attestation.policy import AttestationPolicies
from casemate.trustee.attestation.signer import TokenSigner
from casemate.wire.kbs import Attestation
from casemate.wire.token import appraisal

POLICY_ID: Final = "default"

InputsOf = Callable[[str, datetime], Inputs]
"""TEE and time → what its verifier may look at."""

Gather = Callable[[str, bytes, Inputs], Awaitable[Gathered]]
"""TEE, evidence, inputs → collateral, what the inputs had included, and what a service said."""


async def _nothing_more(_tee: str, _evidence: bytes, inputs: Inputs) -> Gathered:
    return Gathered(material=inputs.collateral, files={}, notes=())


class AttestationService:
    """Verifies the TEEs it is told to listen to, and signs what its policies say of them."""

    def __init__(
        self,
        *,
        tees: Iterable[str],
        inputs: InputsOf,
        policies: AttestationPolicies,
        signer: TokenSigner,
        clock: Callable[[], float],
        gather: Gather = _nothing_more,
        table: Mapping[str, Verifier] = VERIFIERS,
        session_lifetime: float = 300.0,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        """``session_lifetime`` is in seconds: how long a challenge of ours may be answered."""
        self.tees = frozenset(tees) & table.keys()
        self._table = table
        self._inputs = inputs
        self._policies = policies
        self._signer = signer
        self._clock = clock
        self._gather = gather
        self._session_lifetime = timedelta(seconds=session_lifetime)
        self._random = random

    def require_tee(self, tee: str) -> None:
        """Refuse a TEE that this service does not listen to.

        Raises:
            VerificationError: it is unknown, or this profile turns it off.
        """
        if OLD_NAMES.get(tee, tee) not in self.tees:
            raise VerificationError(
                Refusal(
                    step="attest",
                    claim="tee",
                    got=tee,
                    expected=f"one of {', '.join(sorted(self.tees)) or 'none: none is turned on'}",
                    rule="profile of the Trustee: TEE types it listens to",
                    remedy="Run on a TEE of the list; tpm and sample need profile development.",
                )
            )

    def challenge(self, tee: str, session: str) -> str | None:
        """Make the challenge of a session; None where the broker's random nonce will do.

        Raises:
            VerificationError: the TEE is not listened to, or whom to ask is not to be trusted.
            InputError: what the challenge is made from is missing.
        """
        self.require_tee(tee)
        make = challenge_maker(tee, self._table)
        if make is None:
            return None
        now = self._now()
        inputs = self._inputs(OLD_NAMES.get(tee, tee), now)
        return make(session, now + self._session_lifetime, inputs, self._random)

    async def prepare(self, tee: str, attestation: Attestation, session: str) -> Callable[[], str]:
        """Gather what the evidence needs, and give what then does the rest as ``attest`` does.

        Raises: as ``attest``; also HostError when the cache of collateral cannot be read.
        """
        gathered = await self.gathered(of_attestation(tee, attestation, session))
        return partial(self.evaluate, gathered, POLICY_ID)

    async def gathered(self, appraised: Sequence[Appraised]) -> list[Appraised]:
        """Add its collateral to each piece of evidence, of TEEs that are listened to.

        Raises:
            VerificationError: a TEE that is not.
            InputError: an option cannot be meant.
            HostError: the cache of collateral cannot be read.
        """
        for one in appraised:
            self.require_tee(one.tee)
        found = await asyncio.gather(*(self._gathered(one) for one in appraised))
        return [
            msgspec.structs.replace(one, collateral=gathered.material, answer=gathered.answer)
            for one, gathered in zip(appraised, found, strict=True)
        ]

    async def _gathered(self, one: Appraised) -> Gathered:
        tee = OLD_NAMES.get(one.tee, one.tee)
        return await self._gather(tee, one.evidence, self._inputs(tee, self._now()))

    def attest(self, tee: str, attestation: Attestation, session: str) -> str:
        """Verify all evidence of an attestation and give the token; the nonce was compared.

        Raises:
            VerificationError: evidence was refused; its step says where.
            InputError: a member cannot be read, or there is no policy for a class.
        """
        return self.evaluate(of_attestation(tee, attestation, session), POLICY_ID)

    def evaluate(self, appraised: Sequence[Appraised], policy_id: str) -> str:
        """Give the token for evidence, the primary TEE's first.

        Steps for each: (1) the TEE is listened to, (2) its evidence is genuine and bound to report
        data and initdata, (3) policy; then (4) one signature over all verdicts.

        Raises: as ``attest``.
        """
        if not appraised:
            raise InputError("verification_requests", got="none", want="at least one")
        submods: dict[str, dict[str, Any]] = {}
        count: Counter[str] = Counter()
        verified = [(one, evidence) for one in appraised for evidence in self._verify(one)]
        for one, evidence in verified:
            name = f"{evidence.tee_class}{count[evidence.tee_class]}"
            count[evidence.tee_class] += 1
            submods[name] = self._appraise(one, evidence, policy_id)
        return self._signer.sign(submods)

    def _verify(self, one: Appraised) -> tuple[VerifiedEvidence, ...]:
        self.require_tee(one.tee)
        expected = Expectation(report_data=one.report_data, init_data=one.init_data)
        inputs = self._inputs(OLD_NAMES.get(one.tee, one.tee), self._now())
        inputs = msgspec.structs.replace(
            inputs,
            challenge=one.challenge,
            collateral=inputs.collateral | one.collateral,
            answer=one.answer,
        )
        return verify(one.tee, one.evidence, expected, inputs, table=self._table)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)

    def _appraise(
        self, one: Appraised, evidence: VerifiedEvidence, policy_id: str
    ) -> dict[str, Any]:
        annotated = annotate(evidence, one)
        verdict = self._policies.appraise(policy_id, evidence.tee_class, annotated)
        return appraisal(
            verdict.vector,
            policy_id=policy_id,
            evidence=annotated,
            extensions=verdict.extensions,
        )


def annotate(evidence: VerifiedEvidence, one: Appraised | None = None) -> dict[str, Any]:
    """Give the policy's input (§11.1): verified claims under the TEE's name, bound data beside.

    Without ``one``, which says what was presented with the evidence, there is no data beside it.
    """
    claims = dict(evidence.claims)
    annotated: dict[str, Any] = {}
    if "report_data" in claims:
        annotated["report_data"] = claims.pop("report_data")
        if one is not None:
            annotated["runtime_data_claims"] = one.runtime_data_claims
    if "init_data" in claims:
        annotated["init_data"] = claims.pop("init_data")
        if one is not None:
            annotated["init_data_claims"] = one.init_data_claims
    return annotated | {evidence.tee: claims}
