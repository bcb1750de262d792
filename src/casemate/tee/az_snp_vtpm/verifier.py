"""Verifier of ``az-snp-vtpm`` evidence, in the numbered steps of CHECKS (tee §7.3). Pure.

quote  --signed by-->  HCLAkPub  --in-->  variable data  --hashed in-->  SNP report
SNP report  --signed by-->  VCEK  --certified by-->  AMD's pinned root
"""

from typing import Final

from casemate.crypto.certificate import Certificate
from casemate.tee.az_snp_vtpm.claims import claims
from casemate.tee.az_snp_vtpm.report import TEE, parse
from casemate.tee.azure import verifier as azure
from casemate.tee.azure.hcl import Kind
from casemate.tee.azure.options import AzureOptions
from casemate.tee.evidence import CPU, Expectation, Inputs, VerifiedEvidence
from casemate.tee.snp import endorsement
from casemate.tee.snp.report import OLDEST_WITH_MODEL, Report
from casemate.tee.snp.vek import EndorsementKey, KeyKind
from casemate.tee.trail import Check, Step, Topic, Trail, table
from casemate.tee.vtpm.report import INIT_DATA_PCR

_T = Topic
_DEBUG: Final = 19
_MIGRATION: Final = 18
_RESERVED_ONE: Final = 17
CHECKS: Final = table(
    *azure.CHECKS,
    Check(11, "snp report", _T.SHAPE, "versions 3 to 5, reserved bytes zero", "tee §3.2"),
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
    Check(14, "vcek", _T.IDENTITY, "a VCEK, of the report's product line", "tee §3.4", ours=True),
    Check(15, "chain", _T.CHAIN, "VCEK, ASK, pinned ARK: names, dates, signatures", "tee §3.6"),
    Check(
        16,
        "revocation",
        _T.REVOCATION,
        "AMD's list, where there is one, names neither VCEK nor ASK",
        "tee §3.6",
        ours=True,
    ),
    Check(17, "tcb", _T.TCB, "each patch level in the VCEK is the one reported", "tee §3.6"),
    Check(18, "chip", _T.IDENTITY, "the VCEK is of the report's chip", "tee §3.6", ours=True),
    Check(
        19,
        "key kind",
        _T.IDENTITY,
        "signed, by ECDSA P-384 with SHA-384, with the key kind of the certificate",
        "tee §3.6",
        ours=True,
    ),
    Check(20, "report signature", _T.SIGNATURE, "ECDSA by the VCEK", "tee §3.6"),
    Check(21, "vmpl", _T.MODE, "the report was asked for at VMPL 0: by the paravisor", "tee §7.3"),
    Check(
        22,
        "policy",
        _T.MODE,
        "no debugging and no migration agent, unless allowed; reserved bit set",
        "tee §3.3",
        ours=True,
    ),
    Check(
        23,
        "initdata",
        _T.INIT_DATA,
        "PCR 8 = SHA256(zeros, digest)",
        "tee §1.2: PCR 8 = SHA256(zeros, digest)",
    ),
)


def verify(
    raw: bytes, expected: Expectation, inputs: Inputs, trail: Trail
) -> tuple[VerifiedEvidence, ...]:
    """Verify evidence (JSON, any version that the options accept) in the steps of CHECKS.

    Raises:
        VerificationError: with the number of the step, ``az-snp-vtpm.17 tcb`` for instance.
        InputError: an option that cannot be meant.
    """
    machine = azure.verify_quote(
        raw,
        trail,
        read=parse,
        kind=Kind.SNP,
        min_version=inputs.options.of(TEE, AzureOptions).min_version,
        report_data=expected.report_data,
    )
    with trail.step(11) as step:
        report = Report.parse(machine.hcl.hardware_report)
        _verify_version(step, report)
    with trail.step(12) as step:
        azure.verify_binding(step, report.report_data, machine.hcl)
    azure.verify_user_data(trail, 13, machine, expected.report_data)
    vek, chain = _verify_endorsement(trail, report, machine.presented.endorsement, inputs)
    with trail.step(20):
        endorsement.verify_signature(report, vek)
    with trail.step(21) as step:
        step.require(report.vmpl == 0, "vmpl", report.vmpl, "0")
    with trail.step(22) as step:
        _verify_policy(step, report.policy, inputs)
    azure.verify_init_data(trail, 23, machine.pcrs, expected.init_data)
    return (
        VerifiedEvidence(
            tee=TEE,
            tee_class=CPU,
            claims=claims(report, machine),
            report_data=machine.quote.extra_data,
            init_data=machine.pcrs[INIT_DATA_PCR],
            chain=chain,
        ),
    )


def _verify_endorsement(
    trail: Trail, report: Report, der: bytes, inputs: Inputs
) -> tuple[EndorsementKey, tuple[str, ...]]:
    """Make steps 14 to 19; give the key, and who vouches for it."""
    with trail.step(14) as step:
        vek = EndorsementKey.parse(Certificate.parse(der))
        step.require(vek.kind is KeyKind.VCEK, "vcek", vek.kind, "a VCEK")
        product = endorsement.verify_product(report, vek)
        step.detail = product.name
    with trail.step(15) as step:
        chain = endorsement.verify_chain(vek, (), inputs)
        names = tuple(f"{one.common_name} {one.fingerprint.hex()}" for one in chain.path)
        step.detail = ", ".join(one.common_name for one in chain.path)
    with trail.step(16) as step:
        checked = endorsement.verify_not_revoked(chain, (), inputs, required=False)
        step.detail = f"{len(checked.lists)} lists"
    with trail.step(17) as step:
        endorsement.verify_tcb(report, vek)
        step.detail = str(report.reported_tcb)
    with trail.step(18):
        endorsement.verify_chip(report, vek)
    with trail.step(19):
        endorsement.verify_key_info(report, vek)
    return vek, names


def _verify_version(step: Step, report: Report) -> None:
    step.require(
        report.version >= OLDEST_WITH_MODEL,
        "report version",
        report.version,
        "3 to 5: older ones do not name their processor",
    )


def _verify_policy(step: Step, policy: int, inputs: Inputs) -> None:
    step.require(bool(policy >> _RESERVED_ONE & 1), "policy bit 17", 0, "1")
    step.require(
        inputs.options.allow_debug or not policy >> _DEBUG & 1,
        "policy debug",
        "allowed",
        "not allowed",
        remedy="the host can look into this VM; start it without debugging",
    )
    step.require(
        inputs.options.allow_migration or not policy >> _MIGRATION & 1,
        "policy migration agent",
        "allowed",
        "not allowed",
        remedy="an agent of the host may move this VM; start it without one",
    )
