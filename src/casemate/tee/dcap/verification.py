"""The steps that every verifier of Intel's quotes makes: TD, enclave, and Azure's TD alike.

``quote_checks`` gives their rows for a table, ``verify_quote`` makes them. Pure.
"""

import hashlib
from datetime import datetime
from typing import Final, NamedTuple

import msgspec

from casemate.tee.dcap import appraisal, collateral, platform
from casemate.tee.dcap.appraisal import Appraisal
from casemate.tee.dcap.attributes import (
    KNOWN,
    MIGRATABLE,
    SEPT_VE_DISABLE,
    SGX_DEBUG,
    UNDER_DEBUG,
    number,
    td_names,
)
from casemate.tee.dcap.bodies import SgxReport, TdReport
from casemate.tee.dcap.collateral import Documents, Lists, Shelf
from casemate.tee.dcap.ecdsa import key_of_point, signed_by
from casemate.tee.dcap.options import DcapOptions, TdOptions
from casemate.tee.dcap.platform import Platform
from casemate.tee.dcap.quote import Quote, TeeType
from casemate.tee.dcap.status import TcbStatus
from casemate.tee.dcap.tcb_info import IdentityLevel, PlatformLevel
from casemate.tee.evidence import Inputs
from casemate.tee.options import Options
from casemate.tee.trail import Check, Step, Topic, Trail

_SPEC: Final = "tee §4.5"
_T = Topic


class VerifiedQuote(msgspec.Struct, frozen=True, kw_only=True):
    """A quote whose every proof held. Only ``verify_quote`` makes one."""

    quote: Quote
    qe_report: SgxReport
    platform: Platform
    documents: Documents
    lists: Lists
    launch: Appraisal
    """Status of the platform, with the versions that a TD was launched with."""
    current: Appraisal | None
    """The same with the versions that run now; TD 1.5 only."""
    platform_level: PlatformLevel
    module_level: IdentityLevel | None
    qe_level: IdentityLevel
    dates: "CollateralDates"
    expired: bool
    """Collateral is past its end, within the grace that an operator gives."""


class CollateralDates(msgspec.Struct, frozen=True):
    """Of all certificates, lists and documents that were used."""

    earliest_issue: datetime
    latest_issue: datetime
    earliest_expiration: datetime


def quote_checks(first: int, tee: TeeType) -> tuple[Check, ...]:
    """Give the rows of the steps that ``verify_quote`` makes, numbered from ``first``."""
    rows = [
        ("pck chain", _T.CHAIN, "PCK certificate to a pinned root: names, dates, kinds", False),
        ("collateral", _T.CHAIN, "TCB info and QE identity, for this platform, by Intel", False),
        ("revocation", _T.REVOCATION, "PCK, its CA and the TCB signer are on no list", False),
        ("collateral age", _T.TCB, "nothing expired beyond the grace or yet to come", True),
        ("qe report", _T.SIGNATURE, "the PCK key signed the quoting enclave's report", False),
        (
            "attestation key",
            _T.IDENTITY,
            "the report binds key and authentication data, 32 bytes",
            False,
        ),
        ("qe identity", _T.TCB, "the enclave is Intel's, its level is not revoked", False),
        ("quote signature", _T.SIGNATURE, "the attestation key signed header and body", False),
        ("platform tcb", _T.TCB, "the platform reaches a level that is not revoked", False),
        *(
            [
                ("tdx module", _T.TCB, "Intel's module, at a level that is not revoked", False),
                (
                    "mode",
                    _T.MODE,
                    "no debug, no migration, no #VE injection, no unknown attribute",
                    True,
                ),
            ]
            if tee is TeeType.TDX
            else [("mode", _T.MODE, "no debug", True)]
        ),
    ]
    return tuple(
        Check(number, name, topic, what, _SPEC, ours=ours)
        for number, (name, topic, what, ours) in enumerate(rows, first)
    )


def verify_quote(
    quote: Quote, inputs: Inputs, options: DcapOptions, trail: Trail, first: int
) -> VerifiedQuote:
    """Verify a quote in the steps of ``quote_checks(first, …)``.

    Report data, initdata and logs are the caller's; so is which versions and bodies it takes.

    Raises:
        VerificationError: a proof failed; its step is the trail's.
    """
    if inputs.options.looking_back:
        options = msgspec.structs.replace(options, allow_future_crl=True)
    used = _verify_collateral(quote, inputs, options, trail, first)
    with trail.step(first + 3) as step:
        dates, expired = _verify_age(step, used, inputs.now, options)
    qe_report, qe_level = _verify_signatures(quote, used, options, trail, first + 4)
    body, platform_level = quote.body, _platform_level(quote.body, used, trail, first + 8)
    if isinstance(body, TdReport):
        with trail.step(first + 9) as step:
            module = _verify_module(step, used.documents, body)
            launch = _appraise_launch(used, body, (platform_level, module, qe_level))
            current = _appraise_current(used, body, qe_level)
        with trail.step(first + 10) as step:
            _verify_td_mode(step, body, inputs.options, options)
    else:
        module, current = None, None
        launch = appraisal.appraise(platform_level, module, qe_level)
        with trail.step(first + 9) as step:
            _verify_enclave_mode(step, body, inputs.options)
    return VerifiedQuote(
        quote=quote,
        qe_report=qe_report,
        platform=used.platform,
        documents=used.documents,
        lists=used.lists,
        launch=launch,
        current=current,
        platform_level=platform_level,
        module_level=module,
        qe_level=qe_level,
        dates=dates,
        expired=expired,
    )


