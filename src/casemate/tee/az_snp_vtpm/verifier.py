"""Verifier of ``az-snp-vtpm`` evidence, in the numbered steps of CHECKS (tee §7.3). Pure.

quote  --signed by-->  HCLAkPub  --in-->  variable data  --hashed in-->  SNP report
SNP report  --signed by-->  VCEK  --certified by-->  AMD's pinned root
"""

from typing import Final

from casemate.crypto.certificate import Certificate
from casemate.crypto.vendor_chain import VerifiedChain
from casemate.tee.az_snp_vtpm.claims import claims
from casemate.tee.az_snp_vtpm.options import AzSnpOptions
from casemate.tee.az_snp_vtpm.report import TEE, parse
from casemate.tee.azure import verifier as azure
from casemate.tee.azure.hcl import Kind
from casemate.tee.evidence import CPU, Expectation, Inputs, VerifiedEvidence
from casemate.tee.snp import bits, endorsement
from casemate.tee.snp import verifier as snp
from casemate.tee.snp.report import Report, require_version
from casemate.tee.snp.vek import EndorsementKey, KeyKind
from casemate.tee.trail import Check, Topic, Trail, table
from casemate.tee.vtpm.report import INIT_DATA_PCR

_T = Topic
_SPEC: Final = "tee §3.6"
CHECKS: Final = table(
    *azure.CHECKS,
    Check(
        11,
        "snp report",
        _T.SHAPE,
        "version 3 to 5 (2 where an option allows it), reserved bytes zero, known processor",
        "tee §3.2",
    ),
    Check(
        12,
        "variable data",
        _T.IDENTITY,
        "SHA-256 of the variable data, and zeros, is the report data of the SNP report",
        "tee §7.3",
    ),
    Check(
        13,
        "user data",
        _T.FRESHNESS,
        "all 64 bytes of the paravisor's user data are the report data and zeros",
        "tee §7.3",
    ),
    Check(14, "vcek", _T.IDENTITY, "a VCEK, its key P-384", "tee §3.4"),
    Check(
        15, "product", _T.IDENTITY, "the certificate's product is the report's", _SPEC, ours=True
    ),
    Check(
        16,
        "chain",
        _T.CHAIN,
        "VCEK, ASK, ARK: names, signatures, dates; the ARK is pinned for the product",
        _SPEC,
    ),
    Check(
        17,
        "revocation",
        _T.REVOCATION,
        "the ARK's list, when there is one, names neither authority nor key",
        _SPEC,
        ours=True,
    ),
    Check(18, "certified tcb", _T.TCB, "each patch level is the certificate's", _SPEC),
    Check(19, "chip", _T.IDENTITY, "the VCEK's hardware id is the chip id", _SPEC, ours=True),
    Check(
        20,
        "key info",
        _T.SIGNATURE,
        "ECDSA P-384, chip key not masked, signing key of the certificate's kind",
        "tee §3.3",
        ours=True,
    ),
    Check(21, "report signature", _T.SIGNATURE, "ECDSA over the SNP report", _SPEC),
    Check(
        22,
        "tcb order",
        _T.TCB,
        "reported ≤ committed ≤ current and launch ≤ current, part by part",
        _SPEC,
        ours=True,
    ),
    Check(
        23,
        "bits",
        _T.SHAPE,
        "policy bit 17 is one, and no bit is set that nobody knows",
        "tee §3.3",
        ours=True,
    ),
    Check(24, "debug", _T.MODE, "the host cannot look into the VM", "tee §3.3", ours=True),
    Check(25, "migration", _T.MODE, "no agent may move the VM", "tee §3.3", ours=True),
    Check(26, "vmpl", _T.MODE, "asked for at VMPL 0: by the paravisor", "tee §7.3"),
    Check(
        27,
        "initdata",
        _T.INIT_DATA,
        "PCR 8 = SHA256(zeros, digest)",
        "tee §1.2: PCR 8 = SHA256(zeros, digest)",
    ),
)
"""Patch levels come before the signature, as upstream has them: a report that was changed there is
refused for what was changed."""


