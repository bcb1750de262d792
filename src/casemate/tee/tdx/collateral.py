"""What a TDX verifier wants of Intel."""

from casemate.tee.dcap import wants
from casemate.tee.evidence import Inputs
from casemate.tee.tdx.options import TdxOptions
from casemate.tee.tdx.report import TEE, TdxEvidence
from casemate.tee.tdx.verifier import CHECKS, parse_quote
from casemate.tee.trail import Trail
from casemate.tee.want import Want


def plan(raw: bytes, inputs: Inputs) -> tuple[Want, ...]:
    """Say what would help to verify this evidence; its PCK chain is verified first.

    Raises:
        VerificationError: it cannot be read, or its PCK chain does not hold.
        InputError: an option cannot be meant.
    """
    options = inputs.options.of(TEE, TdxOptions)
    trail = Trail(TEE, CHECKS)
    with trail.step(1):
        quote, _ = parse_quote(TdxEvidence.parse(raw).quote)
    with trail.step(2):
        return wants.wants(quote, inputs, options)
