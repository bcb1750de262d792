"""Steps that TDX and SGX share, each shown by evidence that is wrong there and nowhere else."""

import pytest

from casemate.crypto.digest import Algorithm, Digest
from casemate.errors import VerificationError
from casemate.tee.evidence import Expectation
from casemate.tee.trail import Result
from casemate.tee.verifiers import trail_of, verify
from tests.sim.dcap import (
    claims_of,
    inputs_of,
    options,
    refusal,
    refusal_of,
    simulated,
    steps_of,
    verdict,
)

TEES = ("tdx", "sgx")
both = pytest.mark.parametrize("tee", TEES)


@both
def test_every_step_is_made_and_named(tee: str) -> None:
    made = simulated(tee, init_data="ab" * 48)
    steps = steps_of(made)
    assert [one.result for one in steps] == [Result.PASSED] * len(steps)
    assert len(steps) == {"tdx": 15, "sgx": 13}[tee]


@both
@pytest.mark.parametrize("form", ["export", "pcs", "client_tool"])
def test_collateral_is_recognised_in_each_form(tee: str, form: str) -> None:
    assert claims_of(tee, form=form)["tcb_status"] == "UpToDate"


@both
@pytest.mark.parametrize("ca", ["platform", "processor"])
def test_both_authorities_certify_platforms(tee: str, ca: str) -> None:
    claims = claims_of(tee, pck_ca=ca)
    assert claims["pck_ca"] == ca
    assert ("platform_instance_id" in claims) == (ca == "platform")
    assert ("is_smt_enabled" in claims) == (ca == "platform")


@pytest.mark.check("tdx", 1)
@pytest.mark.parametrize(
    "fields", [{"version": "3"}, {"att_key_type": "3"}, {"tee_type": "0"}, {"vendor_id": "00" * 16}]
)
def test_td_quote_of_another_shape_is_refused(fields: dict[str, str]) -> None:
    assert refusal_of("tdx", **fields).startswith("tdx.1 shape")


@pytest.mark.check("sgx", 1)
@pytest.mark.parametrize("fields", [{"version": "4"}, {"version": "5"}, {"tee_type": "0x81"}])
def test_enclave_quote_of_another_version_is_refused(fields: dict[str, str]) -> None:
    assert refusal_of("sgx", **fields).startswith("sgx.1 shape")


@pytest.mark.check("tdx", 1)
def test_enclave_in_a_version_4_quote_is_no_td() -> None:
    assert "tdx.1 shape: TEE type" in refusal(simulated("tdx"), evidence=simulated("sgx").binary)


@both
@pytest.mark.check("tdx", 2)
@pytest.mark.check("sgx", 2)
def test_root_that_nobody_trusts_is_refused(tee: str) -> None:
    made = simulated(tee)
    found = refusal(made, inputs_of(made, trusted=False))
    assert found.startswith(f"{tee}.2 pck chain: certificate of Intel SGX Root CA")


@both
@pytest.mark.check("tdx", 2)
@pytest.mark.check("sgx", 2)
@pytest.mark.parametrize("who", ["pck", "ca", "root"])
@pytest.mark.parametrize("fault", ["expired", "not_yet", "self_made", "critical"])
def test_certificates_that_do_not_hold_are_refused(tee: str, who: str, fault: str) -> None:
    assert refusal_of(tee, **{fault: who}).startswith(f"{tee}.2 pck chain: certificate of")


@both
@pytest.mark.check("tdx", 2)
@pytest.mark.check("sgx", 2)
@pytest.mark.parametrize(
    "fields",
    [
        {"no_authority": "ca"},
        {"no_authority": "root"},
        {"is_authority": "pck"},
        {"pck_usage": "false"},
        {"pck_subject": "Intel SGX TCB Signing"},
        {"ca_subject": "Intel SGX PCK CA"},
        {"chain": "leaf"},
        {"chain": "no_ca"},
        {"chain": "reversed"},
        {"chain": "twice"},
        {"chain": "empty"},
        {"pck_without": "0"},
        *({"pck_without": str(member)} for member in (1, 2, 3, 4, 5)),
        {"pck_ppid": "00" * 15},
        {"pck_fmspc": "00" * 5},
        {"pck_pce_id": "00"},
        {"pck_cpu_svn": "00" * 17},
        {"pck_components": "00" * 15},
        {"pck_components": "00" * 17},
        {"pck_pce_svn": "65536"},
        {"pck_pce_svn": "-1"},
        {"pck_instance_id": "00" * 15},
    ],
)
def test_other_chains_and_certificates_are_refused(tee: str, fields: dict[str, str]) -> None:
    assert refusal_of(tee, **fields).startswith(f"{tee}.2 pck chain")


