"""From evidence to a signed verdict: verify, annotate, appraise, sign (trustee spec §10 to §12)."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from casemate.crypto.digest import Digest
from casemate.errors import InputError, Refusal, VerificationError
from casemate.tee.evidence import Anchors, Expectation, VerifiedEvidence
from casemate.tee.verifiers import VERIFIERS, verify
from casemate.trustee.attestation import init_data
from casemate.trustee.attestation.policy import AttestationPolicies
from casemate.trustee.attestation.signer import TokenSigner
from casemate.wire.initdata import Initdata
from casemate.wire.initdata import parse as parse_initdata
from casemate.wire.kbs import Attestation, RuntimeData, device_report_data, report_data
from casemate.wire.token import appraisal

POLICY_ID: Final = "default"
_MOST_DEVICES: Final = 16


class AttestationService:
    """Verifies the TEEs it is told to listen to, and signs what its policies say of them."""

    def __init__(
        self,
        *,
        tees: Iterable[str],
        anchors: Anchors,
        policies: AttestationPolicies,
        signer: TokenSigner,
        clock: Callable[[], float],
    ) -> None:
        self.tees = frozenset(tees) & VERIFIERS.keys()
        self._anchors = anchors
        self._policies = policies
        self._signer = signer
        self._clock = clock

    def require_tee(self, tee: str) -> None:
        """Refuse a TEE that this service does not listen to.

        Raises:
            VerificationError: it is unknown, or this profile turns it off.
        """
        if tee not in self.tees:
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

    def attest(self, tee: str, attestation: Attestation) -> str:
        """Verify all evidence of an attestation and give the token.

        The caller has compared the nonce. Steps: (1) initdata, (2) primary evidence bound to
        nonce, key and devices, (3) each device's evidence bound to nonce and key, (4) policies,
        (5) signature.

        Raises:
            VerificationError: evidence was refused; its step says where.
            InputError: a member cannot be read, or there is no policy for a class.
        """
        initdata = _initdata(attestation)
        evidence = attestation.tee_evidence
        digest = report_data(attestation.runtime_data, evidence.additional_evidence)
        primary = self._verify(
            tee, bytes(evidence.primary_evidence), digest, initdata.digest if initdata else None
        )
        device_digest = device_report_data(attestation.runtime_data)
        devices = [
            self._verify(device, bytes(text), device_digest, None)
            for device, text in _devices(evidence.additional_evidence).items()
        ]
        return self._signer.sign(
            self._appraise([primary, *devices], attestation.runtime_data, initdata)
        )

    def _verify(
        self, tee: str, evidence: bytes, digest: Digest, initdata: Digest | None
    ) -> VerifiedEvidence:
        self.require_tee(tee)
        expected = Expectation(report_data=digest.value, init_data=initdata)
        now = datetime.fromtimestamp(self._clock(), UTC)
        return verify(tee, evidence, expected, anchors=self._anchors, now=now)

    def _appraise(
        self, verified: Sequence[VerifiedEvidence], runtime: RuntimeData, initdata: Initdata | None
    ) -> dict[str, dict[str, Any]]:
        submods: dict[str, dict[str, Any]] = {}
        count: Counter[str] = Counter()
        for position, evidence in enumerate(verified):
            name = f"{evidence.tee_class}{count[evidence.tee_class]}"
            count[evidence.tee_class] += 1
            annotated = annotate(evidence, runtime, initdata if position == 0 else None)
            verdict = self._policies.appraise(POLICY_ID, evidence.tee_class, annotated)
            submods[name] = appraisal(
                verdict.vector,
                policy_id=POLICY_ID,
                evidence=annotated,
                extensions=verdict.extensions,
            )
        return submods


def annotate(
    evidence: VerifiedEvidence, runtime: RuntimeData, initdata: Initdata | None
) -> dict[str, Any]:
    """Give the policy's input (§11.1): verified claims under the TEE's name, bound data beside."""
    claims = dict(evidence.claims)
    annotated: dict[str, Any] = {}
    if "report_data" in claims:
        annotated["report_data"] = claims.pop("report_data")
        annotated["runtime_data_claims"] = msgspec.to_builtins(runtime)
    if "init_data" in claims:
        annotated["init_data"] = claims.pop("init_data")
        annotated["init_data_claims"] = None if initdata is None else init_data.claims(initdata)
    return annotated | {evidence.tee: claims}


def _initdata(attestation: Attestation) -> Initdata | None:
    field = attestation.init_data
    if field is None:
        return None
    init_data.require_toml(field.format)
    return parse_initdata(field.body.encode("utf-8"))


def _devices(additional: str) -> dict[str, msgspec.Raw]:
    if not additional:
        return {}
    try:
        devices = msgspec.json.decode(additional, type=dict[str, msgspec.Raw])
    except (msgspec.MsgspecError, RecursionError) as error:
        raise InputError(
            "additional_evidence", got=error, want="a JSON map of TEE to evidence", spec="§3.3"
        ) from error
    if len(devices) > _MOST_DEVICES:
        raise InputError("additional_evidence", got=len(devices), want=f"at most {_MOST_DEVICES}")
    return devices
