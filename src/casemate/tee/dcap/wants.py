"""What a verifier wants of Intel for one platform (tee §4.4).

Nothing is asked for on behalf of a quote whose PCK chain does not lead to a pinned root: who could
make us fetch could otherwise choose for which platform, and fill a cache.
"""

from typing import Final

from casemate.errors import InputError
from casemate.tee.dcap import platform
from casemate.tee.dcap.options import INTEL_SERVICE, DcapOptions
from casemate.tee.dcap.quote import Quote, TeeType
from casemate.tee.evidence import Inputs
from casemate.tee.want import Want

ROOT_LIST: Final = "https://certificates.trustedservices.intel.com/IntelSGXRootCA.der"
"""CRL point of Intel's root certificate."""

_FILE: Final = "file://"
_SGX: Final = "/sgx/"
_LARGEST_LIST: Final = 1 << 19
_LARGEST_DOCUMENT: Final = 1 << 18


def wants(quote: Quote, inputs: Inputs, options: DcapOptions) -> tuple[Want, ...]:
    """Say which documents would help to verify this quote.

    Raises:
        VerificationError: its PCK chain does not hold.
        PeerError: a certificate is unreadable.
        InputError: the service's URL is not that of an SGX service.
    """
    found = platform.verify(quote.signature_data, inputs)
    service = options.collateral_service
    if service.startswith(_FILE):
        return ()
    tee = quote.header.tee_type
    own, sgx = _base(service, tee), _base(service, TeeType.SGX)
    room, update = f"intel/{tee.name.lower()}", options.tcb_update_type.value
    fmspc = found.extension.fmspc.hex().upper()
    return (
        Want(
            name=f"{room}/tcb/{fmspc}/{update}.json",
            url=f"{own}tcb?fmspc={fmspc}&update={update}",
            chain_header="tcb-info-issuer-chain",
            largest=_LARGEST_DOCUMENT,
        ),
        Want(
            name=f"{room}/qe/{update}.json",
            url=f"{own}qe/identity?update={update}",
            chain_header="sgx-enclave-identity-issuer-chain",
            largest=_LARGEST_DOCUMENT,
        ),
        Want(
            name=f"intel/sgx/pckcrl/{found.authority.value}.der",
            url=f"{sgx}pckcrl?ca={found.authority.value}&encoding=der",
            chain_header="sgx-pck-crl-issuer-chain",
            largest=_LARGEST_LIST,
        ),
        Want(
            name="intel/sgx/rootcacrl.der",
            url=ROOT_LIST if service == INTEL_SERVICE else f"{sgx}rootcacrl",
            largest=_LARGEST_LIST,
        ),
    )


def _base(service: str, tee: TeeType) -> str:
    head, room, tail = service.rpartition(_SGX)
    if not room or "://" not in head:
        raise InputError(
            "collateral_service", got=service, want=f"a URL like {INTEL_SERVICE}", spec="tee §4.4"
        )
    return f"{head}/{tee.name.lower()}/{tail.rstrip('/')}/"
