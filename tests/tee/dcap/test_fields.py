"""Each field of the simulators set wrong: refused at its step, or left to the policy by a claim."""

import pytest

from casemate.errors import InputError
from casemate.tee.simulators import SIMULATORS
from tests.sim.dcap import claims_of, inputs_of, refusal, simulated

ZEROS16, ZEROS32, ZEROS48 = "00" * 16, "00" * 32, "00" * 48

SHARED: dict[str, tuple[str, str]] = {
    "version": ("2", "shape"),
    "att_key_type": ("1", "shape"),
    "tee_type": ("1", "shape"),
    "vendor_id": (ZEROS16, "shape"),
    "qe_signer": ("other", "qe report"),
    "quote_signer": ("other", "quote signature"),
    "certification": ("4", "shape"),
    "chain": ("leaf", "pck chain"),
    "flip": ("100", "quote signature"),
    "flip_qe": ("100", "qe report"),
    "qe_misc_select": ("01000000", "qe identity"),
    "qe_attributes.flags": ("0000000000000000", "qe identity"),
    "qe_mr_signer": (ZEROS32, "qe identity"),
    "qe_isv_prod_id": ("0000", "qe identity"),
    "qe_isv_svn": ("0000", "qe identity"),
    "auth_data": ("00" * 31, "attestation key"),
    "qe_report_data": ("00" * 64, "attestation key"),
    "pck_components": (ZEROS16, "platform tcb"),
    "pck_pce_svn": ("0", "platform tcb"),
    "pck_without": ("4", "pck chain"),
    "pck_subject": ("nobody", "pck chain"),
    "pck_key": ("P-384", "qe report"),
    "pck_usage": ("false", "pck chain"),
    "ca_subject": ("nobody", "pck chain"),
    "signer_subject": ("nobody", "collateral"),
    "expired": ("pck", "pck chain"),
    "not_yet": ("ca", "pck chain"),
    "self_made": ("root", "pck chain"),
    "no_authority": ("ca", "pck chain"),
    "is_authority": ("signer", "collateral"),
    "critical": ("signer", "collateral"),
    "signer_issuer": ("ca", "collateral"),
    "revoked": ("ca", "revocation"),
    "list_signer": ("root", "revocation"),
    "list_issued": ("1", "revocation"),
    "list_next": ("-8", "collateral age"),
    "list_swapped": ("true", "revocation"),
    "missing": ("signer", "collateral"),
    "document_signer": ("qe_identity", "collateral"),
    "tcb_id": ("nothing", "collateral"),
    "tcb_version": ("4", "collateral"),
    "tcb_fmspc": ("000000000000", "collateral"),
    "tcb_pce_id": ("ffff", "collateral"),
    "tcb_type": ("1", "collateral"),
    "tcb_issued": ("1", "collateral age"),
    "tcb_next": ("-8", "collateral age"),
    "tcb_status": ("Revoked", "platform tcb"),
    "tcb_levels": ("false", "platform tcb"),
    "qeid_id": ("nothing", "collateral"),
    "qeid_version": ("3", "collateral"),
    "qeid_issued": ("1", "collateral age"),
    "qeid_next": ("-8", "collateral age"),
    "qeid_status": ("Revoked", "qe identity"),
    "qeid_mrsigner": (ZEROS32, "qe identity"),
    "qeid_isvprodid": ("0", "qe identity"),
    "qeid_miscselect": ("01000000", "qe identity"),
    "qeid_attributes": (ZEROS16, "qe identity"),
}
OF_TD: dict[str, tuple[str, str]] = {
    "body_type": ("4", "shape"),
    "body_size": ("584", "shape"),
    "qe_certification": ("5", "shape"),
    "tcb_svn": (ZEROS16, "platform tcb"),
    "tee_tcb_svn2": (ZEROS16, "tdx module"),
    "mrsigner_seam": ("01" * 48, "tdx module"),
    "seam_attributes": ("01" * 8, "tdx module"),
    "module_status": ("Revoked", "tdx module"),
    "module_id": ("TDX_7F", "tdx module"),
    "module_mrsigner": ("01" * 48, "tdx module"),
    "module_attributes": ("01" * 8, "tdx module"),
    "td_attributes": ("01" * 8, "mode"),
    "mr_servicetd": ("01" * 48, "mode"),
    "event_log": ("short", "event log"),
    **{f"rtmr_{one}": ("01" * 48, "event log") for one in range(4)},
}
OF_ENCLAVE: dict[str, tuple[str, str]] = {"attributes.flags": ("02" + "00" * 7, "mode")}

