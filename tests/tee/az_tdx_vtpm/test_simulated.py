"""Evidence of simulated TDs of Azure: right, or wrong in one field, and refused where it shows.

What Intel's part refuses field by field stands with ``tdx``; here each of its steps refuses once.
"""

import msgspec
import pytest

from casemate.crypto.digest import sha256
from casemate.errors import InputError, VerificationError
from casemate.tee import layouts
from casemate.tee.az_tdx_vtpm.fake import FIELDS
from casemate.tee.az_tdx_vtpm.report import encode, parse
from casemate.tee.evidence import Expectation, Inputs
from casemate.tee.options import NONE, Options
from casemate.tee.trail import Result
from casemate.tee.verifiers import VERIFIERS, trail_of, verify
from tests.tee.azure.simulated import (
    ACCEPTED,
    NOW,
    inputs,
    make,
    outcome,
    refused_at,
    verdict,
)
from tests.tee.azure.wrong_fields import DIGEST, WRONG

TEE = "az-tdx-vtpm"
MARK48 = "11" * 48
OF_INTEL: tuple[tuple[str, str, str], ...] = (
    ("tdx.version", "4", ACCEPTED),
    ("tdx.version", "3", "td quote"),
    ("tdx.version", "6", "td quote"),
    ("tdx.tee_type", "0", "td quote"),
    ("tdx.body_size", "0", "td quote"),
    ("tdx.body_size", "0xffffffff", "td quote"),
    ("tdx.certification", "1", "td quote"),
    ("tdx.td", "1.0", ACCEPTED),
    ("tdx.tail", "", ACCEPTED),
    ("tdx.tail", "ff" * 39, ACCEPTED),
    ("tdx.event_log", "valid", ACCEPTED),
    ("tdx.report_data", "00" * 64, "variable data"),
    ("tdx.flip", "600", "quote signature"),
    ("tdx.flip_qe", "300", "qe report"),
    ("tdx.quote_signer", "other", "quote signature"),
    ("tdx.qe_signer", "other", "qe report"),
    ("tdx.qe_report_data", "00" * 64, "attestation key"),
    ("tdx.qe_mr_signer", "00" * 32, "qe identity"),
    ("tdx.qeid_status", "Revoked", "qe identity"),
    ("tdx.expired", "pck", "pck chain"),
    ("tdx.self_made", "ca", "pck chain"),
    ("tdx.pck_key", "P-384", "qe report"),
    ("tdx.missing", "tcb_info", "collateral"),
    ("tdx.tcb_fmspc", "00" * 6, "collateral"),
    ("tdx.document_signer", "qe_identity", "collateral"),
    ("tdx.missing", "pck_crl", "revocation"),
    ("tdx.revoked", "pck", "revocation"),
    ("tdx.revoked", "ca", "revocation"),
    ("tdx.tcb_next", "-30", "collateral age"),
    ("tdx.tcb_issued", "30", "collateral age"),
    ("tdx.tcb_status", "Revoked", "platform tcb"),
    ("tdx.tcb_status", "OutOfDate", ACCEPTED),
    ("tdx.pck_pce_svn", "0", "platform tcb"),
    ("tdx.mrsigner_seam", MARK48, "tdx module"),
    ("tdx.seam_attributes", "01" + "00" * 7, "tdx module"),
    ("tdx.module_status", "Revoked", "tdx module"),
    ("tdx.td_attributes", "01" + "00" * 7, "mode"),
    ("tdx.td_attributes", "0000004000000000", ACCEPTED),
    ("tdx.td_attributes", "0000001000000000", ACCEPTED),
    ("tdx.td_attributes", "00000000000000ff", "mode"),
    ("tdx.mr_servicetd", MARK48, "mode"),
    ("tdx.mr_td", MARK48, ACCEPTED),
    ("tdx.mr_config_id", MARK48, ACCEPTED),
    ("tdx.rtmr_3", MARK48, ACCEPTED),
    ("tdreport.type", "00000000", "td report"),
    ("tdreport.reserved1", "11" * 12, ACCEPTED),
    ("tdreport.cpu_svn", "11" * 16, ACCEPTED),
    ("tdreport.tee_tcb_info_hash", MARK48, "td report"),
    ("tdreport.tee_info_hash", MARK48, "td report"),
    ("tdreport.report_data", "11" * 64, "td report"),
    ("tdreport.reserved2", "11" * 32, ACCEPTED),
    ("tdreport.mac", "11" * 32, ACCEPTED),
    ("tdreport.tee_tcb_info", "11" * 239, ACCEPTED),
    ("tdreport.reserved3", "11" * 17, ACCEPTED),
    ("tdreport.attributes", "11" * 8, "td report"),
    ("tdreport.xfam", "11" * 8, "td report"),
    ("tdreport.mr_td", MARK48, "td report"),
    ("tdreport.mr_config_id", MARK48, "td report"),
    ("tdreport.mr_owner", MARK48, "td report"),
    ("tdreport.mr_owner_config", MARK48, "td report"),
    ("tdreport.rtmr_0", MARK48, "td report"),
    ("tdreport.rtmr_1", MARK48, "td report"),
    ("tdreport.rtmr_2", MARK48, "td report"),
    ("tdreport.rtmr_3", MARK48, "td report"),
    ("tdreport.reserved4", "11" * 112, "td report"),
)
OF_BOTH = (*WRONG, ("hcl.report_type", "2", "hcl report"))
NUMBERS = {check.name: check.number for check in VERIFIERS[TEE].checks}


