"""Verifier of SNP evidence, in the numbered steps of CHECKS. Pure."""

from collections.abc import Mapping
from typing import Final

from casemate.crypto.vendor_chain import VerifiedChain
from casemate.tee.binding import verify_init_data, verify_report_data
from casemate.tee.evidence import CPU, Expectation, Inputs, VerifiedEvidence
from casemate.tee.snp import bits, endorsement
from casemate.tee.snp.claims import claims_of
from casemate.tee.snp.options import SnpOptions
from casemate.tee.snp.presented import Presented
from casemate.tee.snp.report import TEE, Report, require_version
from casemate.tee.snp.tcb import Tcb
from casemate.tee.trail import Check, Step, Topic, Trail, table

_T = Topic
_SPEC: Final = "tee §3.6"
CHECKS: Final = table(
    Check(1, "shape", _T.SHAPE, "JSON of the wire, or a report of 1184 bytes", "tee §3.1"),
    Check(2, "version", _T.SHAPE, "report version 3 to 5; 2 where an option allows it", _SPEC),
    Check(
        3,
        "report",
        _T.SHAPE,
        "reserved bytes are zero, the processor is known, TCB words have its order",
        "tee §3.2",
    ),
    Check(
        4,
        "endorsement key",
        _T.IDENTITY,
        "a VCEK or VLEK certificate came, or is known for this chip; its key is P-384",
        "tee §3.4",
    ),
    Check(
        5,
        "key info",
        _T.SIGNATURE,
        "ECDSA P-384, chip key not masked, signing key of the certificate's kind",
        "tee §3.3",
        ours=True,
    ),
    Check(
        6,
        "product",
        _T.IDENTITY,
        "the certificate's product is the report's",
        _SPEC,
        ours=True,
    ),
    Check(
        7,
        "chain",
        _T.CHAIN,
        "VEK, ASK or ASVK, ARK: names, signatures, dates; the ARK is pinned for the product",
        "tee §3.4",
    ),
    Check(
        8,
        "revocation",
        _T.REVOCATION,
        "the ARK's list, when there is one, names neither authority nor key",
        _SPEC,
        ours=True,
    ),
    Check(9, "signature", _T.SIGNATURE, "ECDSA over the report's first 0x2A0 bytes", "tee §3.2"),
    Check(
        10, "certified tcb", _T.TCB, "each patch level is the certificate's; FMC for Turin", _SPEC
    ),
    Check(11, "chip", _T.IDENTITY, "a VCEK's hardware id is the chip id", _SPEC, ours=True),
    Check(
        12,
        "tcb order",
        _T.TCB,
        "reported ≤ committed ≤ current and launch ≤ current, part by part",
        _SPEC,
        ours=True,
    ),
    Check(13, "minimum tcb", _T.TCB, "patch levels that an operator asks for", _SPEC, ours=True),
    Check(
        14,
        "bits",
        _T.SHAPE,
        "policy bit 17 is one, and no bit is set that nobody knows",
        "tee §3.3",
        ours=True,
    ),
    Check(15, "debug", _T.MODE, "the host cannot look into the VM", "tee §3.3", ours=True),
    Check(16, "migration", _T.MODE, "no agent may move the VM", "tee §3.3", ours=True),
    Check(17, "vmpl", _T.MODE, "asked for at VMPL 0, or what an option allows", _SPEC),
    Check(18, "report data", _T.FRESHNESS, "REPORT_DATA is the session's", "tee §1.2"),
    Check(19, "init data", _T.INIT_DATA, "HOST_DATA is the initdata's digest", "tee §1.2"),
)


