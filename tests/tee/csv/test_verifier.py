"""What an operator may loosen or tighten, and what is stricter than upstream."""

import msgspec
import pytest

from casemate.crypto.sm3 import sm3
from casemate.crypto.vendor_chain import ChainMemory
from casemate.errors import InputError, PeerError, VerificationError
from casemate.tee.anchors import Anchors
from casemate.tee.csv.claims import evidence_field
from casemate.tee.layouts import LAYOUTS
from casemate.tee.material import Material
from casemate.tee.options import Options
from casemate.tee.trail import Result
from casemate.tee.verifiers import VERIFIERS
from casemate.wire.eventlog import EV_NO_ACTION, EventLog, LoggedEvent
from casemate.wire.tpm import ALG_SHA384, ALG_SM3
from tests.tee.simulated import inputs_of, refused_at, results, simulated, verdicts


def options(**own: str) -> Options:
    return Options(own={"csv": own})


@pytest.mark.check("csv", 9)
def test_debugging_is_refused_unless_allowed() -> None:
    one = simulated("csv", report__policy="0x44")
    assert refused_at(one) == "9 policy"
    (found,) = verdicts(one, inputs=inputs_of(one, Options(allow_debug=True)))
    assert found.claims["policy"]["nodbg"] == 0
    assert found.claims["typed"]["debug_allowed"] is True


@pytest.mark.check("csv", 9)
def test_guest_that_may_be_sent_is_refused_when_asked_for() -> None:
    one = simulated("csv")
    assert refused_at(one, inputs=inputs_of(one, options(require_nosend="true"))) == "9 policy"
    kept = simulated("csv", report__policy="0x4d")
    assert verdicts(kept, inputs=inputs_of(kept, options(require_nosend="true")))


@pytest.mark.check("csv", 8)
def test_erased_mac_is_refused_when_asked_for() -> None:
    one = simulated("csv", restored="true")
    assert refused_at(one, inputs=inputs_of(one, options(require_mac="true"))) == "8 MAC"


@pytest.mark.check("csv", 6)
def test_serial_number_is_tied_to_the_report() -> None:
    one = simulated("csv", serial_number=b"OTHER1".hex(), hsk_cek="true", restored="true")
    assert refused_at(one) == "6 signer"


@pytest.mark.check("csv", 11)
def test_initdata_that_nothing_binds_is_refused() -> None:
    for size in (32, 48, 64):
        assert refused_at(simulated("csv", init_data="11" * size)) == "11 initdata"


def event(register: int, kind: int = 6, data: bytes = b"LEAA\0\0\0\0") -> LoggedEvent:
    return LoggedEvent(register, kind, ((ALG_SM3, sm3(data)),), data)


def log(*events: LoggedEvent) -> str:
    return EventLog(((ALG_SM3, 32),), events).encode().hex()


@pytest.mark.check("csv", 12)
def test_log_must_explain_every_register() -> None:
    one = simulated("csv", version="2")
    (found,) = verdicts(one)
    assert [entry["index"] for entry in found.claims["uefi_event_logs"]] == [1, 2, 3, 4]
    assert found.claims["uefi_event_logs"][0]["digests"][0]["alg"] == "SM3"
    right = EventLog.parse(msgspec.json.decode(one.evidence, type=Shown).cc_eventlog)
    for wrong in (
        log(*right.events[1:]),
        log(*right.events[:-1]),
        log(*reversed(right.events), *right.events),
        log(*right.events, event(5)),
        log(),
    ):
        assert refused_at(simulated("csv", version="2", event_log=wrong)) == "12 event log"
    again = simulated("csv", version="2", event_log=log(*right.events))
    assert verdicts(again)


class Shown(msgspec.Struct):
    cc_eventlog: bytes


@pytest.mark.check("csv", 12)
def test_entry_without_a_digest_of_the_registers_hash_is_refused() -> None:
    other = LoggedEvent(1, 6, ((ALG_SHA384, bytes(48)),), b"x")
    both = EventLog(((ALG_SM3, 32), (ALG_SHA384, 48)), (other,)).encode().hex()
    assert refused_at(simulated("csv", version="2", event_log=both)) == "12 event log"


def test_entries_of_register_0_are_no_claims() -> None:
    right = EventLog.parse(
        msgspec.json.decode(simulated("csv", version="2").evidence, type=Shown).cc_eventlog
    )
    mixed = log(event(0), event(0, EV_NO_ACTION), *right.events)
    (found,) = verdicts(simulated("csv", version="2", event_log=mixed))
    shown = found.claims["uefi_event_logs"]
    assert (shown[0]["index"], shown[0]["type_name"]) == (0, "EV_NO_ACTION")
    assert [one["index"] for one in shown] == [0, 1, 2, 3, 4]


def test_event_log_of_a_version_1_report_is_no_claim() -> None:
    one = simulated("csv")
    document = msgspec.json.decode(one.evidence) | {"cc_eventlog": "AAAA"}
    (found,) = verdicts(one, msgspec.json.encode(document))
    assert "uefi_event_logs" not in found.claims
    assert results(one)[12] is Result.SKIPPED


def test_log_may_be_optional_or_needless() -> None:
    one = simulated("csv", version="2", event_log="none")
    (found,) = verdicts(one, inputs=inputs_of(one, options(event_log="optional")))
    assert "uefi_event_logs" not in found.claims
    zeros = {f"report__rtmr{index}": "00" * 32 for index in range(1, 5)}
    assert verdicts(simulated("csv", version="2", event_log="none", **zeros))


