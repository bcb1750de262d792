"""What an SGX verifier wants of Intel."""

from casemate.tee.dcap import wants
from casemate.tee.evidence import Inputs
from casemate.tee.sgx.options import SgxOptions
from casemate.tee.sgx.report import TEE, SgxEvidence
from casemate.tee.sgx.verifier import CHECKS, parse_quote
from casemate.tee.trail import Trail
from casemate.tee.want import Want


def plan(raw: bytes, inputs: Inputs) -> tuple[Want, ...]:
    """Say what would help to verify this evidence; its PCK chain is verified first.

    Raises:
        VerificationError: it cannot be read, or its PCK chain does not hold.
        InputError: an option cannot be meant.
    """
    options = inputs.options.of(TEE, SgxOptions)
    trail = Trail(TEE, CHECKS)
    with trail.step(1):
        quote, _ = parse_quote(SgxEvidence.parse(raw).quote)
    with trail.step(2):
        return wants.wants(quote, inputs, options)
