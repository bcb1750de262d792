"""What the verifier wants of AMD: the VCEK came with the evidence, its authorities did not."""

from casemate.crypto.certificate import Certificate
from casemate.errors import PeerError
from casemate.tee.az_snp_vtpm.options import AzSnpOptions
from casemate.tee.az_snp_vtpm.report import TEE, parse
from casemate.tee.evidence import Inputs, refusal
from casemate.tee.snp.collateral import authorities
from casemate.tee.snp.vek import EndorsementKey
from casemate.tee.want import Want


def plan(raw: bytes, inputs: Inputs) -> tuple[Want, ...]:
    """Say what would help to verify this evidence.

    Raises:
        VerificationError: it cannot be read, or holds no endorsement key.
        InputError: an option cannot be meant.
    """
    base = inputs.options.of(TEE, AzSnpOptions).kds_url
    try:
        vek = EndorsementKey.parse(Certificate.parse(parse(raw).endorsement))
    except PeerError as error:
        raise refusal(
            "collateral", claim=error.where, got=error.got, expected=error.want, rule="tee §7.1"
        ) from error
    return tuple(authorities(vek.kind, vek.product, base, inputs))
