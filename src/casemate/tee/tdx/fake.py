"""TDs without hardware: quotes of version 4 and 5, TD 1.0 and 1.5, with logs that replay."""

import hashlib
from datetime import datetime
from types import MappingProxyType
from typing import Final

from casemate.crypto.digest import Algorithm, Digest
from casemate.errors import InputError
from casemate.tee.dcap import fake
from casemate.tee.dcap.bodies import TD_REPORT, TD_REPORT_15, TdReport
from casemate.tee.dcap.fake_collateral import MODULE_MAJOR, MODULE_SVN, TDX_COMPONENTS
from casemate.tee.dcap.fake_platform import choice
from casemate.tee.evidence import fitted
from casemate.tee.simulation import COMMON, REPORT_DATA, Changes, Simulated
from casemate.tee.tdx.report import TEE, TdxEvidence
from casemate.wire.eventlog import EventLog, LoggedEvent, replay
from casemate.wire.tpm import ALG_SHA384

FIELDS: Final = MappingProxyType(
    {
        **{part.name: f"hex; {part.meaning}" for part in TD_REPORT_15.parts},
        "td": "1.0 or 1.5 (version 5 only)",
        "event_log": "valid, none, changed, short or stray: the log beside the quote",
        **fake.FIELDS,
        **COMMON,
    }
)
_TCB_SVN: Final = bytes((MODULE_SVN, MODULE_MAJOR)) + TDX_COMPONENTS[2:]
_SEPT_VE_DISABLE: Final = bytes.fromhex("0000001000000000")
_XFAM: Final = bytes.fromhex("e702060000000000")
_ALGORITHMS: Final = {one.size: one for one in Algorithm}
_ACTION: Final = 5
_STRAY: Final = 7
_VERSION_5: Final = 5


def simulate(changes: Changes, now: datetime) -> Simulated:
    """Make TDX evidence.

    Raises:
        InputError: a value cannot be meant.
    """
    report_data = changes.data("report_data", REPORT_DATA)
    init_data = _init_data(changes)
    log, raw_log = _log(changes)
    body = _body(changes, report_data, init_data, log)
    minted = fake.mint(changes, body, _version(changes), now)
    return Simulated(
        tee=TEE,
        evidence=TdxEvidence(minted.quote, raw_log).encode(),
        binary=minted.quote,
        report_data=report_data,
        init_data=init_data,
        now=now,
        roots={"root.pem": minted.root},
        collateral=minted.collateral,
    )


def _version(changes: Changes) -> int:
    return changes.number("version", _VERSION_5)


def _init_data(changes: Changes) -> Digest | None:
    value = changes.data("init_data", b"")
    if not value:
        return None
    if len(value) not in _ALGORITHMS:
        raise InputError("init_data", got=f"{len(value)} bytes", want="32, 48 or 64 bytes")
    return Digest(_ALGORITHMS[len(value)], value)


def _body(
    changes: Changes, report_data: bytes, init_data: Digest | None, log: EventLog
) -> TdReport:
    kinds = {"1.0": TD_REPORT, "1.5": TD_REPORT_15}
    version_5 = _version(changes) == _VERSION_5
    record = choice(changes, "td", kinds, "1.5" if version_5 else "1.0")
    replayed = replay(log.events, ALG_SHA384)
    defaults = {
        "tcb_svn": _TCB_SVN,
        "td_attributes": _SEPT_VE_DISABLE,
        "xfam": _XFAM,
        "mr_seam": hashlib.sha384(b"simulated TDX module").digest(),
        "mr_td": hashlib.sha384(b"simulated firmware").digest(),
        "mr_config_id": fitted(init_data.value if init_data else b"", 48),
        **{f"rtmr_{one}": replayed.get(one + 1, bytes(48)) for one in range(4)},
        "tee_tcb_svn2": changes.data("tcb_svn", _TCB_SVN),
    }
    fixed = {"report_data": fitted(report_data, 64)}
    return TdReport(*fake.fields_of(record, changes, defaults, fixed))


def _log(changes: Changes) -> tuple[EventLog, bytes | None]:
    """Give the log that the registers follow from, and the one that is presented."""
    algorithms = ((ALG_SHA384, 48),)
    events = tuple(
        LoggedEvent(register, _ACTION, ((ALG_SHA384, hashlib.sha384(text).digest()),), text)
        for register, text in ((1, b"firmware"), (2, b"kernel"), (2, b"loader"), (3, b"initrd"))
    )
    log = EventLog(algorithms, events)
    changed = LoggedEvent(3, _ACTION, ((ALG_SHA384, bytes(48)),), b"initrd")
    stray = LoggedEvent(_STRAY, _ACTION, ((ALG_SHA384, bytes(48)),), b"stray")
    presented = {
        "valid": log,
        "none": None,
        "changed": EventLog(algorithms, (*events[:-1], changed)),
        "short": EventLog(algorithms, events[:-1]),
        "stray": EventLog(algorithms, (*events, stray)),
    }
    chosen = choice(changes, "event_log", presented, "valid")
    return log, None if chosen is None else chosen.encode() + b"\xff" * 8
