"""Steps that only a TD has: its module, its mode, its log."""

import msgspec
import pytest

from casemate.errors import VerificationError
from casemate.tee.dcap import publications
from casemate.tee.dcap.options import DcapOptions
from casemate.tee.dcap.quote import Quote
from casemate.tee.dcap.verification import verify_quote
from casemate.tee.evidence import Expectation
from casemate.tee.material import Material
from casemate.tee.options import Options
from casemate.tee.tdx.verifier import CHECKS
from casemate.tee.trail import Result, Trail
from casemate.tee.verifiers import trail_of, verify
from tests.sim.dcap import (
    claims_of,
    evidence_around,
    expected_of,
    inputs_of,
    options,
    refusal,
    refusal_of,
    simulated,
    verdict,
)

REST = "04" + "00" * 13
"""Of a tcb_svn behind the module's version: what the newest level asks for."""
OLD, NEW = "0401" + REST, "0601" + REST


@pytest.mark.check("tdx", 11)
@pytest.mark.parametrize(
    "fields",
    [
        {"seam_attributes": "0100000000000000"},
        {"mrsigner_seam": "01" * 48},
        {"module_mrsigner": "01" * 48},
        {"module_attributes": "0100000000000000"},
        {"module_id": "TDX_02"},
        {"tcb_svn": "0301" + REST},
        {"tcb_svn": "0602" + REST},
        {"module_status": "Revoked"},
        {"module_status": "SWHardeningNeeded"},
        {"module_status": "ConfigurationNeeded"},
        {"tee_tcb_svn2": "0301" + REST},
        {"tee_tcb_svn2": "0602" + REST},
        {"tee_tcb_svn2": "0601" + "02" + "00" * 13},
    ],
)
def test_module_that_is_unknown_or_too_old_is_refused(fields: dict[str, str]) -> None:
    assert refusal_of("tdx", **fields).startswith("tdx.11 tdx module")


def test_module_of_version_0_is_judged_with_the_platform() -> None:
    claims = claims_of("tdx", tcb_svn="0500" + REST)
    assert claims["tcb_status"] == "UpToDate"
    assert claims["tdx_module_version"] == "0.5"
    assert "tdx_module_tcb_status" not in claims
    assert claims_of("tdx", tcb_svn="0400" + REST)["tcb_status"] == "OutOfDate"
    found = refusal_of("tdx", tcb_svn="0500" + REST, mrsigner_seam="01" * 48)
    assert found.startswith("tdx.11 tdx module: mrsigner_seam")


def test_tdx_versions_count_for_the_platforms_level() -> None:
    claims = claims_of("tdx", version="4", tcb_svn="0601" + "03" + "00" * 13)
    assert (claims["platform_tcb_status"], claims["tcb_status"]) == ("OutOfDate", "OutOfDate")
    found = refusal_of("tdx", version="4", tcb_svn="0601" + "01" + "00" * 13)
    assert found.startswith("tdx.10 platform tcb")


@pytest.mark.parametrize(
    ("fields", "status", "current"),
    [
        ({}, "TDRelaunchAdvised", "UpToDate"),
        (
            {"tcb_status": "ConfigurationNeeded"},
            "TDRelaunchAdvisedConfigurationNeeded",
            "ConfigurationNeeded",
        ),
        ({"tcb_status": "SWHardeningNeeded"}, "TDRelaunchAdvised", "SWHardeningNeeded"),
        ({"tee_tcb_svn2": OLD}, "OutOfDate", "OutOfDate"),
        ({"tee_tcb_svn2": "0501" + REST}, "OutOfDate", "OutOfDate"),
        ({"qe_isv_svn": "0600"}, "OutOfDate", "OutOfDate"),
        ({"tcb_svn": "0401" + "03" + "00" * 13}, "OutOfDate", "UpToDate"),
        ({"pck_components": "04040202040100050000000000000000"}, "OutOfDate", "OutOfDate"),
        ({"module_status": "OutOfDate"}, "OutOfDate", "OutOfDate"),
    ],
)
def test_new_launch_is_advised_only_where_it_would_mend_all(
    fields: dict[str, str], status: str, current: str
) -> None:
    claims = claims_of("tdx", **({"tcb_svn": OLD, "tee_tcb_svn2": NEW} | fields))
    assert (claims["tcb_status"], claims["tcb_status_current"]) == (status, current)


