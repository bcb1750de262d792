"""Hygon's accelerators in software: DCU evidence under a test root of its own."""

from datetime import datetime
from types import MappingProxyType
from typing import Final

import msgspec

from casemate.crypto.sm3 import sm3
from casemate.errors import InputError
from casemate.tee.evidence import fitted
from casemate.tee.hygon.certificate import SM2_SIGNATURE, Usage
from casemate.tee.hygon.fake import FIELDS as _CHIP_FIELDS
from casemate.tee.hygon.fake import (
    ROOT_FILE,
    Chip,
    after,
    fields,
    flipped,
    init_data,
    make_chip,
    override,
)
from casemate.tee.hygondcu.report import (
    FORM,
    MOST_REPORTS,
    SIGNED,
    TEE,
    USER_DATA_SIZE,
    Report,
    to_json,
)
from casemate.tee.simulation import COMMON, REPORT_DATA, Changes, Simulated

CHIP: Final = "DCU0000000"

FIELDS: Final = MappingProxyType(
    {
        **COMMON,
        **_CHIP_FIELDS,
        **fields(FORM, "report"),
        "reports": "number; of accelerators, each of another chip under the same maker",
        "twice": "true: the last report is the first one again",
    }
)


def simulate(changes: Changes, now: datetime) -> Simulated:
    """Make DCU evidence, right, or wrong in what was set.

    Raises:
        InputError: a value that cannot be meant.
    """
    count = changes.number("reports", 1)
    if not 1 <= count <= MOST_REPORTS:
        raise InputError("reports", got=count, want=f"1 to {MOST_REPORTS}")
    report_data = changes.data("report_data", REPORT_DATA)
    chip = make_chip(changes, f"{CHIP}_hsk_cek.cert")
    reports = [_report(changes, index, chip, report_data) for index in range(count)]
    if changes.flag("twice"):
        reports.append(reports[0])
    return Simulated(
        tee=TEE,
        evidence=msgspec.json.encode(to_json(tuple(map(Report.parse, reports)))),
        binary=b"".join(reports),
        report_data=report_data,
        init_data=init_data(changes),
        now=now,
        roots={ROOT_FILE: chip.configured},
        collateral=chip.files,
    )


def _report(changes: Changes, index: int, chip: Chip, report_data: bytes) -> bytes:
    values = override(
        changes,
        FORM,
        "report",
        {
            "version": 1,
            "chip_id": f"{CHIP}{index}".encode(),
            "user_data": fitted(report_data, USER_DATA_SIZE),
            "measure": sm3(b"casemate DCU"),
            "sig_usage": Usage.CEK,
            "sig_algo": SM2_SIGNATURE,
        },
    )
    made = chip.key.sign(FORM.encode(values)[:SIGNED], chip.uid)
    raw = FORM.encode(values | after(changes, "report", made))
    return flipped(changes, "flip", raw, SIGNED)