def verify(
    raw: bytes, expected: Expectation, inputs: Inputs, trail: Trail
) -> tuple[VerifiedEvidence, ...]:
    """Verify SNP evidence in the steps of CHECKS.

    Raises:
        VerificationError: with the number of the step, ``snp.9 signature`` for instance.
        InputError: an option cannot be meant.
    """
    options = inputs.options.of(TEE, SnpOptions)
    with trail.step(1):
        presented = Presented.parse(raw)
    with trail.step(2) as step:
        version = require_version(presented.version, options.min_version)
        step.detail = f"version {version}"
    with trail.step(3) as step:
        report, body = presented.report()
        step.detail = f"TCB words as of {report.layout}"
    with trail.step(4) as step:
        carried = presented.certificates(inputs.memory)
        vek = endorsement.find(report, carried, inputs)
        step.detail = f"{vek.kind} of {vek.product_name}"
    with trail.step(5):
        endorsement.verify_key_info(report, vek)
    with trail.step(6) as step:
        product = endorsement.verify_product(report, vek)
        step.detail = product.name
    with trail.step(7) as step:
        chain = endorsement.verify_chain(vek, carried or (), inputs)
        step.detail = chain
    chain = _verify_not_revoked(trail, presented, chain, inputs, options)
    with trail.step(9):
        endorsement.verify_signature(report, body, vek)
    with trail.step(10) as step:
        endorsement.verify_tcb(report, vek)
        step.detail = report.reported_tcb
    if vek.hw_id is None:
        trail.skip(11, "a VLEK is of a fleet, not of a chip")
    else:
        with trail.step(11):
            endorsement.verify_chip(report, vek)
    with trail.step(12) as step:
        verify_tcb_order(step, report)
    _verify_least_tcb(trail, report, options.least)
    with trail.step(14) as step:
        verify_bits(step, report)
    verify_policy_bit(trail, 15, report, bits.DEBUG, allowed=inputs.options.allow_debug)
    verify_policy_bit(trail, 16, report, bits.MIGRATION, allowed=inputs.options.allow_migration)
    with trail.step(17) as step:
        step.require(
            report.vmpl <= options.max_vmpl,
            "vmpl",
            report.vmpl,
            f"at most {options.max_vmpl}",
            remedy="ask for the report from VMPL 0, or allow this level (option snp.max_vmpl)",
        )
    found = report.report_data
    verify_report_data(trail, 18, expected.report_data, "report_data", len(found), found)
    verify_init_data(trail, 19, expected.init_data, "host_data", report.host_data)
    return (
        VerifiedEvidence(
            tee=TEE,
            tee_class=CPU,
            claims=claims_of(report, product, vek),
            report_data=report.report_data,
            init_data=report.host_data,
            chain=tuple(f"{one.common_name} {one.fingerprint.hex()}" for one in chain.path),
        ),
    )


def _verify_not_revoked(
    trail: Trail, presented: Presented, chain: VerifiedChain, inputs: Inputs, options: SnpOptions
) -> VerifiedChain:
    with trail.step(8) as step:
        checked = endorsement.verify_not_revoked(
            chain, presented.lists(), inputs, required=options.require_revocation_lists
        )
        step.detail = ", ".join(
            f"list of {one.issuer_common_name}, {one.this_update.date().isoformat()}"
            for one in checked.lists
        )
    if not checked.lists:  # nothing was looked at: that must not read as passed
        trail.skip(8, "no valid revocation list of the vendor is at hand")
    return checked


def verify_tcb_order(step: Step, report: Report) -> None:
    """Verify that no patch level is above the one that bounds it.

    Raises:
        VerificationError: one is.
    """
    current, committed = report.current_tcb, report.committed_tcb
    _at_most(step, "reported_tcb", report.reported_tcb, "committed", committed)
    _at_most(step, "committed_tcb", committed, "current", current)
    _at_most(step, "launch_tcb", report.launch_tcb, "current", current)
    if report.committed > report.current:
        raise step.refusal(
            claim="committed firmware",
            got=str(report.committed),
            expected=f"at most the current {report.current}",
        )


def _at_most(step: Step, claim: str, tcb: Tcb, other: str, most: Tcb) -> None:
    if tcb == most:
        return
    for (name, level), bound in zip(tcb.parts.items(), most.parts.values(), strict=True):
        if level > bound:
            raise step.refusal(
                claim=f"{claim}.{name}",
                got=str(level),
                expected=f"at most {bound}, the {other} one",
            )


def _verify_least_tcb(trail: Trail, report: Report, least: Mapping[str, int]) -> None:
    asked = {name: level for name, level in least.items() if name in report.reported_tcb.parts}
    if not asked:
        trail.skip(13, "no least patch level is configured")
        return
    with trail.step(13) as step:
        for name, level in asked.items():
            got = report.reported_tcb.parts[name]
            step.require(
                got >= level,
                f"reported_tcb.{name}",
                got,
                f"at least {level}",
                remedy="update the host's firmware",
            )
        step.detail = ", ".join(f"{name} at least {level}" for name, level in asked.items())


def verify_bits(step: Step, report: Report) -> None:
    """Verify that policy and platform's info hold no bit that nobody knows.

    Raises:
        VerificationError: one does, or the policy's bit 17 is zero.
    """
    step.require(bool(report.policy >> bits.MUST_BE_ONE & 1), "policy bit 17", 0, "1")
    for claim, value, known in (
        ("policy", report.policy, bits.POLICY_KNOWN),
        ("plat_info", report.plat_info, bits.PLATFORM_KNOWN),
    ):
        if value & ~known:
            raise step.refusal(claim=claim, got=f"{value:#x}", expected=f"bits of {known:#x} only")


def verify_policy_bit(
    trail: Trail, number: int, report: Report, bit: int, *, allowed: bool
) -> None:
    """Make a step of a bit of the policy, which must be clear unless an option allows it.

    Raises:
        VerificationError: it is set.
    """
    if allowed:
        trail.skip(number, "an option allows it")
        return
    name, meaning = bits.POLICY[bit]
    with trail.step(number) as step:
        step.require(
            not report.policy >> bit & 1,
            f"policy_{name}",
            f"set: {meaning}",
            "clear",
            remedy="launch the VM with a policy that forbids it",
        )
