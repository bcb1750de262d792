"""CSV evidence as a person reads it: the report without its mask, and its certificates."""

from casemate.errors import PeerError
from casemate.tee.csv.report import (
    MASKED,
    PAGE,
    SIGNER_FORM,
    TEE,
    V1_FORM,
    V2_FORM,
    EvidenceJson,
    mask,
    version_of_binary,
    version_of_json,
)
from casemate.tee.evidence import parse_json
from casemate.tee.hygon.certificate import CA_FORM, CSV_FORM, CSV_SIZE, Usage
from casemate.tee.hygon.certificate_json import read_ca, read_csv
from casemate.tee.layout import Field, Section


def layout(raw: bytes) -> tuple[Section, ...]:
    """Draw it; PeerError where it cannot be read."""
    if len(raw) <= PAGE:
        return _report(raw, version_of_binary(raw))
    json = parse_json(raw, EvidenceJson, TEE)
    page = bytes(json.attestation_report.data)
    sections = [
        Section(
            "evidence",
            (
                Field(name="magic", value=bytes(json.attestation_report.magic).hex()),
                Field(name="flags", value=hex(json.attestation_report.flags)),
                Field(
                    name="serial_number",
                    value=bytes(json.serial_number).rstrip(b"\0").decode("ascii", "replace"),
                ),
                Field(
                    name="cc_eventlog",
                    value="none" if json.cc_eventlog is None else f"{len(json.cc_eventlog)} bytes",
                    meaning="see casemate evidence eventlog",
                ),
            ),
        ),
        *_report(page, version_of_json(json.attestation_report)),
        Section("PEK beside the report", CSV_FORM.fields(read_csv(json.cert_chain.pek).raw)),
    ]
    if given := json.cert_chain.hsk_cek:
        sections += [
            Section("HSK", CA_FORM.fields(read_ca(given.hsk).raw)),
            Section("CEK", CSV_FORM.fields(read_csv(given.cek).raw)),
        ]
    return tuple(sections)


def _report(raw: bytes, version: int) -> tuple[Section, ...]:
    form = V1_FORM if version == 1 else V2_FORM
    size = form.size + SIGNER_FORM.size
    if len(raw) < size:
        raise PeerError(form.title, got=f"{len(raw)} bytes", want=f"{size} bytes")
    anonce = form.parse(raw[: form.size]).get("anonce", 0)
    plain = mask(raw[:MASKED], anonce) + raw[MASKED : form.size]
    signer = raw[form.size : size]
    masked = signer[8:12] != Usage.PEK.to_bytes(4, "little")
    if masked:
        at = SIGNER_FORM.offsets["reserved"]
        signer = mask(signer[:at], anonce) + signer[at:]
    return (
        Section(form.title, form.fields(plain)),
        Section(
            f"{SIGNER_FORM.title} ({'mask taken off here' if masked else 'without mask'})",
            SIGNER_FORM.fields(signer, form.size),
        ),
        Section("PEK of the report", CSV_FORM.fields(signer[:CSV_SIZE], form.size)),
    )
