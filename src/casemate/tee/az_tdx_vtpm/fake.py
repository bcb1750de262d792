"""Evidence of a VM on TDX that Azure never ran: any field of any layer can be wrong."""

import hashlib
from datetime import datetime
from types import MappingProxyType
from typing import Final

from casemate.errors import InputError, PeerError
from casemate.tee.az_tdx_vtpm.report import TEE, encode
from casemate.tee.azure import fake as azure
from casemate.tee.azure.hcl import HARDWARE_SIZE, Kind
from casemate.tee.dcap.bodies import TdReport
from casemate.tee.simulation import Changes, Simulated
from casemate.tee.tdx import fake as tdx
from casemate.tee.tdx.tdreport import TDREPORT, TDX_TYPE, TdxReport
from casemate.tee.tdx.verifier import parse_quote

_QUOTE: Final = "tdx."
_REPORT: Final = "tdreport."
FIELDS: Final = MappingProxyType(
    {
        **azure.FIELDS,
        **{_QUOTE + name: help_ for name, help_ in tdx.FIELDS.items()},
        **{
            _REPORT + part.name: f"hex of {part.size} bytes; {part.meaning}"
            for part in TDREPORT.parts
        },
    }
)
_NO_ATTRIBUTES: Final = bytes(8)
_AZURES_TAIL: Final = bytes(70)
_VALID: Final = bytes.fromhex("ff01030000000000")
_TCB_INFO_SIZE: Final = 239
_SAME: Final = (
    *("xfam", "mr_td", "mr_config_id", "mr_owner", "mr_owner_config"),
    *("rtmr_0", "rtmr_1", "rtmr_2", "rtmr_3"),
)
_INFO: Final = ("attributes", *_SAME, "reserved4")
"""The TD's info, whose digest is in the report, in its order."""


def simulate(changes: Changes, now: datetime) -> Simulated:
    """Make evidence; fields of the TD quote are under ``tdx.``, of the TDREPORT ``tdreport.``.

    Raises:
        InputError: a value cannot be meant.
    """

    def make(report_data: bytes) -> azure.Hardware:
        defaults = {
            "report_data": report_data.hex(),
            "td_attributes": _NO_ATTRIBUTES.hex(),
            "event_log": "none",
            "tail": _AZURES_TAIL.hex(),
        }
        part = changes.part(_QUOTE, tdx.FIELDS, defaults)
        found = tdx.simulate(part, now)
        quote = found.binary or b""
        return azure.Hardware(
            report=_td_report(changes, _body(quote, report_data, now)).ljust(HARDWARE_SIZE, b"\0"),
            endorsement=quote,
            roots=found.roots,
            collateral=found.collateral,
        )

    return azure.simulate(changes, now, tee=TEE, kind=Kind.TDX, make=make, encode=encode)


def _body(quote: bytes, report_data: bytes, now: datetime) -> TdReport:
    """Give the body that was quoted; where the quote cannot be read, one like it."""
    try:
        return parse_quote(quote)[1]
    except PeerError:
        given = {"report_data": report_data.hex(), "td_attributes": _NO_ATTRIBUTES.hex()}
        like = tdx.simulate(Changes(tdx.FIELDS, given), now)
        return parse_quote(like.binary or b"")[1]


def _td_report(changes: Changes, body: TdReport) -> bytes:
    """Write the TDREPORT that the body is quoted of; its digests follow from what was set."""
    tcb_info = (
        _VALID + body.tcb_svn + body.mr_seam + body.mrsigner_seam + body.seam_attributes
    ).ljust(_TCB_INFO_SIZE, b"\0")
    values = {
        "type": bytes((TDX_TYPE, 0, 0, 0)),
        "report_data": body.report_data,
        "tee_tcb_info": tcb_info,
        "attributes": body.td_attributes,
        "reserved4": body.mr_servicetd or b"",
        "mac": b"\x5a" * 32,
        **{name: getattr(body, name) for name in _SAME},
    }
    fields = {
        part.name: _field(changes, part.name, values.get(part.name, b""), part.size)
        for part in TDREPORT.parts
    }
    info = b"".join(fields[name] for name in _INFO)
    hashes = {"tee_info_hash": info, "tee_tcb_info_hash": fields["tee_tcb_info"]}
    for name, data in hashes.items():
        fields[name] = _field(changes, name, hashlib.sha384(data).digest(), 48)
    return TdxReport(**fields).encode()


def _field(changes: Changes, name: str, default: bytes, size: int) -> bytes:
    value = changes.data(_REPORT + name, default.ljust(size, b"\0"))
    if len(value) != size:
        raise InputError(_REPORT + name, got=f"{len(value)} bytes", want=f"{size} bytes")
    return value
