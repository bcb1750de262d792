"""Verifier of Hygon CSV evidence, in the numbered steps of CHECKS. Pure.

What upstream leaves out: what each certificate is for, which key each says it was signed with, that
the signer in the report is the one shown beside it, debugging. What nobody can compare: dates and
revocation (Hygon's certificates have none), and where a report ran: its serial number is covered
by a MAC whose key stands in the report, and by no signature.
"""

import hmac
from typing import Final

from casemate.crypto.sm3 import hmac_sm3
from casemate.crypto.vendor_chain import ChainMemory
from casemate.tee.binding import refuse_init_data, verify_report_data
from casemate.tee.csv.claims import claims, event_claims
from casemate.tee.csv.options import CsvOptions
from casemate.tee.csv.report import REPORT_DATA_SIZE, TEE, Evidence, Report, parse
from casemate.tee.evidence import CPU, Expectation, Inputs, VerifiedEvidence
from casemate.tee.hygon.certificate import SM2_SIGNATURE, Usage
from casemate.tee.hygon.chain import (
    HskCek,
    choose,
    owner,
    pek_signed_by,
    signed,
    verify_cek,
    verify_hsk,
    verify_pek,
    verify_root,
)
from casemate.tee.trail import Check, Step, Topic, Trail, table
from casemate.wire.eventlog import EventLog, require_registers
from casemate.wire.eventlog_json import Details
from casemate.wire.tpm import ALG_SM3

_EXPLAINED: Final = range(1, 5)

_T = Topic
CHECKS: Final = table(
    Check(1, "shape", _T.SHAPE, "lengths, magic and flags, serial number is text", "tee §10"),
    Check(
        2,
        "root",
        _T.CHAIN,
        "HSK and CEK are there; HRK is pinned by its file's SHA-256, for roots, signs itself",
        "tee §10, §15",
    ),
    Check(
        3, "HSK", _T.CHAIN, "for signing chips; names HRK as its signer; signed by it", "tee §10"
    ),
    Check(4, "CEK", _T.CHAIN, "of a chip; names HSK as its signer; signed by it", "tee §10"),
    Check(5, "PEK", _T.CHAIN, "for signing reports; signed by CEK", "tee §10"),
    Check(
        6,
        "signer",
        _T.IDENTITY,
        "PEK and serial number in the report are those shown beside it",
        "tee §10",
        ours=True,
    ),
    Check(7, "signature", _T.SIGNATURE, "SM2 by PEK over the report; its usage says so", "tee §10"),
    Check(
        8,
        "MAC",
        _T.IDENTITY,
        "HMAC-SM3 over PEK and serial number, where the guest left what it covers",
        "tee §10",
        ours=True,
    ),
    Check(9, "policy", _T.MODE, "debugging is not allowed", "tee §10", ours=True),
    Check(
        10,
        "report data",
        _T.FRESHNESS,
        "report data equals the session's, cut or padded to 64 bytes",
        "tee §1.2",
    ),
    Check(11, "initdata", _T.INIT_DATA, "none is expected: CSV binds none", "tee §1.2", ours=True),
    Check(
        12,
        "event log",
        _T.MEASUREMENTS,
        "version 2: the log's replay (SM3) gives registers 1 to 4",
        "tee §5.1",
    ),
)


def verify(
    raw: bytes, expected: Expectation, inputs: Inputs, trail: Trail
) -> tuple[VerifiedEvidence, ...]:
    """Verify CSV evidence, JSON or a report alone, in the steps of CHECKS.

    Raises:
        VerificationError: with the number of the step, ``csv.7 signature`` for instance.
        InputError: an option that cannot be meant.
    """
    options = inputs.options.of(TEE, CsvOptions)
    memory = inputs.memory or ChainMemory()
    with trail.step(1) as step:
        evidence = parse(raw)
        report = evidence.report
        step.detail = f"version {report.version}, serial number {report.serial_number}"
    with trail.step(2) as step:
        pair, source = _authorities(step, evidence, inputs, memory)
        root = verify_root(step, inputs, pair.hsk.sid, memory)
    with trail.step(3) as step:
        verify_hsk(step, pair.hsk, root, inputs.memory)
    with trail.step(4) as step:
        verify_cek(step, pair.cek, pair.hsk, inputs.memory)
    with trail.step(5) as step:
        verify_pek(step, evidence.pek, pair.cek, inputs.memory)
    with trail.step(6) as step:
        step.require_equal("PEK of the report", report.pek.raw, evidence.pek.raw)
        step.require(
            report.serial_number == evidence.serial_number,
            "serial_number",
            evidence.serial_number,
            f"{report.serial_number}, as the report has it",
        )
    with trail.step(7) as step:
        _verify_signature(step, report)
    mac_verified = _verify_mac(trail, report, options)
    with trail.step(9) as step:
        _verify_policy(step, report, inputs, options)
    verify_report_data(
        trail, 10, expected.report_data, "report_data", REPORT_DATA_SIZE, report.report_data
    )
    refuse_init_data(
        trail,
        11,
        expected.init_data,
        "CSV has no field that binds it",
        remedy="run pods with initdata in a TEE that binds it",
    )
    entries = _verify_event_log(trail, evidence, options)
    return (
        VerifiedEvidence(
            tee=TEE,
            tee_class=CPU,
            claims=claims(evidence, entries, mac_verified=mac_verified, hsk_cek_from=source),
            report_data=report.report_data,
            init_data=None,
            chain=tuple(
                f"{name} {certificate.key.encoded.hex()}"
                for name, certificate in (
                    ("PEK", evidence.pek),
                    ("CEK", pair.cek),
                    ("HSK", pair.hsk),
                    ("HRK", root),
                )
            ),
        ),
    )


