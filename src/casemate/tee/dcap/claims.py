"""Claims of Intel's evidence: upstream's names and forms (tee §4.6), ours beside them, sources."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final

from casemate.crypto.der import Element, Tag
from casemate.tee.dcap.attributes import td_claims
from casemate.tee.dcap.bodies import TdReport
from casemate.tee.dcap.pck import PckExtension, SgxType
from casemate.tee.dcap.quote import DESCRIPTOR, HEADER_V4, Quote
from casemate.tee.dcap.verification import VerifiedQuote


def td_claims_of(quote: Quote, body: TdReport, extension: PckExtension) -> dict[str, Any]:
    """Give what a TD's quote says, without what verification found."""
    described = quote.signed[HEADER_V4.size : quote.body_offset]
    descriptor = DESCRIPTOR.hex(DESCRIPTOR.split(described)) if described else {}
    return {
        "quote": {
            "header": header_claims(quote),
            **descriptor,
            "body": body.record.hex(body.values),
        },
        "td_attributes": td_claims(body.td_attributes),
        **instance_claim(extension),
        "report_data": body.report_data.hex(),
        "init_data": body.mr_config_id.hex(),
    }


def header_claims(quote: Quote) -> dict[str, str]:
    """Give the header's fields, by the names that its version has for them."""
    record = quote.header.record
    return record.hex(record.split(quote.signed))


def instance_claim(extension: PckExtension) -> dict[str, str]:
    """Give the platform instance id, bytes reversed as upstream does; empty without one."""
    found = extension.platform_instance_id
    return {} if found is None else {"platform_instance_id": found[::-1].hex()}


def verification_claims(verified: VerifiedQuote) -> dict[str, Any]:
    """Give what verification found, flat: upstream's claims, then ours."""
    extension = verified.platform.extension
    documents, dates, launch = verified.documents, verified.dates, verified.launch
    numbers = (
        documents.tcb_info.tcb_evaluation_data_number,
        documents.qe_identity.tcb_evaluation_data_number,
    )
    claims: dict[str, Any] = {
        "tcb_status": launch.status.value,
        "tcb_date": _time(launch.date),
        "advisory_ids": list(launch.advisories),
        "earliest_issue_date": _time(dates.earliest_issue),
        "latest_issue_date": _time(dates.latest_issue),
        "earliest_expiration_date": _time(dates.earliest_expiration),
        "collateral_expiration_status": "1" if verified.expired else "0",
        "tcb_eval_num": min(numbers),
        "pck_crl_num": verified.lists.pck.number,
        "root_ca_crl_num": verified.lists.root.number,
        "root_key_id": _root_key_id(verified.platform.root.spki),
        "platform_provider_id": extension.ppid.hex(),
        "sgx_type": extension.sgx_type.text,
    }
    if extension.sgx_type is not SgxType.STANDARD:
        flags = {
            "is_dynamic_platform": extension.dynamic_platform,
            "is_cached_keys": extension.cached_keys,
            "is_smt_enabled": extension.smt_enabled,
        }
        claims |= {name: flag for name, flag in flags.items() if flag is not None}
    if verified.current is not None:
        claims |= {
            "tcb_status_current": verified.current.status.value,
            "tcb_date_current": _time(verified.current.date),
            "advisory_ids_current": list(verified.current.advisories),
        }
    return claims | _own_claims(verified)


def _own_claims(verified: VerifiedQuote) -> dict[str, Any]:
    quote, module = verified.quote, verified.module_level
    claims: dict[str, Any] = {
        "quote_version": quote.version,
        "quote_tail_bytes": quote.tail,
        "collateral_expired": verified.expired,
        "fmspc": verified.platform.extension.fmspc.hex(),
        "pck_ca": verified.platform.authority.value,
        "pce_svn": verified.platform.extension.pce_svn,
        "platform_tcb_status": verified.platform_level.tcb_status.value,
        "qe_tcb_status": verified.qe_level.tcb_status.value,
        "qe_svn": verified.qe_report.svn,
        "attestation_key_sha256": hashlib.sha256(quote.signature_data.attestation_key).hexdigest(),
    }
    if isinstance(quote.body, TdReport):
        minor, major = quote.body.tcb_svn[0], quote.body.tcb_svn[1]
        claims["tdx_module_version"] = f"{major}.{minor}"
        if module is not None:
            claims["tdx_module_tcb_status"] = module.tcb_status.value
    return claims


def _time(when: datetime) -> str:
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _root_key_id(spki: bytes) -> str:
    """SHA-384 of the root's public point, 65 bytes for P-256 (0x04 ‖ x ‖ y)."""
    where = "public key"
    key = Element.parse(spki, where).expect(Tag.SEQUENCE, where).children(where)[-1]
    return hashlib.sha384(key.bits(where)).hexdigest()


_SOURCES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "platform_instance_id": "PCK certificate, extension .6, bytes reversed",
        "tcb_status": "PCK certificate .2, quote body tcb_svn, QE report isv_svn against TCB info",
        "tcb_date": "TCB info, tcbDate of the level",
        "advisory_ids": "TCB info and QE identity, advisoryIDs of the levels",
        "earliest_issue_date": "certificates, lists and documents used",
        "latest_issue_date": "certificates, lists and documents used",
        "earliest_expiration_date": "certificates, lists and documents used",
        "collateral_expiration_status": "earliest_expiration_date against the time",
        "collateral_expired": "earliest_expiration_date against the time",
        "tcb_eval_num": "the lower tcbEvaluationDataNumber of TCB info and QE identity",
        "pck_crl_num": "revocation list of the PCK authority, CRL number",
        "root_ca_crl_num": "revocation list of the root, CRL number",
        "root_key_id": "root certificate, SHA-384 of its public point",
        "platform_provider_id": "PCK certificate, extension .1 (PPID)",
        "sgx_type": "PCK certificate, extension .5",
        "is_dynamic_platform": "PCK certificate, extension .7.1",
        "is_cached_keys": "PCK certificate, extension .7.2",
        "is_smt_enabled": "PCK certificate, extension .7.3",
        "tcb_status_current": "as tcb_status, with tee_tcb_svn2",
        "tcb_date_current": "as tcb_date, with tee_tcb_svn2",
        "advisory_ids_current": "as advisory_ids, with tee_tcb_svn2",
        "quote_version": "quote header version",
        "quote_tail_bytes": "bytes behind the signature data, which nobody signed",
        "fmspc": "PCK certificate, extension .4",
        "pck_ca": "issuer of the PCK certificate",
        "pce_svn": "PCK certificate, extension .2.17",
        "platform_tcb_status": "TCB info, tcbStatus of the level",
        "qe_tcb_status": "QE identity, tcbStatus of the level",
        "qe_svn": "QE report isv_svn",
        "attestation_key_sha256": "signature data, attestation key",
        "tdx_module_version": "quote body tcb_svn[1] and [0]",
        "tdx_module_tcb_status": "TCB info, tcbStatus of the module's level",
    }
)


def evidence_field(claim: str) -> str:
    """Name where a claim that ``verification_claims`` gives comes from; empty if it is none."""
    return _SOURCES.get(claim, "")
