"""The status of a platform: which level its versions reach (tee §4.5 steps 6 and 8 to 10)."""

from datetime import datetime
from typing import Final, TypeVar

import msgspec

from casemate.errors import VerificationError
from casemate.tee.dcap.bodies import SgxReport, TdReport
from casemate.tee.dcap.pck import PckExtension
from casemate.tee.dcap.status import (
    NEEDS,
    OF_ENCLAVE,
    OF_MODULE,
    OF_PLATFORM,
    Need,
    TcbStatus,
    combine,
)
from casemate.tee.dcap.tcb_info import (
    MODULE_COMPONENTS,
    IdentityLevel,
    PlatformLevel,
    QeIdentity,
    TcbInfo,
    TdxModule,
    identity_level,
    masked_equal,
    reaches,
)
from casemate.tee.evidence import refusal

_SPEC: Final = "tee §4.5"
_L = TypeVar("_L", PlatformLevel, IdentityLevel)
_REMEDY: Final = "update the machine's BIOS and TDX module; an older level is never accepted"


class Appraisal(msgspec.Struct, frozen=True):
    """What Intel says of a platform with certain versions."""

    status: TcbStatus
    date: datetime
    """When the platform's level was current."""
    advisories: tuple[str, ...]


def platform_level(
    tcb_info: TcbInfo, platform: PckExtension, tcb_svn: bytes | None
) -> PlatformLevel:
    """Give the first level that the platform reaches; ``tcb_svn`` is a TD's, None for SGX.

    Raises:
        VerificationError: it reaches none, or one that Intel revoked.
    """
    for level in tcb_info.tcb_levels:
        if level.tcb.reached_by(platform) and (tcb_svn is None or _reaches_tdx(level, tcb_svn)):
            return _usable(level, "TCB level of the platform", OF_PLATFORM)
    shown = f"components {platform.components.hex()}, PCE SVN {platform.pce_svn}"
    raise _refused(
        "TCB level of the platform",
        shown if tcb_svn is None else f"{shown}, tcb_svn {tcb_svn.hex()}: no level",
        f"at least the lowest level of TCB info {tcb_info.fmspc}",
    )


def qe_level(identity: QeIdentity, report: SgxReport) -> IdentityLevel:
    """Recognise Intel's quoting enclave, and give the level its version reaches.

    Raises:
        VerificationError: it is another enclave, reaches no level, or one that Intel revoked.
    """
    for name, got, wanted in (
        ("mr_signer", report.mr_signer.hex(), identity.mrsigner.lower()),
        ("isv_prod_id", int.from_bytes(report.isv_prod_id, "little"), identity.isvprodid),
    ):
        if got != wanted:
            raise _refused(f"QE {name}", got, str(wanted))
    attributes = report.attributes_flags + report.attributes_xfrm
    for name, raw, value, mask in (
        ("misc_select", report.misc_select, identity.miscselect, identity.miscselect_mask),
        ("attributes", attributes, identity.attributes, identity.attributes_mask),
    ):
        if not masked_equal(raw, value, mask):
            raise _refused(f"QE {name}", raw.hex(), f"{value} under mask {mask}")
    return _level(identity.tcb_levels, report.svn, "quoting enclave", OF_ENCLAVE)


def module_level(tcb_info: TcbInfo, body: TdReport, tcb_svn: bytes) -> IdentityLevel | None:
    """Recognise the TDX module, and give the level its version reaches; None for major version 0.

    Version 0 is judged with the platform's components instead.

    Raises:
        VerificationError: another signer or attributes, unknown version, no level, or revoked.
    """
    minor, major = tcb_svn[0], tcb_svn[1]
    if not major:
        _recognise(tcb_info.tdx_module, body, "0")
        return None
    identity = tcb_info.module_identity(major)
    _recognise(identity, body, f"{major} (TDX_{major:02X})")
    return _level(
        identity.tcb_levels if identity else (), minor, f"TDX module {major}.x", OF_MODULE
    )