@both
def test_root_may_come_from_the_operators_folder(tee: str) -> None:
    assert claims_of(tee, chain="no_root")["tcb_status"] == "UpToDate"


@both
def test_order_of_the_chain_behind_the_leaf_does_not_matter(tee: str) -> None:
    assert claims_of(tee, chain="shuffled")["tcb_status"] == "UpToDate"


@both
@pytest.mark.check("tdx", 3)
@pytest.mark.check("sgx", 3)
@pytest.mark.parametrize(
    "fields",
    [
        {"missing": "tcb_info"},
        {"missing": "qe_identity"},
        {"missing": "signer"},
        {"document_signer": "tcb_info"},
        {"document_signer": "qe_identity"},
        {"signer_subject": "Intel SGX PCK Certificate"},
        {"signer_issuer": "ca"},
        {"expired": "signer"},
        {"not_yet": "signer"},
        {"self_made": "signer"},
        {"critical": "signer"},
        {"is_authority": "signer"},
        {"tcb_id": "OTHER"},
        {"tcb_version": "2"},
        {"tcb_fmspc": "00906ed50001"},
        {"tcb_pce_id": "0001"},
        {"tcb_type": "1"},
        {"tcb_status": "Fine"},
        {"qeid_id": "QVE"},
        {"qeid_version": "1"},
        {"qeid_status": "Fine"},
    ],
)
def test_documents_that_are_not_intels_for_this_platform_are_refused(
    tee: str, fields: dict[str, str]
) -> None:
    assert refusal_of(tee, **fields).startswith(f"{tee}.3 collateral")


@pytest.mark.check("tdx", 3)
@pytest.mark.check("sgx", 3)
def test_documents_for_the_other_tee_are_refused() -> None:
    assert refusal_of("tdx", tcb_id="SGX").startswith("tdx.3 collateral")
    assert refusal_of("sgx", tcb_id="TDX").startswith("sgx.3 collateral")
    assert refusal_of("tdx", qeid_id="QE").startswith("tdx.3 collateral")
    assert refusal_of("sgx", qeid_id="TD_QE").startswith("sgx.3 collateral")


@both
@pytest.mark.check("tdx", 4)
@pytest.mark.check("sgx", 4)
@pytest.mark.parametrize(
    "fields",
    [
        {"missing": "pck_crl"},
        {"missing": "root_crl"},
        {"list_signer": "pck"},
        {"list_signer": "root"},
        {"list_swapped": "true"},
        {"list_issued": "1"},
        {"revoked": "pck"},
        {"revoked": "ca"},
        {"revoked": "signer"},
    ],
)
def test_revoked_or_unlisted_certificates_are_refused(tee: str, fields: dict[str, str]) -> None:
    assert refusal_of(tee, **fields).startswith(f"{tee}.4 revocation")


@both
@pytest.mark.check("tdx", 4)
@pytest.mark.check("sgx", 4)
def test_an_outdated_list_still_accuses(tee: str) -> None:
    chosen = options(f"{tee}.collateral_grace_days=30")
    fields = {"revoked": "pck", "list_issued": "-20", "list_next": "-10"}
    assert refusal_of(tee, chosen, **fields).startswith(f"{tee}.4 revocation")


@both
@pytest.mark.check("tdx", 5)
@pytest.mark.check("sgx", 5)
@pytest.mark.parametrize("field", ["tcb_next", "qeid_next", "list_next"])
def test_collateral_expired_beyond_the_grace_is_refused(tee: str, field: str) -> None:
    assert refusal_of(tee, **{field: "-8"}).startswith(f"{tee}.5 collateral age")
    strict = options(f"{tee}.collateral_grace_days=0")
    assert refusal_of(tee, strict, **{field: "-1"}).startswith(f"{tee}.5 collateral age")


@both
@pytest.mark.parametrize("field", ["tcb_next", "qeid_next", "list_next"])
def test_collateral_expired_within_the_grace_is_said_in_a_claim(tee: str, field: str) -> None:
    claims = claims_of(tee, **{field: "-6"})
    assert claims["collateral_expiration_status"] == "1"
    assert claims["collateral_expired"] is True
    wider = options(f"{tee}.collateral_grace_days=100")
    assert claims_of(tee, wider, **{field: "-99"})["collateral_expiration_status"] == "1"