def test_new_launch_of_a_version_0_module_is_advised() -> None:
    claims = claims_of("tdx", tcb_svn="0400" + REST, tee_tcb_svn2="0500" + REST)
    assert claims["tcb_status"] == "TDRelaunchAdvised"
    claims = claims_of("tdx", tcb_svn="0400" + REST, tee_tcb_svn2="0400" + REST)
    assert claims["tcb_status"] == "OutOfDate"


def test_td_1_0_is_never_advised_to_relaunch() -> None:
    claims = claims_of("tdx", td="1.0", tcb_svn=OLD)
    assert claims["tcb_status"] == "OutOfDate"
    assert "tcb_status_current" not in claims


@pytest.mark.parametrize(
    ("platform", "qe", "whole"),
    [
        ("UpToDate", "UpToDate", "UpToDate"),
        ("UpToDate", "OutOfDate", "OutOfDate"),
        ("SWHardeningNeeded", "UpToDate", "SWHardeningNeeded"),
        ("SWHardeningNeeded", "OutOfDate", "OutOfDate"),
        ("ConfigurationNeeded", "OutOfDate", "OutOfDateConfigurationNeeded"),
        ("ConfigurationAndSWHardeningNeeded", "OutOfDate", "OutOfDateConfigurationNeeded"),
        ("OutOfDate", "UpToDate", "OutOfDate"),
        ("OutOfDateConfigurationNeeded", "OutOfDate", "OutOfDateConfigurationNeeded"),
        ("UpToDate", "ConfigurationNeeded", "ConfigurationNeeded"),
    ],
)
def test_worst_part_decides(platform: str, qe: str, whole: str) -> None:
    assert claims_of("tdx", tcb_status=platform, qeid_status=qe)["tcb_status"] == whole


def test_advisories_of_every_part_are_named_once() -> None:
    claims = claims_of(
        "tdx",
        tcb_advisories="INTEL-SA-00001,INTEL-SA-01036",
        tcb_svn=OLD,
        qe_isv_svn="0600",
    )
    assert claims["advisory_ids"] == ["INTEL-SA-00001", "INTEL-SA-01036", "INTEL-SA-00477"]


@pytest.mark.check("tdx", 12)
@pytest.mark.parametrize("bits", ["0100001000000000", "1000001000000000", "8000001000000000"])
def test_debug_td_is_refused_unless_allowed(bits: str) -> None:
    assert refusal_of("tdx", td_attributes=bits).startswith("tdx.12 mode: td_attributes")
    chosen = options("tdx.allow_unknown_attributes=true", debug=True)
    assert claims_of("tdx", chosen, td_attributes=bits)["tcb_status"] == "UpToDate"


@pytest.mark.check("tdx", 12)
@pytest.mark.parametrize(
    "fields", [{"td_attributes": "0000003000000000"}, {"mr_servicetd": "00" * 47 + "01"}]
)
def test_migration_is_refused_unless_allowed(fields: dict[str, str]) -> None:
    assert refusal_of("tdx", **fields).startswith("tdx.12 mode: td_attributes, mr_servicetd")
    chosen = options(migration=True)
    assert claims_of("tdx", chosen, **fields)["tcb_status"] == "UpToDate"


@pytest.mark.check("tdx", 12)
def test_td_into_which_the_host_may_inject_ve_is_refused_unless_left_to_the_policy() -> None:
    assert refusal_of("tdx", td_attributes="00" * 8).startswith("tdx.12 mode")
    claims = claims_of("tdx", options("tdx.require_septve_disable=false"), td_attributes="00" * 8)
    assert claims["td_attributes"]["septve_disable"] is False