LEFT_TO_THE_POLICY = {
    "shared": {
        *("user_data", "header_reserved", "tail", "form", "report_data", "init_data"),
        *("pck_ppid", "pck_cpu_svn", "pck_pce_id", "pck_fmspc", "pck_sgx_type", "pck_instance_id"),
        *("pck_dynamic", "pck_cached", "pck_smt", "pck_ca", "list_number", "tcb_eval"),
        *("tcb_advisories", "qe_cpu_svn", "qe_reserved1", "qe_isv_ext_prod_id"),
        *("qe_attributes.xfrm", "qe_mr_enclave", "qe_reserved2", "qe_reserved3", "qe_config_id"),
        *("qe_config_svn", "qe_reserved4", "qe_isv_family_id"),
    },
    "tdx": {"mr_seam", "xfam", "mr_td", "mr_config_id", "mr_owner", "mr_owner_config", "td"},
    "sgx": {
        *("cpu_svn", "misc_select", "reserved1", "isv_ext_prod_id", "attributes.xfrm"),
        *("mr_enclave", "reserved2", "mr_signer", "reserved3", "config_id", "isv_prod_id"),
        *("isv_svn", "config_svn", "reserved4", "isv_family_id", "mr_enclave"),
        # of TDs and of version 5 only: an enclave's quote has no such field
        *("body_type", "body_size", "qe_certification"),
        *("module_status", "module_id", "module_mrsigner", "module_attributes"),
    },
}
WRONG = {"tdx": SHARED | OF_TD, "sgx": SHARED | OF_ENCLAVE}
CASES = [(tee, field) for tee, fields in WRONG.items() for field in fields]


@pytest.mark.parametrize("tee", ["tdx", "sgx"])
def test_no_field_is_forgotten(tee: str) -> None:
    known = WRONG[tee].keys() | LEFT_TO_THE_POLICY["shared"] | LEFT_TO_THE_POLICY[tee]
    assert set(SIMULATORS[tee].fields) == known


@pytest.mark.parametrize(("tee", "field"), CASES)
def test_wrong_field_is_refused_at_its_step(tee: str, field: str) -> None:
    value, step = WRONG[tee][field]
    made = SIMULATORS[tee].make({field: value}, simulated(tee).now)
    found = refusal(made)
    assert found.partition(": ")[0].split(" ", 1)[1] == step


@pytest.mark.parametrize("tee", ["tdx", "sgx"])
def test_fields_for_the_policy_are_claims(tee: str) -> None:
    claims = claims_of(
        tee,
        user_data="11" * 20,
        pck_ppid="22" * 16,
        pck_fmspc="333333333333",
        pck_sgx_type="2",
        pck_instance_id="44" * 15 + "55",
        pck_dynamic="false",
        pck_cached="true",
        pck_smt="false",
        list_number="7",
        tcb_eval="18",
        tail="00" * 5,
    )
    header = claims["quote"]["header"] if tee == "tdx" else claims["header"]
    assert header["user_data"] == "11" * 20
    assert claims["platform_provider_id"] == "22" * 16
    assert claims["fmspc"] == "333333333333"
    assert claims["sgx_type"] == "Scalable with Integrity"
    assert claims["platform_instance_id"] == "55" + "44" * 15
    flags = ("is_dynamic_platform", "is_cached_keys", "is_smt_enabled")
    assert [claims[name] for name in flags] == [False, True, False]
    assert (claims["pck_crl_num"], claims["root_ca_crl_num"], claims["tcb_eval_num"]) == (7, 7, 18)
    assert claims["quote_tail_bytes"] == 5


@pytest.mark.parametrize("tee", ["tdx", "sgx"])
def test_simulation_is_never_accepted_without_its_root(tee: str) -> None:
    made, other = simulated(tee), simulated(tee)
    assert " pck chain" in refusal(made, inputs_of(made, trusted=False))
    wrong = inputs_of(other)
    assert " pck chain" in refusal(made, wrong)


@pytest.mark.parametrize(
    ("tee", "field", "value"),
    [
        ("tdx", "mr_td", "00"),
        ("tdx", "td", "2.0"),
        ("tdx", "init_data", "00"),
        ("sgx", "init_data", "00"),
        ("sgx", "qe_mr_signer", "00"),
        ("tdx", "missing", "all"),
        ("tdx", "form", "xml"),
        ("tdx", "flip", "100000"),
        ("tdx", "pck_sgx_type", "3"),
        ("tdx", "signer_issuer", "nobody"),
    ],
)
def test_values_that_cannot_be_meant_are_the_callers_mistake(
    tee: str, field: str, value: str
) -> None:
    with pytest.raises(InputError):
        simulated(tee, **{field: value})