@both
@pytest.mark.check("tdx", 5)
@pytest.mark.check("sgx", 5)
@pytest.mark.parametrize("field", ["tcb_issued", "qeid_issued"])
def test_documents_that_are_yet_to_come_are_refused(tee: str, field: str) -> None:
    chosen = options(f"{tee}.allow_future_crl=true")
    assert refusal_of(tee, chosen, **{field: "1"}).startswith(f"{tee}.5 collateral age")


@both
def test_lists_that_are_yet_to_come_serve_when_that_is_allowed(tee: str) -> None:
    chosen = options(f"{tee}.allow_future_crl=true")
    assert claims_of(tee, chosen, list_issued="5")["tcb_status"] == "UpToDate"


@both
@pytest.mark.check("tdx", 6)
@pytest.mark.check("sgx", 6)
@pytest.mark.parametrize(
    "fields", [{"qe_signer": "other"}, {"flip_qe": "0"}, {"flip_qe": "383"}, {"pck_key": "P-384"}]
)
def test_qe_report_that_the_platform_did_not_sign_is_refused(
    tee: str, fields: dict[str, str]
) -> None:
    assert refusal_of(tee, **fields).startswith(f"{tee}.6 qe report")


@both
@pytest.mark.check("tdx", 7)
@pytest.mark.check("sgx", 7)
@pytest.mark.parametrize("data", ["00" * 64, "00" * 63 + "01"])
def test_attestation_key_that_the_enclave_does_not_know_is_refused(tee: str, data: str) -> None:
    assert refusal_of(tee, qe_report_data=data).startswith(f"{tee}.7 attestation key")


@both
@pytest.mark.check("tdx", 7)
@pytest.mark.check("sgx", 7)
def test_authentication_data_is_bound_with_the_key(tee: str) -> None:
    made = simulated(tee)
    assert made.binary is not None
    at = made.binary.rindex(bytes(range(32)))
    changed = made.binary[:at] + b"\xff" + made.binary[at + 1 :]
    assert refusal(made, evidence=changed).startswith(f"{tee}.7 attestation key")


AUTH_DATA_OF_OTHER_LENGTHS = pytest.mark.parametrize("size", [0, 1, 31, 33, 64])


@both
@pytest.mark.check("tdx", 7)
@pytest.mark.check("sgx", 7)
@AUTH_DATA_OF_OTHER_LENGTHS
def test_authentication_data_of_another_length_is_refused(tee: str, size: int) -> None:
    made = simulated(tee, auth_data="5a" * size)
    with pytest.raises(VerificationError) as error:
        verdict(made)
    found = error.value.refusal
    assert found.step == f"{tee}.7 attestation key"
    assert found.claim == "QE authentication data"
    assert found.got == f"{size} bytes"
    assert found.expected.startswith("32 bytes")
    assert "allow_other_auth_data=true" in found.remedy


@both
@AUTH_DATA_OF_OTHER_LENGTHS
def test_authentication_data_of_another_length_is_accepted_when_that_is_allowed(
    tee: str, size: int
) -> None:
    chosen = options(f"{tee}.allow_other_auth_data=true")
    assert claims_of(tee, chosen, auth_data="5a" * size)["tcb_status"] == "UpToDate"


@both
@pytest.mark.check("tdx", 7)
@pytest.mark.check("sgx", 7)
def test_authentication_data_of_any_length_must_be_bound_with_the_key(tee: str) -> None:
    chosen = options(f"{tee}.allow_other_auth_data=true")
    made = simulated(tee, auth_data="5a" * 40)
    assert made.binary is not None
    changed = made.binary.replace(b"\x5a" * 40, b"\x5a" * 39 + b"\x5b")
    found = refusal(made, inputs_of(made, options=chosen), evidence=changed)
    assert found.startswith(f"{tee}.7 attestation key: report data of the QE report")


