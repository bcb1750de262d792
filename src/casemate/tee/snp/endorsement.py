"""Who vouches for a report: its endorsement key, and the chain from there to a pinned root.

Shared by every TEE whose evidence holds a report of AMD's (bare SNP, and Azure's paravisor). Each
function is one check; they raise VerificationError or PeerError, for use inside a verifier's step.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from casemate.crypto import vendor_chain
from casemate.crypto.certificate import Certificate
from casemate.crypto.revocation import RevocationList
from casemate.crypto.vendor_chain import ChainMemory, VerifiedChain
from casemate.errors import PeerError, VerificationError
from casemate.tee.evidence import Inputs, refusal
from casemate.tee.snp import bits, roots
from casemate.tee.snp.product import Product
from casemate.tee.snp.report import SIGNED_SIZE, Report
from casemate.tee.snp.vek import OIDS, SUBJECTS, EndorsementKey, KeyKind, root_name

ECDSA_P384_SHA384: Final = 1
"""The only ``sig_algo``."""
CHAIN_LENGTH: Final = 3
"""VEK, ASK or ASVK, ARK."""
COORDINATE: Final = 48
"""Bytes of r and of s that count."""

_SPEC: Final = "tee §3.6"
_KINDS: Final = {0: KeyKind.VCEK, 1: KeyKind.VLEK}
_FETCH: Final = (
    "fetch the chip's certificate (casemate evidence collateral), or let the host send it"
)


def signing_key_kind(report: Report) -> KeyKind:
    """Say which kind of key signed, as ``key_info`` has it.

    Raises:
        VerificationError: none did, or the field means nothing.
    """
    selector = bits.signing_key(report.key_info)
    kind = _KINDS.get(selector)
    if kind is None:
        raise _refused("key_info signing key", selector, "0 (VCEK) or 1 (VLEK)")
    return kind


def hw_id(report: Report, product: Product) -> bytes:
    """Give the chip id in the form of certificates and URLs.

    Raises:
        VerificationError: the platform hides it.
    """
    if not any(report.chip_id):
        raise _refused(
            "chip_id",
            "zeros",
            "the id of the chip",
            remedy="the host masks chip ids: let it send the certificate with the report",
        )
    return report.chip_id[: product.hw_id_size]


def find(report: Report, carried: Sequence[Certificate] | None, inputs: Inputs) -> EndorsementKey:
    """Find the certificate of the key that signed.

    Args:
        report: the report.
        carried: certificates that came with the evidence. None: none did, and the chip's is looked
            for in ``inputs``.
        inputs: collateral and the operator's own certificates.

    Raises:
        VerificationError: there is none.
        PeerError: the one that came cannot be read.
    """
    if carried is not None:
        return carried_key(carried, inputs.memory)
    if found := known_key(report, inputs):
        return found
    kind = signing_key_kind(report)
    wanted = (
        f"one for chip {report.chip_id.hex()}"
        if kind is KeyKind.VCEK
        else f"one for TCB {report.reported_tcb}"
    )
    raise _refused(f"{kind} certificate", "none", wanted, remedy=_FETCH)


def carried_key(
    carried: Iterable[Certificate], memory: ChainMemory | None = None
) -> EndorsementKey:
    """Read the first endorsement key among certificates that came with the evidence.

    Raises:
        VerificationError: there is none.
        PeerError: it cannot be read.
    """
    names = []
    for one in carried:
        if one.common_name in SUBJECTS:
            return _read(one, memory)
        names.append(one.common_name)
    raise _refused(
        "cert_chain", ", ".join(names) or "no certificate", "a VCEK or a VLEK", remedy=_FETCH
    )


def known_key(report: Report, inputs: Inputs) -> EndorsementKey | None:
    """Look for the key in what was gathered: of the chip, best of the TCB that it reports.

    A VLEK is of no chip; only one of that TCB will do.

    Raises:
        VerificationError: the report does not say which kind of key signed it.
    """
    kind = signing_key_kind(report)
    found = [one for one in _known(inputs, kind) if _is_for(one, report)]
    exact = [one for one in found if one.tcb == report.reported_tcb]
    return next(iter(exact or found), None)


def _known(inputs: Inputs, kind: KeyKind) -> Iterable[EndorsementKey]:
    """Give the readable endorsement keys of this kind out of everything that was gathered."""
    for one in (*inputs.collateral.certificates, *inputs.anchors.material.certificates):
        try:
            if SUBJECTS.get(one.common_name) is kind:
                yield _read(one, inputs.memory)
        except PeerError:
            continue  # somebody's broken file; whoever needs it finds it missing


def _read(one: Certificate, memory: ChainMemory | None) -> EndorsementKey:
    return memory.read_once(EndorsementKey.parse, one) if memory else EndorsementKey.parse(one)


def _is_for(vek: EndorsementKey, report: Report) -> bool:
    if vek.hw_id is not None:
        return vek.hw_id.ljust(len(report.chip_id), b"\0") == report.chip_id
    return vek.tcb == report.reported_tcb


def verify_key_info(report: Report, vek: EndorsementKey) -> None:
    """Verify that the report was signed, how, and by a key of the certificate's kind.

    Raises:
        VerificationError: another algorithm, a masked key, reserved bits, or another kind.
    """
    if report.sig_algo != ECDSA_P384_SHA384:
        raise _refused("sig_algo", report.sig_algo, "1 (ECDSA P-384 with SHA-384)")
    if report.key_info >> bits.CHIP_KEY_MASK & 1:
        raise _refused(
            "key_info chip key mask",
            "set: the report is not signed",
            "clear",
            remedy="the host masks its chip key; let it unmask the key",
        )
    if report.key_info & ~bits.KEY_INFO_KNOWN:
        raise _refused("key_info", f"{report.key_info:#x}", "zeros above bit 4")
    if (kind := signing_key_kind(report)) is not vek.kind:
        raise _refused("key_info signing key", kind, f"{vek.kind}, as its certificate says")


def verify_product(report: Report, vek: EndorsementKey) -> Product:
    """Verify that report and certificate are of one product line, and give it.

    A report of version 2 names none; there the certificate does, and the order of the TCB words
    that its chip id asks for must be that product's.

    Raises:
        VerificationError: they are of two.
    """
    named = report.product
    if named is not None and named != vek.product:
        raise _refused("product name of the certificate", vek.product_name, named.name)
    if report.layout is not vek.product.layout:
        raise _refused(
            "product name of the certificate", vek.product_name, f"one of {report.layout}"
        )
    if vek.hw_id is not None and len(vek.hw_id) != vek.product.hw_id_size:
        raise _refused("hardware id", f"{len(vek.hw_id)} bytes", f"{vek.product.hw_id_size} bytes")
    return vek.product


def verify_chain(
    vek: EndorsementKey, carried: Sequence[Certificate], inputs: Inputs
) -> VerifiedChain:
    """Verify the chain from an endorsement key to the pinned root of its product line.

    An authority that came with the evidence is the one that counts: it is not replaced by a
    better one. What did not come is taken from collateral and the operator's folder.

    Raises:
        VerificationError: a link, a name, a date or the root does not hold.
        PeerError: a certificate's extensions cannot be read.
    """
    pins = roots.trusted(vek.product, inputs.anchors)
    leaf = vek.certificate
    authority = _issuer(leaf, carried, inputs, pins)
    root = _issuer(authority, carried, inputs, pins)
    _verify_name(authority, vek.authority_name)
    _verify_name(root, root_name(vek.product))
    for one in carried:
        if one.issuer == one.subject and one != root:
            raise _refused(
                "root in cert_chain", one.fingerprint.hex(), f"{root.fingerprint.hex()}, or none"
            )
    return vendor_chain.verify(
        (leaf, authority, root), pins=pins, at=inputs.now, understood=OIDS, memory=inputs.memory
    )


def _issuer(
    child: Certificate, carried: Iterable[Certificate], inputs: Inputs, pins: frozenset[bytes]
) -> Certificate:
    name = child.issuer
    found = [one for one in carried if one.subject == name] or [
        *inputs.anchors.material.by_subject.get(name, ()),
        *inputs.collateral.by_subject.get(name, ()),
    ]
    if len(found) > 1:
        pinned = [one for one in found if one.fingerprint in pins]
        found = pinned or [one for one in found if child.signed_by(one)] or found
    if not found:
        raise _refused(
            f"issuer of {child.common_name}",
            "no certificate",
            child.issuer_common_name,
            remedy="fetch AMD's certificates (casemate evidence collateral) or name a folder",
        )
    return found[0]


def _verify_name(authority: Certificate, expected: str) -> None:
    if authority.common_name != expected:
        raise _refused("authority", authority.common_name, expected)


def verify_not_revoked(
    chain: VerifiedChain,
    carried: Iterable[RevocationList],
    inputs: Inputs,
    *,
    required: bool,
) -> VerifiedChain:
    """Verify that the root revoked neither the authority nor the key.

    AMD's lists are signed by the ARK: one tells of ASK and ASVK. (An authority's own list, should
    there be one, is heeded too.)

    Args:
        chain: the chain that holds.
        carried: lists that came with the evidence.
        inputs: collateral with lists.
        required: whether the root's list has to be there, and valid.

    Raises:
        VerificationError: revoked, or a required list is missing.
    """
    lists = tuple(
        dict.fromkeys((*carried, *inputs.collateral.lists, *inputs.anchors.material.lists))
    )
    checked = vendor_chain.verify_not_revoked(
        chain,
        lists,
        at=inputs.now,
        looking_back=inputs.options.looking_back,
        memory=inputs.memory,
    )
    if required and not any(one.issuer == chain.root.subject for one in checked.lists):
        raise _refused(
            f"revocation list of {chain.root.common_name}",
            "none that is valid",
            f"one that is valid at {inputs.now.isoformat()}",
            remedy="fetch AMD's revocation list (casemate evidence collateral)",
        )
    return checked


def verify_signature(report: Report, raw: bytes, vek: EndorsementKey) -> None:
    """Verify ECDSA P-384 with SHA-384 over the first 0x2A0 bytes of ``raw``, the report as bytes.

    Raises:
        VerificationError: it is not by this key over this report.
    """
    r, s = report.signature_r, report.signature_s
    if any(r[COORDINATE:]) or any(s[COORDINATE:]):
        raise _refused("signature", "a number of more than 48 bytes", "numbers of 48 bytes")
    signature = r[COORDINATE - 1 :: -1] + s[COORDINATE - 1 :: -1]
    try:
        vek.key.verify(signature, raw[:SIGNED_SIZE], "ES384")
    except VerificationError as error:
        raise _refused(
            "signature",
            "one that does not verify",
            f"one by the {vek.kind} over the report",
            remedy="the report was changed after it was signed, or another chip signed it",
        ) from error


def verify_tcb(report: Report, vek: EndorsementKey) -> None:
    """Verify that each patch level in the certificate is the one reported.

    Raises:
        VerificationError: one differs.
    """
    certified = vek.tcb.parts
    for name, level in report.reported_tcb.parts.items():
        if certified.get(name) != level:
            raise _refused(
                f"reported_tcb.{name}",
                level,
                f"{certified.get(name)}, as the certificate says",
                remedy="fetch the certificate for the TCB that the platform reports",
            )


def verify_chip(report: Report, vek: EndorsementKey) -> None:
    """Verify that a VCEK is of the chip that the report names.

    Raises:
        VerificationError: it is of another, or the report hides its chip.
    """
    if vek.hw_id is not None and vek.hw_id != hw_id(report, vek.product):
        raise _refused(
            "chip_id",
            report.chip_id.hex(),
            f"{vek.hw_id.hex()}, as the certificate says",
            remedy="fetch the certificate of the chip that made the report",
        )
    if any(report.chip_id[vek.product.hw_id_size :]):
        raise _refused("chip_id", report.chip_id.hex(), f"{vek.product.hw_id_size} bytes, zeros")


def _refused(claim: str, got: object, expected: str, *, remedy: str = "") -> VerificationError:
    return refusal(
        "report", claim=claim, got=str(got), expected=expected, rule=_SPEC, remedy=remedy
    )