@pytest.mark.check("tdx", 12)
@pytest.mark.parametrize("bits", ["0001001000000000", "0000001000010000"])
def test_attributes_that_nobody_knows_are_refused_unless_left_to_the_policy(bits: str) -> None:
    assert refusal_of("tdx", td_attributes=bits).startswith("tdx.12 mode")
    chosen = options("tdx.allow_unknown_attributes=true")
    assert claims_of("tdx", chosen, td_attributes=bits)["quote"]["body"]["td_attributes"] == bits


def test_attributes_that_help_or_are_for_the_policy_are_named_in_claims() -> None:
    claims = claims_of("tdx", td_attributes="00000 0d8 0000 0080".replace(" ", ""))
    assert claims["td_attributes"] == {
        "debug": False,
        "septve_disable": True,
        "protection_keys": True,
        "key_locker": True,
        "perfmon": True,
    }


@pytest.mark.check("tdx", 15)
@pytest.mark.parametrize("log", ["changed", "short", "stray"])
def test_log_that_does_not_explain_the_registers_is_refused(log: str) -> None:
    assert refusal_of("tdx", event_log=log).startswith("tdx.15 event log")


@pytest.mark.check("tdx", 15)
@pytest.mark.parametrize("register", range(4))
def test_register_that_the_log_does_not_explain_is_refused(register: int) -> None:
    found = refusal_of("tdx", **{f"rtmr_{register}": "01" * 48})
    assert found.startswith(f"tdx.15 event log: rtmr_{register}")


@pytest.mark.check("tdx", 15)
@pytest.mark.parametrize("log", [b"", b"no log", bytes(100), b"\xff" * 8])
def test_log_that_is_unreadable_is_refused(log: bytes) -> None:
    made = simulated("tdx")
    assert made.binary is not None
    evidence = evidence_around("tdx", made.binary, log)
    assert refusal(made, evidence=evidence).startswith("tdx.15 event log")


@pytest.mark.check("tdx", 15)
def test_missing_log_is_skipped_unless_it_is_required() -> None:
    made = simulated("tdx", event_log="none")
    trail = trail_of("tdx")
    verify("tdx", made.evidence, expected_of(made), inputs_of(made), trail)
    assert trail.results[-1].result is Result.SKIPPED
    strict = inputs_of(made, options=options("tdx.event_log=required"))
    assert refusal(made, strict).startswith("tdx.15 event log: cc_eventlog: got none")
    with_log = simulated("tdx")
    strict = inputs_of(with_log, options=options("tdx.event_log=required"))
    assert len(verdict(with_log, strict).claims["uefi_event_logs"]) == 4


def test_log_is_not_looked_at_before_the_quote_is_verified() -> None:
    made = simulated("tdx", quote_signer="other", event_log="changed")
    assert refusal(made, expected=Expectation(report_data=None)).startswith("tdx.9")


@pytest.mark.check("tdx", 5)
def test_list_without_an_end_is_refused() -> None:
    made = simulated("tdx")
    given = inputs_of(made)
    lists = publications.find(given.collateral).lists
    for one in lists:
        one.next_update = None
    endless = Material(given.collateral.certificates, lists, given.collateral.files)
    found = refusal(made, msgspec.structs.replace(given, collateral=endless))
    assert found.startswith("tdx.5 collateral age: revocation list of Intel SGX PCK Platform CA")


def test_options_of_every_quote_are_strict_about_a_tds_attributes() -> None:
    made = simulated("tdx", td_attributes="00" * 8)
    assert made.binary is not None
    with pytest.raises(VerificationError) as caught:
        verify_quote(
            Quote.parse(made.binary), inputs_of(made), DcapOptions(), Trail("tdx", CHECKS), 2
        )
    assert caught.value.refusal.step == "tdx.12 mode"


@pytest.mark.parametrize("tee", ["tdx", "sgx"])
def test_looking_back_counts_lists_that_came_later_and_no_documents(tee: str) -> None:
    back = Options(looking_back=True)
    assert claims_of(tee, back, list_issued="5")["tcb_status"] == "UpToDate"
    assert refusal_of(tee, back, list_issued="5", revoked="pck").startswith(f"{tee}.4 revocation")
    assert refusal_of(tee, back, tcb_issued="5").startswith(f"{tee}.5 collateral age")