@both
@pytest.mark.check("tdx", 8)
@pytest.mark.check("sgx", 8)
@pytest.mark.parametrize(
    "fields",
    [
        {"qe_mr_signer": "00" * 32},
        {"qe_isv_prod_id": "0700"},
        {"qe_misc_select": "01000000"},
        {"qe_attributes.flags": "1300000000000000"},
        {"qe_isv_svn": "0300"},
        {"qe_isv_svn": "0400"},
        {"qeid_mrsigner": "00" * 32},
        {"qeid_isvprodid": "7"},
        {"qeid_miscselect": "01000000"},
        {"qeid_attributes": "13" + "00" * 15},
        {"qeid_status": "Revoked"},
        {"qeid_status": "SWHardeningNeeded"},
        {"qeid_status": "TDRelaunchAdvised"},
    ],
)
def test_another_quoting_enclave_is_refused(tee: str, fields: dict[str, str]) -> None:
    named = {name.replace(".", "__"): value for name, value in fields.items()}
    assert refusal_of(tee, **named).startswith(f"{tee}.8 qe identity")


@both
def test_bits_outside_the_masks_do_not_matter(tee: str) -> None:
    assert claims_of(tee, qe_attributes__xfrm="ff" * 8)["qe_tcb_status"] == "UpToDate"
    assert claims_of(tee, qe_attributes__flags="1500000000000000")["qe_svn"] == 8


@both
@pytest.mark.check("tdx", 9)
@pytest.mark.check("sgx", 9)
@pytest.mark.parametrize("fields", [{"quote_signer": "other"}, {"flip": "40"}, {"flip": "200"}])
def test_quote_that_the_attestation_key_did_not_sign_is_refused(
    tee: str, fields: dict[str, str]
) -> None:
    assert refusal_of(tee, **fields).startswith(f"{tee}.9 quote signature")


@both
@pytest.mark.check("tdx", 10)
@pytest.mark.check("sgx", 10)
@pytest.mark.parametrize(
    "fields",
    [
        {"pck_components": "03" * 16, "pck_pce_svn": "13"},
        {"pck_pce_svn": "3"},
        {"pck_components": "0404010103000004" + "00" * 8, "pck_pce_svn": "4"},
        {"tcb_status": "Revoked"},
        {"tcb_status": "TDRelaunchAdvised"},
        {"tcb_levels": "false"},
    ],
)
def test_platform_without_a_level_or_with_a_revoked_one_is_refused(
    tee: str, fields: dict[str, str]
) -> None:
    assert refusal_of(tee, **fields).startswith(f"{tee}.10 platform tcb")


@pytest.mark.check("sgx", 11)
def test_debug_enclave_is_refused_unless_allowed() -> None:
    flags = {"attributes__flags": "0700000000000000"}
    assert refusal_of("sgx", **flags).startswith("sgx.11 mode")
    assert claims_of("sgx", options(debug=True), **flags)["tcb_status"] == "UpToDate"


@both
@pytest.mark.check("tdx", 13)
@pytest.mark.check("sgx", 12)
def test_report_data_of_another_session_is_refused(tee: str) -> None:
    number = {"tdx": 13, "sgx": 12}[tee]
    made = simulated(tee)
    assert made.report_data == bytes(range(48))
    for other in (b"", bytes(48), bytes(range(47)), bytes(range(48)) + b"\1", bytes(range(64))):
        expected = Expectation(report_data=other)
        assert refusal(made, expected=expected).startswith(f"{tee}.{number} report data")
    padded = Expectation(report_data=bytes(range(48)).ljust(64, b"\0"))
    assert verdict(made, expected=padded).report_data == bytes(range(48)).ljust(64, b"\0")


@both
def test_freshness_is_skipped_only_when_no_report_data_was_expected(tee: str) -> None:
    made = simulated(tee)
    trail = trail_of(tee)
    verify(tee, made.evidence, Expectation(report_data=None), inputs_of(made), trail)
    skipped = [one.name for one in trail.results if one.result is Result.SKIPPED]
    assert skipped == ["report data", "init data"]


@both
@pytest.mark.check("tdx", 14)
@pytest.mark.check("sgx", 13)
@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_initdata_that_was_not_bound_is_refused(tee: str, algorithm: Algorithm) -> None:
    number = {"tdx": 14, "sgx": 13}[tee]
    right = Digest.of(b"initdata", algorithm)
    made = simulated(tee, init_data=right.hex)
    width = {"tdx": 48, "sgx": 64}[tee]
    assert verdict(made).init_data == right.value[:width].ljust(width, b"\0")
    other = Expectation(report_data=made.report_data, init_data=Digest.of(b"other", algorithm))
    assert refusal(made, expected=other).startswith(f"{tee}.{number} init data")
    bare = simulated(tee)
    given = Expectation(report_data=bare.report_data, init_data=right)
    assert refusal(bare, expected=given).startswith(f"{tee}.{number} init data")
