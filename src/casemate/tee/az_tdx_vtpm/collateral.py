"""What the verifier wants of Intel for the TD quote."""

from casemate.tee.az_tdx_vtpm.options import AzTdxOptions
from casemate.tee.az_tdx_vtpm.report import TEE, parse
from casemate.tee.az_tdx_vtpm.verifier import CHECKS, FIRST_OF_QUOTE, TD_QUOTE
from casemate.tee.dcap import wants
from casemate.tee.evidence import Inputs
from casemate.tee.tdx.verifier import parse_quote
from casemate.tee.trail import Trail
from casemate.tee.want import Want


def plan(raw: bytes, inputs: Inputs) -> tuple[Want, ...]:
    """Say what would help to verify this evidence; the quote's PCK chain is verified first.

    Raises:
        VerificationError: it cannot be read, or its PCK chain does not hold.
        InputError: an option cannot be meant.
    """
    options = inputs.options.of(TEE, AzTdxOptions)
    trail = Trail(TEE, CHECKS)
    with trail.step(1):
        presented = parse(raw)
    with trail.step(TD_QUOTE):
        quote, _ = parse_quote(presented.endorsement)
    with trail.step(FIRST_OF_QUOTE):
        return wants.wants(quote, inputs, options)
