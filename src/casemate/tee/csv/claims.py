"""Claims of CSV (tee §10): upstream's names and forms, and ours beside them."""

import re
from types import MappingProxyType
from typing import Any, Final

from casemate.tee.csv.report import REGISTERS, Evidence
from casemate.wire.eventlog import EV_NO_ACTION, EventLog, LoggedEvent
from casemate.wire.eventlog_json import Details, to_claim

_REGISTER: Final = re.compile(r"rtmr[0-4]")
_SOURCES: Final = MappingProxyType(
    {
        "version": "attestation_report.magic, attestation_report.flags",
        "serial_number": "serial_number, equal to the report's",
        "uefi_event_logs": "cc_eventlog, explained by rtmr1 to rtmr4",
        "mac_verified": "attestation_report.data mac",
        "hsk_cek_from": "cert_chain.hsk_cek",
        "typed": "attestation_report.data",
    }
)
_REPORT: Final = frozenset(
    {
        "policy",
        "user_pubkey_digest",
        "vm_id",
        "vm_version",
        "report_data",
        "mnonce",
        "measure",
        "build",
        "rtmr_version",
        "reserved0",
        "reserved1",
    }
)
_UNSIGNED_V1: Final = frozenset({"sig_usage", "sig_algo", "anonce"})


def claims(
    evidence: Evidence, entries: list[Details] | None, *, mac_verified: bool, hsk_cek_from: str
) -> dict[str, Any]:
    """Give the claims of verified evidence; ``entries`` are those of its log.

    Ours: ``mac_verified``, ``hsk_cek_from`` (``evidence`` or ``collateral``), and ``typed`` with
    numbers and answers where upstream has text.
    """
    report = evidence.report
    found: dict[str, Any] = {
        "version": str(report.version),
        "policy": report.policy.claims(),
        "user_pubkey_digest": report.user_pubkey_digest.hex(),
        "vm_id": report.vm_id.hex(),
        "vm_version": report.vm_version.hex(),
        "report_data": report.report_data.hex(),
        "mnonce": report.mnonce.hex(),
        "measure": report.measure.hex(),
        "sig_usage": _word(report.sig_usage),
        "sig_algo": _word(report.sig_algo),
        "serial_number": report.serial_number,
        "mac_verified": mac_verified,
        "hsk_cek_from": hsk_cek_from,
        "typed": {
            "version": report.version,
            "sig_usage": report.sig_usage,
            "sig_algo": report.sig_algo,
            "debug_allowed": report.policy.debug_allowed,
            "send_allowed": report.policy.send_allowed,
        },
    }
    if report.extension is None:
        return found | {"anonce": _word(report.anonce)}
    extension = report.extension
    found |= {
        "build": extension.build,
        "rtmr_version": extension.rtmr_version,
        "reserved0": extension.reserved0.hex(),
        **{f"rtmr{index}": extension.rtmrs[index].hex() for index in range(REGISTERS)},
        "reserved1": extension.reserved1.hex(),
    }
    if entries is not None:
        found["uefi_event_logs"] = entries
    return found


def event_claims(log: EventLog) -> list[Details]:
    """Give the entries of a log as claims, without those of register 0.

    Raises:
        PeerError: an entry that its own lengths or digest do not fit.
    """
    return [to_claim(event) for event in log.events if _explained(event)]


def evidence_field(claim: str) -> str:
    """Name the part of the evidence that a claim comes from; empty if none."""
    name = claim.partition(".")[0]
    if name in _REPORT or _REGISTER.fullmatch(name):
        return f"attestation_report.data {name}, signed by PEK"
    if name in _UNSIGNED_V1:
        return f"attestation_report.data {name}"
    return _SOURCES.get(name, "")


def _explained(event: LoggedEvent) -> bool:
    """Leave out entries of register 0: nothing that was signed proves them."""
    return event.register != 0 or event.kind == EV_NO_ACTION


def _word(number: int) -> str:
    return number.to_bytes(4, "little").hex()
