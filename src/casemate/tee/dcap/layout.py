"""Quotes as a person reads them: every field of header, body, signatures and PCK certificate."""

from casemate.crypto.certificate import Certificate
from casemate.crypto.pem import blocks
from casemate.errors import PeerError
from casemate.tee.dcap.attributes import td_names
from casemate.tee.dcap.bodies import SGX_REPORT, SgxReport, TdReport
from casemate.tee.dcap.pck import EXTENSION, PckExtension
from casemate.tee.dcap.quote import DESCRIPTOR, HEADER_V4, Quote
from casemate.tee.layout import Field, Section


def sections(quote: Quote) -> tuple[Section, ...]:
    """Draw a quote; nothing is verified.

    Raises:
        PeerError: a certificate inside is unreadable.
    """
    record, body = quote.header.record, quote.body
    found = [record.draw(record.split(quote.signed), place="bytes 0 to 47")]
    described = quote.signed[HEADER_V4.size : quote.body_offset]
    if described:
        found.append(DESCRIPTOR.draw(DESCRIPTOR.split(described), place="bytes 48 to 53"))
    last = quote.body_offset + body.record.size - 1
    place = f"bytes {quote.body_offset} to {last}"
    found.append(body.record.draw(body.values, place=place, notes=_notes(body)))
    found.append(_signature_section(quote))
    report = SgxReport.parse(quote.signature_data.qe_report)
    found.append(Section("QE report", SGX_REPORT.draw(report.values).fields))
    return (*found, *_certificate_sections(quote))


def _notes(body: TdReport | SgxReport) -> dict[str, str]:
    if isinstance(body, SgxReport):
        return {"isv_svn": str(body.svn)}
    return {
        "td_attributes": td_names(body.td_attributes),
        "tcb_svn": f"TDX module {body.tcb_svn[1]}.{body.tcb_svn[0]}",
    }


def _signature_section(quote: Quote) -> Section:
    data = quote.signature_data
    rows = (
        ("signature", data.signature.hex(), "r‖s over header and body, by the attestation key"),
        ("attestation_key", data.attestation_key.hex(), "x‖y, P-256"),
        ("qe_signature", data.qe_signature.hex(), "r‖s over the QE report, by the PCK key"),
        ("auth_data", data.auth_data.hex(), "bound into the QE report with the key"),
        ("certificates", f"{len(data.certificates)} bytes", "PEM: PCK certificate, its CA, root"),
        ("tail", f"{quote.tail} bytes", "behind the quote; nobody signed them"),
    )
    title = f"signature data (from byte {len(quote.signed) + 4})"
    return Section(title, tuple(Field(name=a, value=b, meaning=c) for a, b, c in rows))


def _certificate_sections(quote: Quote) -> list[Section]:
    ders = blocks(quote.signature_data.certificates, "CERTIFICATE")
    if not ders:
        raise PeerError("PCK certificate chain", got="no certificate", want="PEM")
    certificates = [Certificate.parse(der) for der in ders]
    found = [
        Section(
            "certificates",
            tuple(
                Field(
                    name=one.common_name,
                    value=one.fingerprint.hex(),
                    meaning=f"serial {one.serial:#x}, {one.not_before.date()} to "
                    f"{one.not_after.date()}, by {one.issuer_common_name}",
                )
                for one in certificates
            ),
        )
    ]
    if EXTENSION in certificates[0].extensions:
        extension = PckExtension.of(certificates[0])
        found += [_extension_section(extension), _tcb_section(extension, quote.body)]
    return found


def _extension_section(extension: PckExtension) -> Section:
    instance = extension.platform_instance_id
    rows = (
        ("ppid", extension.ppid.hex(), "platform provisioning id (.1)"),
        ("cpu_svn", extension.cpu_svn.hex(), "CPU security versions, raw (.2.18)"),
        ("pce_id", extension.pce_id.hex(), "provisioning certification enclave (.3)"),
        ("fmspc", extension.fmspc.hex(), "selects the TCB info (.4)"),
        ("sgx_type", extension.sgx_type.text, "memory protection (.5)"),
        ("platform_instance_id", instance.hex() if instance else "none", "of the platform (.6)"),
        ("dynamic_platform", str(extension.dynamic_platform), "packages may be added (.7.1)"),
        ("cached_keys", str(extension.cached_keys), "Intel keeps the platform's keys (.7.2)"),
        ("smt_enabled", str(extension.smt_enabled), "hyper-threading (.7.3)"),
    )
    return Section(
        f"PCK extension {EXTENSION}", tuple(Field(name=a, value=b, meaning=c) for a, b, c in rows)
    )


def _tcb_section(extension: PckExtension, body: TdReport | SgxReport) -> Section:
    """What is compared with the levels of a TCB info, side by side."""
    rows = [
        Field(
            name=f"component {index + 1}",
            value=str(svn),
            meaning="SGX component, by the PCK certificate"
            + (f"; TDX component {body.tcb_svn[index]}" if isinstance(body, TdReport) else ""),
        )
        for index, svn in enumerate(extension.components)
    ]
    rows.append(Field(name="pce_svn", value=str(extension.pce_svn), meaning="by the PCK (.2.17)"))
    return Section("TCB versions", tuple(rows))
