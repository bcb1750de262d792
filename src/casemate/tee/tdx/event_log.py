"""A TD's log against its registers: MR 1 to 4 of the log are RTMR 0 to 3 (tee §5.1)."""

import hmac
from typing import Final

from casemate.tee.dcap.bodies import TdReport
from casemate.tee.trail import Step
from casemate.wire.eventlog import EV_NO_ACTION, EventLog, LoggedEvent, replay
from casemate.wire.eventlog_json import Details, to_claim
from casemate.wire.tpm import ALG_SHA384

REGISTERS: Final = range(1, 5)
_MRTD: Final = 0


def verify(step: Step, raw: bytes, body: TdReport) -> EventLog:
    """Verify that the log gives every register; one without entries must be zero.

    MR 0 stands for the firmware itself (MRTD), which is measured before there is a log.

    Raises:
        VerificationError: it does not, or has entries for registers that a TD has not.
        PeerError: it is unreadable, or an entry has no SHA-384 digest.
    """
    log = EventLog.parse(raw)
    replayed = replay(log.events, ALG_SHA384)
    stray = sorted(set(replayed) - set(REGISTERS) - {_MRTD})
    step.require(not stray, "cc_eventlog", f"entries for registers {stray}", "MR 0 to 4")
    for register, value in zip(REGISTERS, body.rtmrs, strict=True):
        wanted = replayed.get(register, bytes(len(value)))
        if not hmac.compare_digest(value, wanted):
            raise step.refusal(
                claim=f"rtmr_{register - 1}",
                got=value.hex(),
                expected=f"{wanted.hex()}, by replay",
                remedy="something was measured that the log does not show, or the log was changed",
            )
    step.detail = f"{len(log.events)} entries explain every register"
    return log


def claims(log: EventLog) -> list[Details]:
    """Give the entries as claims, without those of MR 0: nothing that was signed proves them.

    Raises:
        PeerError: an entry that its own lengths or digest do not fit.
    """
    return [to_claim(event) for event in log.events if _explained(event)]


def _explained(event: LoggedEvent) -> bool:
    return event.register != _MRTD or event.kind == EV_NO_ACTION
