"""Verifier of Hygon DCU evidence, in the numbered steps of CHECKS. Pure.

``sig_usage`` and ``sig_algo`` of a report are not compared: no document says their values, the
signature is verified as SM2 by the chip's key whatever they say, and being signed they are claims.
"""

from typing import Final

from casemate.crypto.vendor_chain import ChainMemory
from casemate.tee.binding import refuse_init_data, verify_report_data
from casemate.tee.evidence import Expectation, Inputs, VerifiedEvidence
from casemate.tee.hygon.certificate import CaCertificate
from casemate.tee.hygon.chain import (
    HskCek,
    choose,
    owner,
    signed,
    verify_cek,
    verify_hsk,
    verify_root,
)
from casemate.tee.hygondcu.claims import claims
from casemate.tee.hygondcu.report import TEE, USER_DATA_SIZE, Report, parse
from casemate.tee.trail import Check, Step, Topic, Trail, table

CLASS: Final = "dcu"

_T = Topic
CHECKS: Final = table(
    Check(1, "shape", _T.SHAPE, "1 to 64 reports, each field's length", "tee §11"),
    Check(
        2,
        "chips",
        _T.IDENTITY,
        "each report is of another chip: none counts twice",
        "casemate: a device is counted once",
        ours=True,
    ),
    Check(
        3,
        "root",
        _T.CHAIN,
        "HSK and CEK are there; HRK is pinned by its file's SHA-256, for roots, signs itself",
        "tee §10, §15",
    ),
    Check(
        4, "HSK", _T.CHAIN, "for signing chips; names HRK as its signer; signed by it", "tee §10"
    ),
    Check(5, "CEK", _T.CHAIN, "of a chip; names HSK as its signer; signed by it", "tee §10"),
    Check(6, "signature", _T.SIGNATURE, "SM2 by CEK over the report", "tee §11"),
    Check(
        7,
        "report data",
        _T.FRESHNESS,
        "user data equals the session's report data, cut or padded to 64 bytes",
        "tee §11",
    ),
    Check(8, "initdata", _T.INIT_DATA, "none is expected: a DCU binds none", "tee §1.2", ours=True),
)


def verify(
    raw: bytes, expected: Expectation, inputs: Inputs, trail: Trail
) -> tuple[VerifiedEvidence, ...]:
    """Verify evidence of one or several accelerators, in the steps of CHECKS.

    Raises:
        VerificationError: with the number of the step, ``hygondcu.6 signature`` for instance.
    """
    memory, own = inputs.memory or ChainMemory(), ChainMemory()  # a report comes only once
    with trail.step(1) as step:
        reports = parse(raw)
        step.detail = f"{len(reports)} reports"
    with trail.step(2) as step:
        _verify_distinct(step, reports)
    with trail.step(3) as step:
        pairs = [_authorities(step, one, inputs, own) for one in reports]
        roots = [verify_root(step, inputs, pair.hsk.sid, memory) for pair in pairs]
    with trail.step(4) as step:
        for pair, root in zip(pairs, roots, strict=True):
            verify_hsk(step, pair.hsk, root, memory)
    with trail.step(5) as step:
        for pair in pairs:
            verify_cek(step, pair.cek, pair.hsk, memory)
    with trail.step(6) as step:
        for report, pair in zip(reports, pairs, strict=True):
            _verify_signature(step, report, pair, own)
        step.detail = ", ".join(one.chip for one in reports)
    found = [one.user_data for one in reports]
    verify_report_data(trail, 7, expected.report_data, "user_data", USER_DATA_SIZE, *found)
    refuse_init_data(
        trail,
        8,
        expected.init_data,
        "a DCU has no field that binds it",
        remedy="bind initdata by the pod's primary TEE",
    )
    return tuple(
        _verified(report, pair, root)
        for report, pair, root in zip(reports, pairs, roots, strict=True)
    )


def _verify_distinct(step: Step, reports: tuple[Report, ...]) -> None:
    seen: set[bytes] = set()
    for report in reports:
        step.require(
            report.chip_id not in seen, "chip_id", f"{report.chip} twice", "each chip once"
        )
        seen.add(report.chip_id)


def _authorities(step: Step, report: Report, inputs: Inputs, memory: ChainMemory) -> HskCek:
    found = choose(
        inputs,
        report.chip,
        lambda cek: signed(owner(cek), report.signature, report.signed, memory),
    )
    if found is None:
        raise step.refusal(
            claim="HSK and CEK",
            got="none in the collateral that signed this report",
            expected=f"those of chip {report.chip}",
            remedy=f"fetch hsk_cek?snumber={report.chip} of Hygon's service as collateral "
            f"{report.chip}_hsk_cek.cert",
        )
    return found


def _verify_signature(step: Step, report: Report, pair: HskCek, memory: ChainMemory) -> None:
    step.require(
        signed(owner(pair.cek), report.signature, report.signed, memory),
        f"signature of chip {report.chip}",
        "one that does not verify",
        "one by its CEK",
    )


def _verified(report: Report, pair: HskCek, root: CaCertificate) -> VerifiedEvidence:
    return VerifiedEvidence(
        tee=TEE,
        tee_class=CLASS,
        claims=claims(report),
        report_data=report.user_data,
        init_data=None,
        chain=tuple(
            f"{name} {certificate.key.encoded.hex()}"
            for name, certificate in (("CEK", pair.cek), ("HSK", pair.hsk), ("HRK", root))
        ),
    )
