"""Claims of a DCU report (tee §11), upstream's names and forms."""

from typing import Any

from casemate.tee.hygondcu.report import Report


def claims(report: Report) -> dict[str, Any]:
    """Give the claims of a verified report; ``typed`` is ours: numbers where upstream has hex."""
    return {
        "body": {
            "version": report.version,
            "chip_id": report.chip_id.hex(),
            "user_data": report.user_data.hex(),
            "measure": report.measure.hex(),
            "reserved": report.reserved.hex(),
            "sig_usage": f"{report.sig_usage:x}",
            "sig_algo": f"{report.sig_algo:x}",
        },
        "report_data": report.user_data.hex(),
        "typed": {"sig_usage": report.sig_usage, "sig_algo": report.sig_algo},
    }


def evidence_field(claim: str) -> str:
    """Name the part of the evidence that a claim comes from; empty if none."""
    head, _, name = claim.partition(".")
    match head:
        case "report_data":
            return "attestation_reports[].body.user_data, signed by CEK"
        case "body" | "typed" if name:
            return f"attestation_reports[].body.{name}, signed by CEK"
        case _:
            return ""