@pytest.mark.parametrize(
    ("field", "value", "step"),
    [
        pytest.param(
            *row, marks=pytest.mark.check(TEE, NUMBERS[row[2]]) if row[2] in NUMBERS else ()
        )
        for row in (*OF_BOTH, *OF_INTEL)
    ],
)
def test_field_that_is_wrong_is_refused_where_it_shows(field: str, value: str, step: str) -> None:
    assert outcome(make(TEE, {field: value})) == step


def test_every_field_of_our_own_is_set_wrong_once() -> None:
    own = {name for name in FIELDS if not name.startswith("tdx.")}
    assert {row[0] for row in (*OF_BOTH, *OF_INTEL)} >= own


def test_every_step_refuses_something() -> None:
    names = {check.name for check in VERIFIERS[TEE].checks}
    assert {row[2] for row in (*OF_BOTH, *OF_INTEL)} >= names - {"version"}


@pytest.mark.parametrize("quote", ["4", "5"])
@pytest.mark.parametrize("td", ["1.0", "1.5"])
def test_right_evidence_of_every_quote_passes(quote: str, td: str) -> None:
    if (quote, td) == ("4", "1.5"):
        td = "1.0"
    made = make(TEE, {"tdx.version": quote, "tdx.td": td, "init_data": DIGEST})
    claims = verdict(made).claims
    assert claims["quote"]["header"]["version"] == f"0{quote}00"
    assert ("mr_servicetd" in claims["quote"]["body"]) is (td == "1.5")
    assert claims["tcb_status"] == "UpToDate"


def test_claims_are_those_of_a_td_and_the_tpms() -> None:
    made = make(TEE, {"init_data": DIGEST})
    claims = verdict(made).claims
    presented = parse(made.evidence)
    assert claims["report_data"] == made.report_data.hex()
    assert claims["init_data"] == claims["tpm"]["pcr08"] == presented.pcrs[8].hex()
    assert claims["quote"]["header"]["tee_type"] == "81000000"
    assert "uefi_event_logs" not in claims
    assert claims["td_attributes"]["debug"] is False
    assert claims["hcl"]["vm_configuration"]["secure-boot"] is True


@pytest.mark.parametrize("version", ["0", "1"])
@pytest.mark.check(TEE, 2)
def test_old_versions_need_their_option(version: str) -> None:
    made = make(TEE, {"version": version})
    assert verdict(made).claims["hcl"]["evidence_version"] == int(version)
    given = msgspec.structs.replace(inputs(made), options=Options(own=NONE))
    with pytest.raises(VerificationError, match=r"\.2 version"):
        verify(TEE, made.evidence, Expectation(report_data=made.report_data), given)


def test_old_name_on_the_wire_is_the_same_tee() -> None:
    made = make(TEE, {})
    (found,) = verify(
        "aztdxvtpm", made.evidence, Expectation(report_data=made.report_data), inputs(made)
    )
    assert found.tee == TEE


def test_version_2_relabelled_as_version_1_is_refused() -> None:
    made = make(TEE, {})
    old = encode(msgspec.structs.replace(parse(made.evidence), version=1))
    assert refused_at(made, evidence=old) == "version"


def test_simulated_root_is_trusted_by_nobody_unless_configured() -> None:
    made = make(TEE, {})
    expected = Expectation(report_data=made.report_data)
    with pytest.raises(VerificationError, match=r"\.12 pck chain"):
        verify(TEE, made.evidence, expected, inputs(made, roots=False))
    other = make(TEE, {})
    assert refused_at(msgspec.structs.replace(made, roots=other.roots)) == "pck chain"


def test_debug_and_migration_pass_where_an_option_allows_them() -> None:
    debug = make(TEE, {"tdx.td_attributes": "01" + "00" * 7})
    assert outcome(debug, allow_debug=True) == ACCEPTED
    moved = make(TEE, {"tdx.mr_servicetd": MARK48})
    assert outcome(moved, allow_migration=True) == ACCEPTED


def test_septve_disable_may_be_asked_for() -> None:
    strict = "az-tdx-vtpm.require_septve_disable=true"
    assert outcome(make(TEE, {}), strict) == "mode"
    assert outcome(make(TEE, {"tdx.td_attributes": "0000001000000000"}), strict) == ACCEPTED


