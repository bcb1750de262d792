"""How the broker says no (trustee spec §2.4): one table of variants, texts and statuses."""

from enum import StrEnum

import msgspec

from casemate.errors import CasemateError, HostError, Refusal, VerificationError
from casemate.trustee.kbs.exchange import JSON, Answer
from casemate.wire.kbs import ERROR_TYPE_PREFIX, ErrorBody, encode


class Variant(StrEnum):
    """Upstream's error names: the last part of ``type``."""

    ADMIN_AUTH_ACCESS = "AdminAuthAccess"
    ADMIN_AUTH_INITIALIZATION = "AdminAuthInitialization"
    ATTESTATION_ERROR = "AttestationError"
    PLUGIN_NOT_FOUND = "PluginNotFound"
    PLUGIN_INTERNAL_ERROR = "PluginInternalError"
    POLICY_DENY = "PolicyDeny"
    PARSE_POLICY_ERROR = "ParsePolicyError"
    POLICY_ENGINE_ERROR = "PolicyEngineError"
    RVPS_ERROR = "RvpsError"
    TOKEN_NOT_FOUND = "TokenNotFound"  # noqa: S105 - the name of an error
    TOKEN_VERIFIER_ERROR = "TokenVerifierError"  # noqa: S105 - the name of an error
    JWE_ERROR = "JweError"
    INVALID_REQUEST_PATH = "InvalidRequestPath"


class BrokerError(Exception):
    """A request was refused: ``variant`` and ``detail`` as upstream gives them, and our reason."""

    def __init__(
        self, variant: Variant, detail: str, *, status: int = 401, reason: Refusal | None = None
    ) -> None:
        super().__init__(detail)
        self.variant = variant
        self.detail = detail
        self.status = status
        self.reason = reason

    def answer(self) -> Answer:
        """Write the body of §2.4, with the reason's members beside upstream's two."""
        body = ErrorBody(type=f"{ERROR_TYPE_PREFIX}{self.variant}", detail=self.detail)
        if self.reason is not None:
            body = msgspec.structs.replace(body, **msgspec.structs.asdict(self.reason))
        return Answer(self.status, encode(body), (("content-type", JSON),))


def reason_of(error: CasemateError, step: str) -> Refusal:
    """Give the reason inside any of our errors; those without one are put into its form."""
    if isinstance(error, VerificationError):
        return error.refusal
    return Refusal(
        step=step,
        claim=error.where,
        got=error.got,
        expected=error.want,
        rule=error.spec or type(error).__name__,
        remedy=error.remedy,
    )


def outwardly(error: CasemateError, reason: Refusal) -> Refusal:
    """Keep what this machine lacks (paths, disks) in the log: anybody may cause such an answer."""
    if not isinstance(error, HostError):
        return reason
    return Refusal(
        step=reason.step,
        claim="Trustee",
        got="unable to serve this now",
        expected="a Trustee with room to work",
        rule="limits of the Trustee",
        remedy="Try again later; its log has the reason.",
    )