def verify(
    raw: bytes, expected: Expectation, inputs: Inputs, trail: Trail
) -> tuple[VerifiedEvidence, ...]:
    """Verify evidence (JSON, any version that the options accept) in the steps of CHECKS.

    Raises:
        VerificationError: with the number of the step, ``az-snp-vtpm.16 chain`` for instance.
        InputError: an option that cannot be meant.
    """
    own = inputs.options.of(TEE, AzSnpOptions)
    machine = azure.verify_quote(
        raw,
        trail,
        read=parse,
        kind=Kind.SNP,
        min_version=own.min_version,
        report_data=expected.report_data,
    )
    with trail.step(11) as step:
        report = Report.parse(machine.hcl.hardware_report)
        require_version(report.version, own.min_report_version)
        step.detail = f"version {report.version}"
    with trail.step(12) as step:
        azure.verify_binding(step, report.report_data, machine.hcl)
    azure.verify_user_data(trail, 13, machine, expected.report_data)
    vek, chain = _verify_endorsement(
        trail, report, machine.presented.endorsement, inputs, lists=own.require_revocation_lists
    )
    _verify_report(trail, report, machine.hcl.hardware_report, vek, inputs)
    azure.verify_init_data(trail, 27, machine.pcrs, expected.init_data)
    return (
        VerifiedEvidence(
            tee=TEE,
            tee_class=CPU,
            claims=claims(report, vek.product, vek, machine),
            report_data=machine.quote.extra_data,
            init_data=machine.pcrs[INIT_DATA_PCR],
            chain=tuple(f"{one.common_name} {one.fingerprint.hex()}" for one in chain.path),
        ),
    )


def _verify_endorsement(
    trail: Trail, report: Report, der: bytes, inputs: Inputs, *, lists: bool
) -> tuple[EndorsementKey, VerifiedChain]:
    """Make steps 14 to 17; give the key, and who vouches for it."""
    with trail.step(14) as step:
        vek = inputs.memory.read_once(_read_vek, der) if inputs.memory else _read_vek(der)
        step.require(vek.kind is KeyKind.VCEK, "vcek", vek.kind, "a VCEK")
    with trail.step(15) as step:
        step.detail = endorsement.verify_product(report, vek).name
    with trail.step(16) as step:
        chain = endorsement.verify_chain(vek, (), inputs)
        step.detail = chain
    with trail.step(17) as step:
        checked = endorsement.verify_not_revoked(chain, (), inputs, required=lists)
        step.detail = ", ".join(
            f"list of {one.issuer_common_name}, {one.this_update.date().isoformat()}"
            for one in checked.lists
        )
    if not checked.lists:  # nothing was looked at: that must not read as passed
        trail.skip(17, "no valid revocation list of the vendor is at hand")
    return vek, checked


def _read_vek(der: bytes) -> EndorsementKey:
    return EndorsementKey.parse(Certificate.parse(der))


def _verify_report(
    trail: Trail, report: Report, body: bytes, vek: EndorsementKey, inputs: Inputs
) -> None:
    """Make steps 18 to 26: the report is the chip's, and says what we want."""
    with trail.step(18) as step:
        endorsement.verify_tcb(report, vek)
        step.detail = report.reported_tcb
    with trail.step(19):
        endorsement.verify_chip(report, vek)
    with trail.step(20):
        endorsement.verify_key_info(report, vek)
    with trail.step(21):
        endorsement.verify_signature(report, body, vek)
    with trail.step(22) as step:
        snp.verify_tcb_order(step, report)
    with trail.step(23) as step:
        snp.verify_bits(step, report)
    options = inputs.options
    snp.verify_policy_bit(trail, 24, report, bits.DEBUG, allowed=options.allow_debug)
    snp.verify_policy_bit(trail, 25, report, bits.MIGRATION, allowed=options.allow_migration)
    with trail.step(26) as step:
        step.require(report.vmpl == 0, "vmpl", report.vmpl, "0")