def _authorities(
    step: Step, evidence: Evidence, inputs: Inputs, memory: ChainMemory
) -> tuple[HskCek, str]:
    if evidence.hsk_cek is not None:
        return evidence.hsk_cek, "evidence"
    serial = evidence.serial_number
    found = choose(inputs, serial, lambda cek: pek_signed_by(evidence.pek, cek, memory))
    if found is None:
        raise step.refusal(
            claim="HSK and CEK",
            got="none in the evidence, none in the collateral that signed this PEK",
            expected=f"those of the chip with serial number {serial}",
            remedy=f"fetch hsk_cek?snumber={serial} of Hygon's service as collateral "
            f"hsk_cek/{serial}/hsk_cek.cert, or let the guest send them "
            "(CSV_INCLUDE_CERT_CHAIN_IN_ATTESTATION_REPORT=true)",
        )
    return found, "collateral"


def _verify_signature(step: Step, report: Report) -> None:
    step.require(report.sig_usage == Usage.PEK, "sig_usage", hex(report.sig_usage), "0x1002 (PEK)")
    step.require(report.sig_algo == SM2_SIGNATURE, "sig_algo", report.sig_algo, "4 (SM2 with SM3)")
    step.require(
        signed(owner(report.pek), report.signature, report.signed),
        "signature of the report",
        "one that does not verify",
        "one by PEK",
        remedy="the report was changed after it was signed, or another key signed it",
    )
    step.detail = f"{len(report.signed)} bytes"


def _verify_mac(trail: Trail, report: Report, options: CsvOptions) -> bool:
    holds = hmac.compare_digest(hmac_sm3(report.mnonce, report.mac_message), report.mac)
    if not holds and report.restored and not options.require_mac:
        trail.skip(8, "the guest's library erased what the MAC covers")
        return False
    with trail.step(8) as step:
        step.require(
            holds,
            "MAC",
            report.mac.hex(),
            "HMAC-SM3 over PEK, serial number and reserved bytes as the firmware gave them",
            remedy="let the attester send the report as the device gave it",
        )
    return True


def _verify_policy(step: Step, report: Report, inputs: Inputs, options: CsvOptions) -> None:
    policy = report.policy
    step.detail = f"{policy.bits:#x}" + (", debugging allowed" if policy.debug_allowed else "")
    step.require(
        not policy.debug_allowed or inputs.options.allow_debug,
        "policy nodbg",
        "0: the host may debug the VM",
        "1",
        remedy="start the VM with nodbg, or allow debugging (for development)",
    )
    step.require(
        not policy.send_allowed or not options.require_nosend,
        "policy nosend",
        "0: the VM may be sent to another platform",
        "1",
        remedy="start the VM with nosend",
    )


def _verify_event_log(
    trail: Trail, evidence: Evidence, options: CsvOptions
) -> list[Details] | None:
    extension = evidence.report.extension
    if extension is None:
        trail.skip(12, "a version 1 report signs no registers; a log is no claim")
        return None
    signed_registers = {index: extension.rtmrs[index] for index in _EXPLAINED}
    if evidence.event_log is None and (
        options.event_log == "optional" or not any(map(any, signed_registers.values()))
    ):
        trail.skip(12, "no log was given")
        return None
    with trail.step(12) as step:
        if evidence.event_log is None:
            raise step.refusal(
                claim="cc_eventlog",
                got="none",
                expected="the log of what registers 1 to 4 were extended with",
                remedy="let the attester send its log, or set csv.event_log=optional",
            )
        log = EventLog.parse(evidence.event_log)
        require_registers(log, ALG_SM3, signed_registers)
        step.detail = f"{len(log.events)} entries explain registers 1 to 4"
        return event_claims(log)
