"""Real quotes with real collateral: the verdict table of the vectors' README, row by row."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from casemate.crypto.certificate import Certificate
from casemate.crypto.digest import Digest
from casemate.crypto.pem import blocks
from casemate.errors import VerificationError
from casemate.tee.dcap.claims import td_claims_of
from casemate.tee.dcap.pck import PckExtension
from casemate.tee.evidence import Expectation, Inputs
from casemate.tee.material import Material
from casemate.tee.options import Options
from casemate.tee.tdx.verifier import parse_quote
from casemate.tee.verifiers import verify
from casemate.wire.eventlog import EventLog
from casemate.wire.eventlog_json import to_claims
from tests.sim.dcap import evidence_around, options
from tests.vectors import vector

COLLATERAL_2023 = "collateral-50806F000000-2023-06.json"
COLLATERAL_2025 = "collateral-00A06D080000-2025-11.json"
OUTDATED = "qvl_tdx_quote_outdated_collateral.json"
LENIENT = options("tdx.collateral_grace_days=30", debug=True)


def read(name: str, folder: str = "tdx") -> bytes:
    return vector(folder, name).read_bytes()


def inputs(collateral: str | None, day: str, chosen: Options | None = None) -> Inputs:
    files = {collateral: read(collateral)} if collateral else {}
    return Inputs(
        now=datetime.fromisoformat(day).replace(tzinfo=UTC),
        collateral=Material.of_files(files),
        options=chosen or Options(),
    )


def claims(evidence: bytes, given: Inputs, expected: Expectation | None = None) -> dict[str, Any]:
    (found,) = verify("tdx", evidence, expected or Expectation(report_data=None), given)
    return found.claims


def step(evidence: bytes, given: Inputs) -> str:
    with pytest.raises(VerificationError) as caught:
        claims(evidence, given)
    return caught.value.refusal.step


def test_claims_are_upstreams_to_the_letter() -> None:
    quote, body = parse_quote(read("tdx_quote_4.dat"))
    leaf = Certificate.parse(blocks(quote.signature_data.certificates)[0])
    found = td_claims_of(quote, body, PckExtension.of(leaf))
    log = EventLog.parse(read("CCEL_data", "eventlog"))
    wanted = json.loads(read("parse_tdx_claims_expected.json"))
    assert found | {"uefi_event_logs": to_claims(log)} == wanted


def test_debug_td_of_2023() -> None:
    given = inputs(COLLATERAL_2023, "2023-07-01", options(debug=True))
    found = claims(read("tdx_quote_4.dat"), given)
    assert found["tcb_status"] == "UpToDate"
    assert found["tcb_date"] == "2023-02-15T00:00:00Z"
    assert found["qe_tcb_status"] == "UpToDate"
    assert found["collateral_expiration_status"] == "0"
    assert "tdx_module_tcb_status" not in found
    assert found["platform_instance_id"] == "82548d228d94d5e204a95b354dc61a02"
    assert found["td_attributes"]["debug"] is True


def test_debug_td_is_refused_unless_allowed() -> None:
    given = inputs(COLLATERAL_2023, "2023-07-01")
    assert step(read("tdx_quote_4.dat"), given) == "tdx.12 mode"


def test_collateral_expired_for_12_days_needs_a_longer_grace() -> None:
    quote = read("tdx_quote_4.dat")
    strict = inputs(COLLATERAL_2023, "2023-07-20", options(debug=True))
    assert step(quote, strict) == "tdx.5 collateral age"
    found = claims(quote, inputs(COLLATERAL_2023, "2023-07-20", LENIENT))
    assert found["collateral_expiration_status"] == "1"
    assert found["collateral_expired"] is True
    assert found["tcb_status"] == "UpToDate"
    assert found["earliest_expiration_date"] == "2023-07-08T07:24:59Z"


def test_collateral_expired_since_yesterday_is_within_the_grace() -> None:
    given = inputs(COLLATERAL_2023, "2023-07-10", options(debug=True))
    assert claims(read("tdx_quote_4.dat"), given)["collateral_expiration_status"] == "1"


def test_platform_out_of_date_with_a_module_of_its_own() -> None:
    chosen = options("tdx.allow_future_crl=true")
    found = claims(read("tdx_quote_6.dat"), inputs(COLLATERAL_2025, "2025-11-10", chosen))
    assert found["tcb_status"] == "OutOfDate"
    assert found["tcb_date"] == "2018-01-04T00:00:00Z"
    assert found["qe_tcb_status"] == found["tdx_module_tcb_status"] == "UpToDate"
    assert found["tdx_module_version"] == "3.5"
    assert found["sgx_type"] == "Scalable with Integrity"
    assert found["init_data"].startswith("889abf47")
    assert found["collateral_expiration_status"] == "0"
    assert found["quote_tail_bytes"] == 70


def test_list_that_is_yet_to_come_is_refused_unless_allowed() -> None:
    given = inputs(COLLATERAL_2025, "2025-11-10")
    assert step(read("tdx_quote_6.dat"), given) == "tdx.4 revocation"


def test_documents_that_expired_three_months_ago_need_a_longer_grace() -> None:
    quote = read("tdx_quote_6.dat")
    assert step(quote, inputs(COLLATERAL_2025, "2026-03-01")) == "tdx.5 collateral age"
    chosen = options("tdx.collateral_grace_days=100")
    found = claims(quote, inputs(COLLATERAL_2025, "2026-03-01", chosen))
    assert (found["tcb_status"], found["collateral_expiration_status"]) == ("OutOfDate", "1")


def test_version_5_of_a_td_1_5() -> None:
    found = claims(read("gtdx_quote_v5_sample.dat"), inputs(OUTDATED, "2026-03-01"))
    assert found["tcb_status"] == found["tcb_status_current"] == "UpToDate"
    assert found["tcb_date"] == found["tcb_date_current"] == "2024-11-13T00:00:00Z"
    assert found["tdx_module_tcb_status"] == "UpToDate"
    assert found["quote"]["type"] == "0300"
    assert found["quote"]["size"] == "88020000"
    assert found["quote"]["body"]["tee_tcb_svn2"].startswith("0d0104")
    assert found["quote"]["body"]["tcb_svn"].startswith("0b0104")
    assert found["quote"]["body"]["mr_servicetd"] == "00" * 48
    assert (found["tcb_eval_num"], found["pck_crl_num"], found["root_ca_crl_num"]) == (18, 1, 1)
    assert found["root_key_id"].startswith("46e403bd34f05a3f")
    assert found["platform_provider_id"] == "2734b654f553596897eaadfb5667a954"
    # as dcap-qvl computes them: 1526899510, 1771412331 and 1774003275 seconds
    assert found["earliest_issue_date"] == "2018-05-21T10:45:10Z"
    assert found["latest_issue_date"] == "2026-02-18T10:58:51Z"
    assert found["earliest_expiration_date"] == "2026-03-20T10:41:15Z"
    assert (
        found["is_dynamic_platform"] is found["is_cached_keys"] is found["is_smt_enabled"] is True
    )


def test_version_4_up_to_date() -> None:
    found = claims(read("qvl_tdx_quote.dat"), inputs("qvl_tdx_quote_collateral.json", "2025-07-01"))
    assert (found["tcb_status"], found["tcb_date"]) == ("UpToDate", "2024-03-13T00:00:00Z")
    assert found["tdx_module_tcb_status"] == "UpToDate"
    assert "tcb_status_current" not in found
    assert found["quote"]["header"]["version"] == "0400"


@pytest.mark.parametrize(
    ("quote", "collateral", "day"),
    [
        ("gtdx_prod_quote_SPR_E4.dat", COLLATERAL_2023, "2023-07-01"),
        ("qvl_tdx_quote_outdated.dat", OUTDATED, "2026-03-01"),
    ],
)
def test_platform_without_a_level_is_refused_for_good(
    quote: str, collateral: str, day: str
) -> None:
    given = inputs(collateral, day, options("tdx.collateral_grace_days=36500", debug=True))
    assert step(read(quote), given) == "tdx.10 platform tcb"


@pytest.mark.parametrize("day", ["2023-07-01", "2025-11-10", "2026-03-01"])
def test_collateral_of_another_platform_is_refused(day: str) -> None:
    given = inputs(COLLATERAL_2025, day, LENIENT)
    assert step(read("tdx_quote_4.dat"), given) == "tdx.3 collateral"


def test_chain_alone_holds_without_collateral() -> None:
    given = inputs(None, "2026-03-01")
    assert step(read("gtdx_cos_113_quote.dat"), given) == "tdx.3 collateral"


def test_raw_pcs_answers_serve_as_well() -> None:
    chosen = options("tdx.allow_future_crl=true")
    folder = json.loads(read(COLLATERAL_2025))
    given = inputs(None, "2025-11-10", chosen)
    files = {
        "intel/tdx/tcb/00A06D080000/early.json": read("tcbInfo.json"),
        "intel/tdx/qe/early.json": read("enclaveIdentity.json"),
        "chain.pem": folder["tcb_info_issuer_chain"].encode(),
        "pck.der": bytes.fromhex(folder["pck_crl"]),
        "root.hex": folder["root_ca_crl"].encode(),
    }
    material = Material.of_files(files)
    given = Inputs(now=given.now, collateral=material, options=chosen)
    found = claims(read("tdx_quote_6.dat"), given)
    assert found == claims(read("tdx_quote_6.dat"), inputs(COLLATERAL_2025, "2025-11-10", chosen))


def test_wires_json_and_bare_quote_give_the_same_claims() -> None:
    given = inputs("qvl_tdx_quote_collateral.json", "2025-07-01")
    raw = read("qvl_tdx_quote.dat")
    assert claims(raw, given) == claims(evidence_around("tdx", raw), given)


def test_report_data_and_initdata_of_real_quotes() -> None:
    raw = read("tdx_quote_6.dat")
    given = inputs(COLLATERAL_2025, "2025-11-10", options("tdx.allow_future_crl=true"))
    _, body = parse_quote(raw)
    init_data = Digest.parse(f"sha384:{body.mr_config_id.hex()}")
    bound = Expectation(report_data=body.report_data[:48], init_data=init_data)
    assert claims(raw, given, bound)["init_data"] == init_data.hex
    other = Expectation(report_data=body.report_data[:47] + b"\0")
    with pytest.raises(VerificationError) as caught:
        claims(raw, given, other)
    assert caught.value.refusal.step == "tdx.13 report data"


@pytest.mark.parametrize("at", [100, 640, 700, 800, 1160])
def test_mutations_named_by_the_vectors_are_refused(at: int) -> None:
    raw = read("tdx_quote_4.dat")
    changed = raw[:at] + bytes((raw[at] ^ 1,)) + raw[at + 1 :]
    step(changed, inputs(COLLATERAL_2023, "2023-07-01", options(debug=True)))


def test_any_byte_of_the_tcb_info_matters() -> None:
    raw = read("tdx_quote_4.dat")
    folder = json.loads(read(COLLATERAL_2023))
    text = folder["tcb_info"]
    now = datetime(2023, 7, 1, tzinfo=UTC)
    for at in range(0, len(text), 97):
        changed = text[:at] + chr(ord(text[at]) ^ 1) + text[at + 1 :]
        material = Material.of_files(
            {"c.json": json.dumps(folder | {"tcb_info": changed}).encode()}
        )
        assert (
            step(raw, Inputs(now=now, collateral=material, options=options(debug=True)))
            == "tdx.3 collateral"
        )


def test_root_list_in_the_place_of_the_pck_list_is_refused() -> None:
    folder = json.loads(read(COLLATERAL_2023))
    changed = json.dumps(folder | {"pck_crl": folder["root_ca_crl"]}).encode()
    given = Inputs(
        now=datetime(2023, 7, 1, tzinfo=UTC), collateral=Material.of_files({"c.json": changed})
    )
    assert step(read("tdx_quote_4.dat"), given) == "tdx.4 revocation"


def test_quote_cut_anywhere_is_refused() -> None:
    raw = read("tdx_quote_4.dat")
    given = inputs(COLLATERAL_2023, "2023-07-01", options(debug=True))
    for size in range(0, len(raw), 13):
        assert step(raw[:size], given) == "tdx.1 shape"


def test_version_4_header_of_an_enclave_is_refused() -> None:
    raw = read("tdx_quote_4.dat")
    given = inputs(COLLATERAL_2023, "2023-07-01", options(debug=True))
    assert step(raw[:4] + bytes(4) + raw[8:], given) == "tdx.1 shape"


def test_real_log_replays_to_the_registers_of_its_quote() -> None:
    """TCB cannot be tested without collateral, so the log's step is made by itself."""
    from casemate.tee.tdx import event_log
    from casemate.tee.tdx.verifier import CHECKS
    from casemate.tee.trail import Trail

    _, body = parse_quote(read("gtdx_cos_113_quote.dat"))
    raw = read("gtdx_cos_113_ccel.dat", "eventlog")
    with Trail("tdx", CHECKS).step(15) as made:
        log = event_log.verify(made, raw, body)
    assert len(log.events) > 40
    assert body.rtmr_3 == bytes(48)
    _, other = parse_quote(read("tdx_quote_4.dat"))
    with pytest.raises(VerificationError), Trail("tdx", CHECKS).step(15) as made:
        event_log.verify(made, raw, other)