def test_unknown_option_is_an_input_error() -> None:
    one = simulated("csv")
    for wrong in (options(nobody="1"), options(event_log="maybe")):
        with pytest.raises(InputError):
            verdicts(one, inputs=inputs_of(one, wrong))


def test_memory_keeps_the_chain_and_changes_no_verdict() -> None:
    one, memory = simulated("csv"), ChainMemory(most=2)
    for _ in range(3):
        assert verdicts(one, inputs=inputs_of(one, memory=memory)) == verdicts(one)
    other = simulated("csv", hsk__flip="500")
    assert refused_at(other, inputs=inputs_of(other, memory=memory)) == "3 HSK"


def test_files_of_other_machines_are_passed_over() -> None:
    one, others = simulated("csv"), [simulated("csv") for _ in range(3)]
    (right,) = one.collateral.values()
    files = {
        f"m{index}/hsk_cek.cert": b for index, o in enumerate(others) for b in o.collateral.values()
    }
    junk = {"a": bytes(2916), "b": b"\xff" * 2916, "c": bytes(832), "d": b""}
    inputs = msgspec.structs.replace(
        inputs_of(one), collateral=Material.of_files(junk | files | {"z": right})
    )
    assert verdicts(one, inputs=inputs)


def test_operators_folder_may_hold_the_vendors_certificates_too() -> None:
    one = simulated("csv")
    anchors = Anchors.of_folder({**one.roots, **one.collateral})
    inputs = msgspec.structs.replace(inputs_of(one), anchors=anchors, collateral=Material())
    assert verdicts(one, inputs=inputs)


def test_of_two_roots_the_one_that_signed_is_used() -> None:
    one = simulated("csv")
    stranger = simulated("csv", hrk__kid="aa", hrk__sid="aa")
    anchors = Anchors.of_folder(
        {"1": next(iter(stranger.roots.values())), "2": next(iter(one.roots.values()))}
    )
    assert verdicts(one, inputs=msgspec.structs.replace(inputs_of(one), anchors=anchors))


def test_hsk_named_as_a_root_is_none() -> None:
    one = simulated("csv")
    (pair,) = one.collateral.values()
    anchors = Anchors.of_folder({"hsk.cert": pair[:832]})
    inputs = msgspec.structs.replace(inputs_of(one), anchors=anchors)
    assert refused_at(one, inputs=inputs) == "2 root"


def test_plan_asks_for_what_is_missing() -> None:
    plan, one = VERIFIERS["csv"].plan, simulated("csv")
    nothing = msgspec.structs.replace(inputs_of(one), collateral=Material())
    (want,) = plan(one.evidence, nothing)
    assert want.name == "hygon/hsk_cek/SIM000000001/hsk_cek.cert"
    assert want.fallbacks == ("hsk_cek/SIM000000001/hsk_cek.cert",)
    assert want.url == "https://cert.hygon.cn/hsk_cek?snumber=SIM000000001"
    assert plan(one.evidence, inputs_of(one)) == ()
    assert plan(simulated("csv", hsk_cek="true").evidence, nothing) == ()
    mirror = msgspec.structs.replace(nothing, options=options(url="https://mirror.test/h"))
    assert plan(one.evidence, mirror)[0].url == "https://mirror.test/h/hsk_cek?snumber=SIM000000001"
    useless = Material.of_files({want.name: b"not found", "hygon/hrk.cert": b"x"})
    assert plan(one.evidence, msgspec.structs.replace(nothing, collateral=useless)) == ()
    untrusted = msgspec.structs.replace(nothing, anchors=type(nothing.anchors)())
    assert plan(one.evidence, untrusted)[0].name == "hygon/hrk.cert"
    with pytest.raises(VerificationError):
        plan(b"{}", nothing)


def test_serial_number_can_name_no_other_place() -> None:
    plan = VERIFIERS["csv"].plan
    for serial in (b"../../x", b"a/b", b"a&b=c", b"a b", b"", b"\xff", b"a\0b"):
        one = simulated("csv", signer__serial_number=serial.hex(), serial_number=serial.hex())
        with pytest.raises(VerificationError):
            plan(one.evidence, inputs_of(one))


def test_every_claim_has_its_place_in_the_evidence() -> None:
    for version in ("1", "2"):
        (found,) = verdicts(simulated("csv", version=version))
        assert all(evidence_field(name) for name in found.claims)
        assert "signed" in evidence_field("policy.nodbg")
    assert evidence_field("nobody") == ""


@pytest.mark.parametrize("version", ["1", "2"])
def test_layout_shows_the_report_without_its_mask(version: str) -> None:
    one = simulated("csv", version=version, hsk_cek="true")
    sections = LAYOUTS["csv"](one.evidence)
    fields = {field.name: field.value for field in sections[1].fields}
    assert fields["report_data"] == one.report_data.ljust(64, b"\0").hex()
    assert [section.title for section in sections][-2:] == ["HSK", "CEK"]
    assert one.binary is not None
    assert LAYOUTS["csv"](one.binary) == sections[1:4]
    with pytest.raises(PeerError):
        LAYOUTS["csv"](one.binary[:-1])