_AUTH_DATA: Final = 32
"""Bytes of authentication data that Intel's quoting enclave binds."""
_OUT_OF_DATE: Final = frozenset({TcbStatus.OUT_OF_DATE, TcbStatus.OUT_OF_DATE_CONFIGURATION})


class _Used(NamedTuple):
    """Everything whose dates count."""

    platform: Platform
    documents: Documents
    lists: Lists


def _verify_collateral(
    quote: Quote, inputs: Inputs, options: DcapOptions, trail: Trail, first: int
) -> _Used:
    """Make the three steps from ``first``: the platform's chain, Intel's documents, revocation."""
    shelf = Shelf(inputs)
    with trail.step(first) as step:
        found = platform.verify(quote.signature_data, inputs)
        step.detail = f"FMSPC {found.extension.fmspc.hex()}, {found.authority} CA"
    with trail.step(first + 1) as step:
        documents = collateral.documents(quote.header.tee_type, found, shelf, inputs, options)
        step.detail = _describe(documents)
    with trail.step(first + 2) as step:
        lists = collateral.revocation_lists(found, shelf, inputs, options)
        _require_not_revoked(step, found, documents, lists)
    return _Used(found, documents, lists)


def _verify_signatures(
    quote: Quote, used: _Used, options: DcapOptions, trail: Trail, first: int
) -> tuple[SgxReport, IdentityLevel]:
    """Make the four steps from ``first``: PCK key, enclave, attestation key, header and body.

    Gives the quoting enclave's report and the level its version reaches.
    """
    data = quote.signature_data
    with trail.step(first) as step:
        step.require(
            signed_by(used.platform.leaf.spki, data.qe_signature, data.qe_report),
            "signature of the QE report",
            "one that does not verify",
            "one by the PCK certificate's key",
        )
    with trail.step(first + 1) as step:
        report = SgxReport.parse(data.qe_report)
        step.require(
            len(data.auth_data) == _AUTH_DATA or options.allow_other_auth_data,
            "QE authentication data",
            f"{len(data.auth_data)} bytes",
            f"{_AUTH_DATA} bytes, as Intel's quoting enclave writes",
            remedy="option allow_other_auth_data=true accepts other lengths",
        )
        bound = hashlib.sha256(data.attestation_key + data.auth_data).digest()
        step.require_equal("report data of the QE report", report.report_data, bound + bytes(32))
    with trail.step(first + 2) as step:
        level = appraisal.qe_level(used.documents.qe_identity, report)
        step.detail = f"version {report.svn}, {level.tcb_status}"
    with trail.step(first + 3) as step:
        step.require(
            signed_by(key_of_point(data.attestation_key), data.signature, quote.signed),
            "signature of the quote",
            "one that does not verify",
            "one by the attestation key, over header and body",
        )
    return report, level


def _platform_level(
    body: TdReport | SgxReport, used: _Used, trail: Trail, number: int
) -> PlatformLevel:
    with trail.step(number) as step:
        tcb_svn = body.tcb_svn if isinstance(body, TdReport) else None
        level = appraisal.platform_level(used.documents.tcb_info, used.platform.extension, tcb_svn)
        step.detail = f"{level.tcb_status} ({level.tcb_date.date()})"
        return level


def _describe(documents: Documents) -> str:
    tcb_info, identity = documents.tcb_info, documents.qe_identity
    return (
        f"TCB info of {tcb_info.issue_date.date()}, evaluation "
        f"{tcb_info.tcb_evaluation_data_number}; QE identity of {identity.issue_date.date()}"
    )


def _require_not_revoked(step: Step, found: Platform, documents: Documents, lists: Lists) -> None:
    checked = [(found.leaf, lists.revoked_by_authority), (found.issuer, lists.revoked_by_root)]
    checked += [(one, lists.revoked_by_root) for one in documents.signers]
    for certificate, revoked in checked:
        step.require(
            certificate.serial not in revoked,
            f"certificate of {certificate.common_name}",
            f"serial number {certificate.serial:#x}, revoked",
            "one that its issuer has not revoked",
            remedy="do not trust this machine; ask its vendor",
        )
    step.detail = f"{len(lists.revoked_by_authority)} and {len(lists.revoked_by_root)} on the lists"


