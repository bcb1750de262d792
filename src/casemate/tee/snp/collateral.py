"""What AMD's key service (KDS) publishes, and what an SNP verifier wants of it (tee §3.5)."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final
from urllib.parse import urlencode

from casemate.crypto.certificate import Certificate
from casemate.errors import PeerError
from casemate.tee.evidence import Inputs, refusal
from casemate.tee.snp import endorsement
from casemate.tee.snp.options import SnpOptions
from casemate.tee.snp.presented import Presented
from casemate.tee.snp.product import GENOA, MILAN, TURIN, Product, TcbLayout
from casemate.tee.snp.report import TEE, Report, require_version
from casemate.tee.snp.tcb import Tcb
from casemate.tee.snp.vek import KeyKind, authority_name, root_name
from casemate.tee.want import Want

_SPEC: Final = "tee §3.5"
_CERTIFICATE: Final = timedelta(days=90)
"""A certificate does not change; it is only asked for again in case the service mended one."""
_LIST: Final = timedelta(days=1)
_QUERY: Final = (
    ("fmcSPL", "fmc", "fmc"),
    ("blSPL", "bootloader", "bl"),
    ("teeSPL", "tee", "tee"),
    ("snpSPL", "snp", "snp"),
    ("ucodeSPL", "microcode", "ucode"),
)
"""Name in a query, part of the TCB, name in an offline store; in the order of queries."""


def plan(raw: bytes, inputs: Inputs) -> tuple[Want, ...]:
    """Say what would help to verify this evidence.

    Raises:
        VerificationError: it cannot be read, or no certificate can be asked for (hidden chip id).
        InputError: an option cannot be meant.
    """
    options = inputs.options.of(TEE, SnpOptions)
    try:
        presented = Presented.parse(raw)
        require_version(presented.version, options.min_version)
        carried = presented.certificates()
        return _wants(presented.report()[0], carried, inputs, options.kds_url)
    except PeerError as error:
        raise refusal(
            "collateral", claim=error.where, got=error.got, expected=error.want, rule=_SPEC
        ) from error


def _wants(
    report: Report, carried: Sequence[Certificate] | None, inputs: Inputs, base: str
) -> tuple[Want, ...]:
    if carried is not None:
        vek = endorsement.carried_key(carried)
        return tuple(authorities(vek.kind, vek.product, base, inputs, carried))
    known = endorsement.known_key(report, inputs)
    kind = endorsement.signing_key_kind(report)
    wants = []
    for product in (known.product,) if known else _products(report):
        if kind is KeyKind.VCEK and (known is None or known.tcb != report.reported_tcb):
            wants.append(vcek(report, product, base))
        wants += authorities(kind, product, base, inputs)
    return tuple(wants)


def vcek(report: Report, product: Product, base: str) -> Want:
    """Ask for the certificate of the chip at the TCB that it reports.

    Raises:
        VerificationError: the chip id is hidden.
    """
    chip = endorsement.hw_id(report, product).hex()
    tcb = report.reported_tcb
    levels = tcb.parts
    query = [(name, f"{levels[part]:02}") for name, part, _ in _QUERY if part in levels]
    return Want(
        name=f"amd/vcek/{product.name}/{chip}/{tcb_name(tcb)}.der",
        url=f"{base}/vcek/v1/{product.name}/{chip}?{urlencode(query)}",
        keep=_CERTIFICATE,
        largest=1 << 14,
        fallbacks=(f"vcek/{chip}/{tcb_name(tcb)}_vcek.der", f"vcek/{chip}/vcek.der"),
    )


def authorities(
    kind: KeyKind,
    product: Product,
    base: str,
    inputs: Inputs,
    carried: Sequence[Certificate] = (),
) -> list[Want]:
    """Ask for the authorities of a product line, unless they are there, and for its list."""
    path = f"{kind.lower()}/v1/{product.name}"
    folder = f"amd/{kind.lower()}/{product.name}"
    given = (*carried, *inputs.anchors.material.certificates, *inputs.collateral.certificates)
    wants = []
    if not {authority_name(kind, product), root_name(product)} <= {o.common_name for o in given}:
        wants.append(
            Want(
                name=f"{folder}/cert_chain.pem",
                url=f"{base}/{path}/cert_chain",
                keep=_CERTIFICATE,
                largest=1 << 15,
            )
        )
    wants.append(Want(name=f"{folder}/crl.der", url=f"{base}/{path}/crl", keep=_LIST))
    return wants


def tcb_name(tcb: Tcb) -> str:
    """Name a TCB as offline stores do: ``bl02_tee00_snp06_ucode21``, FMC last."""
    named = {part: short for _, part, short in _QUERY}
    levels = sorted(tcb.parts.items(), key=lambda one: one[0] == "fmc")
    return "_".join(f"{named[part]}{level:02}" for part, level in levels)


def _products(report: Report) -> tuple[Product, ...]:
    """Give the product lines that may have made a report; version 2 leaves two."""
    if named := report.product:
        return (named,)
    return (TURIN,) if report.layout is TcbLayout.TURIN else (MILAN, GENOA)