def appraise(platform: PlatformLevel, module: IdentityLevel | None, qe: IdentityLevel) -> Appraisal:
    """Combine the levels of the parts."""
    parts: list[PlatformLevel | IdentityLevel] = [platform, *([module] if module else []), qe]
    advisories = dict.fromkeys(name for one in parts for name in one.advisory_ids)
    return Appraisal(
        combine(*(one.tcb_status for one in parts)), platform.tcb_date, tuple(advisories)
    )


def relaunch_advised(
    tcb_info: TcbInfo, platform: PckExtension, body: TdReport, qe: IdentityLevel
) -> TcbStatus | None:
    """Give the status that stands in for OutOfDate when a new launch of the TD would mend it.

    That is so when the TDX module was too old when the TD was launched, everything else is at the
    newest level, and the module that runs now is too. None when it is not so, or TD 1.0.
    """
    current = body.tee_tcb_svn2
    if current is None or not tcb_info.tcb_levels:
        return None
    newest = tcb_info.tcb_levels[0]
    rest = newest.tcb.tdx[MODULE_COMPONENTS:]
    others_newest = newest.tcb.reached_by(platform) and reaches(
        body.tcb_svn[MODULE_COMPONENTS:], rest
    )
    if not others_newest or not _module_is_newest(tcb_info, current):
        return None
    status = combine(newest.tcb_status, TcbStatus.RELAUNCH_ADVISED, qe.tcb_status)
    return status if Need.RELAUNCH in NEEDS[status] else None


def _module_is_newest(tcb_info: TcbInfo, svn: bytes) -> bool:
    newest = tcb_info.tcb_levels[0].tcb.tdx
    if not svn[1]:
        return reaches(svn, newest)
    identity = tcb_info.module_identity(svn[1])
    return (
        identity is not None
        and bool(identity.tcb_levels)
        and identity.tcb_levels[0].tcb.isvsvn <= svn[0]
        and identity.tcb_levels[0].tcb_status is TcbStatus.UP_TO_DATE
        and reaches(svn[MODULE_COMPONENTS:], newest[MODULE_COMPONENTS:])
    )


def _reaches_tdx(level: PlatformLevel, tcb_svn: bytes) -> bool:
    wanted = level.tcb.tdx
    if not wanted:
        return False
    skipped = MODULE_COMPONENTS if tcb_svn[1] else 0
    return reaches(tcb_svn[skipped:], wanted[skipped:])


def _recognise(module: TdxModule | None, body: TdReport, version: str) -> None:
    if module is None:
        raise _refused("TDX module", f"version {version}", "one that TCB info names")
    if body.mrsigner_seam.hex() != module.mrsigner.lower():
        raise _refused("mrsigner_seam", body.mrsigner_seam.hex(), module.mrsigner.lower())
    if not masked_equal(body.seam_attributes, module.attributes, module.attributes_mask):
        raise _refused(
            "seam_attributes",
            body.seam_attributes.hex(),
            f"{module.attributes} under mask {module.attributes_mask}",
        )


def _level(
    levels: tuple[IdentityLevel, ...], svn: int, name: str, known: frozenset[TcbStatus]
) -> IdentityLevel:
    claim = f"TCB level of the {name}"
    level = identity_level(levels, svn)
    if level is None:
        raise _refused(claim, f"version {svn}: no level", "at least the lowest")
    return _usable(level, claim, known)


def _usable(level: _L, claim: str, known: frozenset[TcbStatus]) -> _L:
    """Refuse a level that Intel revoked, or whose status means nothing for this part."""
    if level.tcb_status is TcbStatus.REVOKED or level.tcb_status not in known:
        shown = f"{level.tcb_status} ({level.tcb_date.date()})"
        raise _refused(claim, shown, ", ".join(sorted(known - {TcbStatus.REVOKED})))
    return level


def _refused(claim: str, got: object, expected: str) -> VerificationError:
    return refusal("tcb", claim=claim, got=str(got), expected=expected, rule=_SPEC, remedy=_REMEDY)
