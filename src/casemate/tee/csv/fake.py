"""A Hygon CPU in software: CSV evidence of both versions, under a test root of its own."""

from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

import msgspec

from casemate.crypto.sm2 import PrivateKey
from casemate.crypto.sm3 import hmac_sm3, sm3
from casemate.errors import InputError
from casemate.tee.csv.report import (
    MAGIC,
    MASKED,
    PAGE,
    REGISTERS,
    REPORT_DATA_SIZE,
    SIGNER_FORM,
    TEE,
    V1_FORM,
    V1_SIGNED,
    V2_FORM,
    V2_SIGNED,
    ChainJson,
    EvidenceJson,
    ReportJson,
    mask,
)
from casemate.tee.evidence import fitted
from casemate.tee.hygon.certificate import CSV_FORM, SM2_SIGNATURE
from casemate.tee.hygon.certificate import Usage as _Usage
from casemate.tee.hygon.certificate_json import HskCekJson, write_ca, write_csv
from casemate.tee.hygon.fake import (
    FIELDS as _CHIP_FIELDS,
)
from casemate.tee.hygon.fake import (
    ROOT_FILE,
    after,
    fields,
    flipped,
    given,
    init_data,
    make_chip,
    make_csv,
    override,
    uid,
)
from casemate.tee.simulation import COMMON, REPORT_DATA, Changes, Simulated
from casemate.wire.eventlog import EventLog, LoggedEvent, replay
from casemate.wire.tpm import ALG_SM3

SERIAL: Final = b"SIM000000001"
_ANONCE: Final = 0x1291429B
_MNONCE: Final = bytes(range(1, 17))
_RESERVED: Final = bytes(range(32))
_POLICY: Final = 0x45
_EV_EVENT_TAG: Final = 6
_AAEL: Final = b"LEAA"
_MAC: Final = next(part for part in SIGNER_FORM.parts if part.name == "mac")

FIELDS: Final = MappingProxyType(
    {
        **COMMON,
        **_CHIP_FIELDS,
        **fields(CSV_FORM, "pek"),
        "pek.flip": "number of a byte of what PEK's signatures cover; flipped after signing",
        **fields(V1_FORM, "report"),
        **fields(V2_FORM, "report"),
        **fields(SIGNER_FORM, "signer"),
        "version": "1 or 2; of the report",
        "hsk_cek": "true: the guest sends HSK and CEK itself",
        "restored": "true: as upstream's attester sends it, mask off, reserved bytes erased",
        "magic": "hex; of the device's answer",
        "flags": "number; of the device's answer",
        "serial_number": "hex; beside the report",
        "pek_beside": "same, or other: the certificate beside the report is another one's",
        "pek_signed_by": "cek, or itself",
        "event_log": "hex; or none",
    }
)


def simulate(changes: Changes, now: datetime) -> Simulated:
    """Make CSV evidence, right, or wrong in what was set.

    Raises:
        InputError: a value that cannot be meant.
    """
    serial = changes.data("serial_number", SERIAL)
    chip = make_chip(changes, f"hsk_cek/{SERIAL.decode()}/hsk_cek.cert")
    key, pek = _pek(changes, (chip.key, chip.uid))
    version = changes.number("version", 1)
    report_data = changes.data("report_data", REPORT_DATA)
    log = _log(changes, version)
    report = _report(changes, version, key, report_data)
    signer, restored = _signer(changes, pek, report, version)
    whole = report + (restored if changes.flag("restored") else signer)
    return Simulated(
        tee=TEE,
        evidence=msgspec.json.encode(
            EvidenceJson(
                attestation_report=ReportJson(
                    magic=tuple(changes.data("magic", MAGIC if version == 2 else bytes(16))),
                    flags=changes.number("flags", version - 1),
                    data=tuple(whole.ljust(PAGE, b"\0")),
                ),
                cert_chain=ChainJson(
                    pek=write_csv(_beside(changes, pek)),
                    hsk_cek=(
                        HskCekJson(
                            write_ca(chip.hsk),
                            write_csv(chip.cek),
                        )
                        if changes.flag("hsk_cek")
                        else None
                    ),
                ),
                serial_number=tuple(serial.ljust(64, b"\0")),
                cc_eventlog=log,
            )
        ),
        binary=report + signer,
        report_data=report_data,
        init_data=init_data(changes),
        now=now,
        roots={ROOT_FILE: chip.configured},
        collateral={} if changes.flag("hsk_cek") else chip.files,
    )