@pytest.mark.check(TEE, 17)
def test_authentication_data_of_another_length_needs_its_option() -> None:
    made = make(TEE, {"tdx.auth_data": "00" * 31})
    assert outcome(made) == "attestation key"
    assert outcome(made, "az-tdx-vtpm.allow_other_auth_data=true") == ACCEPTED


@pytest.mark.check(TEE, 26)
def test_initdata_that_is_not_bound_is_refused() -> None:
    made = make(TEE, {"init_data": DIGEST})
    assert refused_at(msgspec.structs.replace(made, init_data=sha256(b"another"))) == "initdata"


def test_initdata_in_mrconfigid_does_not_count() -> None:
    made = make(TEE, {"tdx.init_data": DIGEST})
    wanted = make(TEE, {"init_data": DIGEST}).init_data
    assert refused_at(msgspec.structs.replace(made, init_data=wanted)) == "initdata"


def test_every_step_is_passed_or_skipped() -> None:
    made = make(TEE, {"init_data": DIGEST})
    trail = trail_of(TEE)
    expected = Expectation(report_data=made.report_data, init_data=made.init_data)
    verify(TEE, made.evidence, expected, inputs(made), trail)
    assert {one.result for one in trail.results} == {Result.PASSED}
    assert len(trail.results) == len(VERIFIERS[TEE].checks)
    trail = trail_of(TEE)
    verify(TEE, made.evidence, Expectation(report_data=None), inputs(made), trail)
    skipped = [one.name for one in trail.results if one.result is Result.SKIPPED]
    assert skipped == ["nonce", "initdata"]


def test_every_claim_names_its_field() -> None:
    claims = verdict(make(TEE, {})).claims
    source = VERIFIERS[TEE].source
    assert source("tpm.pcr08").startswith("tpm_quote.pcrs[8]")
    assert source("quote.body.mr_td") == "td_quote body mr_td"
    assert source("hcl.vm_configuration.secure-boot").startswith("hcl_report.variable_data")
    assert {name for name in claims["tpm"] if not source(f"tpm.{name}")} == set()
    assert source("nonsense") == ""


def test_what_to_fetch_is_intels_after_the_chain_held() -> None:
    made = make(TEE, {})
    plan = VERIFIERS[TEE].plan
    wanted = plan(
        made.evidence, msgspec.structs.replace(inputs(made), collateral=Inputs(now=NOW).collateral)
    )
    assert any("tcb" in one.url for one in wanted)
    with pytest.raises(VerificationError, match=r"\.12 pck chain"):
        plan(made.evidence, Inputs(now=NOW))
    with pytest.raises(VerificationError, match=r"\.1 shape"):
        plan(b"{}", Inputs(now=NOW))


@pytest.mark.parametrize("field", ["tdreport.mac", "tdx.flip", "tdx.td", "hcl.reserved", "tdx.x"])
def test_values_that_cannot_be_meant_are_the_callers_mistake(field: str) -> None:
    with pytest.raises(InputError):
        make(TEE, {field: "ff" if field != "tdx.flip" else "99999"})


def test_bare_report_of_the_paravisor_is_drawn_and_not_accepted() -> None:
    made = make(TEE, {})
    report = parse(made.evidence).hcl_report
    titles = [section.title for section in layouts.LAYOUTS[TEE](report)]
    assert titles == ["paravisor's report (HCL)", "TDREPORT", "variable data"]
    assert refused_at(made, evidence=report) == "shape"


@pytest.mark.parametrize("field", ["hcl.status", "quote.magic", "variable_data", "tdx.version"])
def test_layout_draws_what_is_refused(field: str) -> None:
    titles = [one.title for one in layouts.LAYOUTS[TEE](make(TEE, {field: "9"}).evidence)]
    assert titles[:2] == ["evidence", "TPM quote (TPMS_ATTEST)"]


def test_layouts_tell_both_tees_apart() -> None:
    for tee, other in ((TEE, "az-snp-vtpm"), ("az-snp-vtpm", TEE)):
        made = make(tee, {})
        for raw in (made.evidence, parse_any(tee, made.evidence)):
            assert layouts.LAYOUTS[tee](raw)
            with pytest.raises(Exception, match="want"):
                layouts.LAYOUTS[other](raw)


def parse_any(tee: str, raw: bytes) -> bytes:
    from casemate.tee.az_snp_vtpm.report import parse as parse_snp

    return (parse if tee == TEE else parse_snp)(raw).hcl_report


def test_encoding_survives_each_version() -> None:
    presented = parse(make(TEE, {}).evidence)
    for version in (0, 1, 2):
        one = msgspec.structs.replace(presented, version=version)
        assert parse(encode(one)) == one