def _verify_age(
    step: Step, used: _Used, now: datetime, options: DcapOptions
) -> tuple[CollateralDates, bool]:
    found, documents, lists = used
    tcb_info, identity = documents.tcb_info, documents.qe_identity
    signed = [
        ("TCB info", tcb_info.issue_date, tcb_info.next_update),
        ("QE identity", identity.issue_date, identity.next_update),
    ]
    listed = [
        (f"revocation list of {one.issuer_common_name}", one.this_update, one.next_update)
        for one in (lists.pck, lists.root)
    ]
    for name, issued, _ in signed if options.allow_future_crl else signed + listed:
        if issued > now:
            raise step.refusal(
                claim=name,
                got=f"issued {issued.isoformat()}",
                expected=f"issued by {now.isoformat()}",
                remedy="mend the clock, or fetch collateral of that time",
            )
    ends, grace = [], options.grace
    for name, _, end in signed + listed:
        if end is None:
            raise step.refusal(claim=name, got="no next update", expected="one")
        if now > end + grace:
            raise step.refusal(
                claim=name,
                got=f"expired {end.isoformat()}",
                expected=f"valid at {now.isoformat()}, or expired for at most {grace.days} days",
                remedy="fetch Intel's collateral anew; collateral_grace_days sets the grace",
            )
        ends.append(end)
    certificates = (*found.chain.path, *documents.signers)
    issues = [one.not_before for one in certificates] + [one[1] for one in signed + listed]
    dates = CollateralDates(
        min(issues), max(issues), min([*(one.not_after for one in certificates), *ends])
    )
    expired = dates.earliest_expiration <= now
    step.detail = f"expired {dates.earliest_expiration.isoformat()}" if expired else "current"
    return dates, expired


def _verify_module(step: Step, documents: Documents, body: TdReport) -> IdentityLevel | None:
    step.require_equal("seam_attributes", body.seam_attributes, bytes(8))
    module = appraisal.module_level(documents.tcb_info, body, body.tcb_svn)
    version = f"{body.tcb_svn[1]}.{body.tcb_svn[0]}"
    step.detail = f"version {version}, {module.tcb_status if module else 'judged with platform'}"
    return module


def _appraise_launch(
    used: _Used, body: TdReport, levels: tuple[PlatformLevel, IdentityLevel | None, IdentityLevel]
) -> Appraisal:
    """Appraise the versions that the TD was launched with: platform, module, quoting enclave."""
    launch = appraisal.appraise(*levels)
    if launch.status not in _OUT_OF_DATE:
        return launch
    tcb_info, extension = used.documents.tcb_info, used.platform.extension
    instead = appraisal.relaunch_advised(tcb_info, extension, body, levels[-1])
    return msgspec.structs.replace(launch, status=instead or launch.status)


def _appraise_current(used: _Used, body: TdReport, qe: IdentityLevel) -> Appraisal | None:
    """Appraise the versions that run now; None for TD 1.0, which does not say them."""
    svn = body.tee_tcb_svn2
    if svn is None:
        return None
    tcb_info = used.documents.tcb_info
    level = appraisal.platform_level(tcb_info, used.platform.extension, svn)
    return appraisal.appraise(level, appraisal.module_level(tcb_info, body, svn), qe)


def _verify_td_mode(step: Step, body: TdReport, common: Options, options: DcapOptions) -> None:
    bits = number(body.td_attributes)
    shown = f"{body.td_attributes.hex()} ({td_names(body.td_attributes)})"
    step.require(
        common.allow_debug or not bits & UNDER_DEBUG,
        "td_attributes",
        shown,
        "no debug or profiling: the host could look into the TD",
        remedy="start the TD without debug; allow_debug is for development",
    )
    service = body.mr_servicetd or b""
    step.require(
        common.allow_migration or (not bits & MIGRATABLE and not any(service)),
        "td_attributes, mr_servicetd",
        f"{shown}, service TDs {service.hex() or 'not said'}",
        "not migratable, no service TD",
        remedy="start the TD without a migration TD, or allow migration",
    )
    step.detail = td_names(body.td_attributes)
    if not isinstance(options, TdOptions):
        options = TdOptions()
    step.require(
        bool(bits & SEPT_VE_DISABLE) or not options.require_septve_disable,
        "td_attributes",
        shown,
        "septve_disable: else the host could inject #VE",
        remedy="start the TD with it; option require_septve_disable=false leaves it to the policy",
    )
    step.require(
        not bits & ~KNOWN or options.allow_unknown_attributes,
        "td_attributes",
        shown,
        "attributes that are known",
        remedy="option allow_unknown_attributes=true leaves them to the policy",
    )


def _verify_enclave_mode(step: Step, body: SgxReport, common: Options) -> None:
    step.require(
        common.allow_debug or not number(body.attributes_flags) & SGX_DEBUG,
        "attributes.flags",
        body.attributes_flags.hex(),
        "no debug: the enclave's memory could be read",
        remedy="build the enclave for production; allow_debug is for development",
    )