def _pek(changes: Changes, by: tuple[PrivateKey, bytes]) -> tuple[PrivateKey, bytes]:
    key, oca = PrivateKey.generate(), PrivateKey.generate()
    if changes.text("pek_signed_by", "cek") == "itself":
        by = key, changes.data("pek.uid", uid("pek"))
    signers = (_Usage.CEK, by), (_Usage.OCA, (oca, uid("oca")))
    own = {"version": 1, "usage": _Usage.PEK}
    return key, make_csv(changes, "pek", key, signers, own)


def _beside(changes: Changes, pek: bytes) -> bytes:
    """Give the certificate beside the report: the same, or one that differs where nothing signs."""
    return pek if changes.text("pek_beside", "same") == "same" else pek[:-1] + b"\x01"


def _report(changes: Changes, version: int, key: PrivateKey, report_data: bytes) -> bytes:
    if version not in {1, 2}:
        raise InputError("version", got=version, want="1 or 2")
    form, size = (V1_FORM, V1_SIGNED) if version == 1 else (V2_FORM, V2_SIGNED)
    measure = sm3(b"casemate launch")
    values = override(
        changes,
        form,
        "report",
        {
            "report_data": fitted(report_data, REPORT_DATA_SIZE),
            "mnonce": _MNONCE,
            "measure": measure,
            "policy": _POLICY,
            "sig_usage": _Usage.PEK,
            "sig_algo": SM2_SIGNATURE,
            "anonce": _ANONCE,
            "build": 2337,
            "rtmr_version": 1,
            **_registers(measure),
        },
    )
    plain = form.encode(values)
    laid = mask(plain[:MASKED], values.get("anonce", 0)) + plain[MASKED:]
    made = key.sign(laid[:size], changes.data("pek.uid", uid("pek")))
    numbers = after(changes, "report", made)
    at = form.offsets["r"]
    laid = laid[:at] + b"".join(numbers[name].to_bytes(72, "little") for name in ("r", "s"))
    return flipped(changes, "flip", laid, size)


def _signer(changes: Changes, pek: bytes, report: bytes, version: int) -> tuple[bytes, bytes]:
    """Give the signer's part as the firmware gives it, and as the guest's library leaves it."""
    anonce = int.from_bytes(report[MASKED : MASKED + 4], "little") if version == 1 else 0
    mnonce = mask(report[:MASKED], anonce)[V1_FORM.offsets["mnonce"] :][:16]
    values: dict[str, Any] = {"pek": pek, "serial_number": SERIAL, "reserved": _RESERVED}
    plain = SIGNER_FORM.encode(override(changes, SIGNER_FORM, "signer", values))
    covered = SIGNER_FORM.offsets["reserved"]
    raw = mask(plain[:covered], anonce) + plain[covered : SIGNER_FORM.offsets["mac"]]
    mac = given(changes, "signer.mac", _MAC, hmac_sm3(mnonce, raw))
    return raw + mac, plain[:covered] + bytes(32) + mac


def _log(changes: Changes, version: int) -> bytes | None:
    """Make a small log of registers 1 to 4, for version 2."""
    if changes.text("event_log", "") == "none" or version != 2:
        return None
    events = []
    for register in range(1, REGISTERS):
        text = f"casemate simulate register-{register}".encode()
        event = _AAEL + len(text).to_bytes(4, "little") + text
        events.append(LoggedEvent(register, _EV_EVENT_TAG, ((ALG_SM3, sm3(event)),), event))
    return changes.data("event_log", EventLog(((ALG_SM3, 32),), tuple(events)).encode())


def _registers(measure: bytes) -> dict[str, bytes]:
    """Give the registers that the right log explains, whatever log is shown."""
    right = _log(Changes(FIELDS, {}), 2)
    replayed = replay(EventLog.parse(right).events, ALG_SM3) if right else {}
    return {"rtmr0": measure} | {f"rtmr{index}": value for index, value in replayed.items()}
