"""Simulated NVIDIA evidence: every architecture right, and wrong in any one field."""

from typing import Any

import pytest

from casemate.errors import InputError, VerificationError
from casemate.tee.evidence import Expectation, Inputs
from casemate.tee.material import Material
from casemate.tee.nvidia.fake import FIELDS
from casemate.tee.options import Options
from casemate.tee.trail import Result
from casemate.tee.verifiers import verify
from tests.tee.simulated import (
    expected_of,
    inputs_of,
    refused_at,
    results,
    simulated,
    verdicts,
)

TEE = "nvidia"
NEW_NONCE = "ab" * 32
WRONG: list[tuple[dict[str, str], str]] = [
    ({"arch_shown": "AMPERE"}, "1 shape"),
    ({"arch_shown": ""}, "1 shape"),
    # messages
    ({"request_version": "0x10"}, "2 messages"),
    ({"request_code": "0x81"}, "2 messages"),
    ({"request_attributes": "0"}, "2 messages"),
    ({"request_operation": "1"}, "2 messages"),
    ({"response_version": "0x12"}, "2 messages"),
    ({"response_code": "0x7f"}, "2 messages"),
    *(({"count": n}, "2 messages") for n in ("0", "63", "65", "255")),
    *(({"record_size": n}, "2 messages") for n in ("0", "3519", "3521", "0xffffff")),
    *(({"block_specification": n}, "2 messages") for n in ("0", "2")),
    *(({"block_size": n}, "2 messages") for n in ("0", "50", "52", "0xffff")),
    *(({"value_size": n}, "2 messages") for n in ("0", "47", "49", "0xffff")),
    *(({"opaque_size": n}, "2 messages") for n in ("0xffff",)),
    ({"signature": ""}, "2 messages"),
    ({"signature": "00" * 95}, "2 messages"),
    # opaque data
    *(({"opaque_size": n}, "3 opaque data") for n in ("0", "1")),
    ({"opaque_extra": "00"}, "3 opaque data"),
    ({"opaque_extra": "0500ffff00"}, "3 opaque data"),
    ({"opaque_extra": "030001003100"[:10]}, "3 opaque data"),  # driver version twice
    ({"opaque_extra": "ff000000"}, "3 opaque data"),
    ({"opaque.driver_version": "none"}, "3 opaque data"),
    ({"opaque.driver_version": "00"}, "3 opaque data"),
    ({"opaque.driver_version": "ff"}, "3 opaque data"),
    ({"opaque.vbios_version": "none"}, "3 opaque data"),
    ({"opaque.vbios_version": "00" * 7}, "3 opaque data"),
    ({"opaque.measurement_count": "000000"}, "3 opaque data"),
    ({"opaque.switch_pdi": "00" * 9}, "3 opaque data"),
    ({"opaque.feature_flag": "03"}, "3 opaque data"),
    *(({f"opaque.{name}": "80"}, "3 opaque data") for name in ("nvdec0_status", "chip_sku")),
    *(
        ({f"opaque.{name}": "80"}, "3 opaque data")
        for name in ("chip_sku_mod", "project", "project_sku", "protected_pcie_status", "chip_info")
    ),
    # chain
    ({"root": "other"}, "4 chain"),
    *(({"expired": level}, "4 chain") for level in ("root", "identity", "ica", "brom", "leaf")),
    *(({"not_yet": level}, "4 chain") for level in ("root", "identity", "ica", "brom", "leaf")),
    *(({"self_made": level}, "4 chain") for level in ("root", "identity", "ica", "brom", "leaf")),
    *(({"no_authority": level}, "4 chain") for level in ("root", "identity", "ica", "brom")),
    *(({"without": level}, "4 chain") for level in ("root", "identity", "ica", "brom")),
    ({"chip": "GA100"}, "4 chain"),
    # revocation
    *(
        ({"revocation": kind, "revoked": level}, "5 revocation")
        for kind in ("lists", "ocsp", "both")
        for level in ("identity", "ica", "brom")
    ),
    ({"revocation": "ocsp", "ocsp_status": "revoked"}, "5 revocation"),
    ({"revocation": "ocsp", "revoked": "brom", "ocsp_signer": "delegate"}, "5 revocation"),
    ({"revocation": "ocsp", "revoked": "brom", "outdated": "true"}, "5 revocation"),
    ({"revocation": "lists", "revoked": "ica", "outdated": "true"}, "5 revocation"),
    # identity
    ({"without": "leaf"}, "6 identity"),
    ({"leaf_fwid": "none"}, "6 identity"),
    ({"leaf_fwid": "ab" * 48}, "6 identity"),
    ({"leaf_fwid": "ab" * 20}, "6 identity"),
    ({"opaque.fwid": "ab" * 48}, "6 identity"),
    ({"opaque.fwid": "none"}, "6 identity"),
    ({"chip": "GB100"}, "6 identity"),
    ({"arch_shown": "BLACKWELL"}, "6 identity"),
    ({"arch": "BLACKWELL", "arch_shown": "HOPPER"}, "6 identity"),
    ({"devices": "2", "twice": "true"}, "6 identity"),
    # signature
    ({"leaf_key": "P-256"}, "7 signature"),
    ({"signature": "00" * 96}, "7 signature"),
    ({"signature": "ff" * 96}, "7 signature"),
    ({"flip": "36"}, "7 signature"),
    ({"flip": "60"}, "7 signature"),
    # nonce
    ({"request_nonce": NEW_NONCE}, "8 nonce"),
    ({"init_data": "11" * 32}, "9 initdata"),
    # manifests
    ({"manifests": "given", "manifest_value": "ab" * 48}, "10 manifests"),
    ({"manifests": "given", "measurement.2": "ab" * 48}, "10 manifests"),
    ({"manifests": "vbios", "measurement.2": "ab" * 48}, "10 manifests"),
    ({"manifests": "driver", "measurement.40": "ab" * 48}, "10 manifests"),
    ({"manifests": "given", "opaque.nvdec0_status": "aa"[:0] + "41"}, "10 manifests"),
    ({"manifests": "given", "manifest_root": "other"}, "10 manifests"),
    ({"manifests": "given", "manifest_signer": "other"}, "10 manifests"),
    ({"manifests": "given", "manifest_expired": "true"}, "10 manifests"),
    # the service
    ({"mode": "remote", "token_issuer": "https://example.org"}, "11 attestation service"),
    ({"mode": "remote", "token_nonce": NEW_NONCE}, "11 attestation service"),
    ({"mode": "remote", "token_result": "false"}, "11 attestation service"),
    ({"mode": "remote", "token_match": "false"}, "11 attestation service"),
    ({"mode": "remote", "token_key": "unknown"}, "11 attestation service"),
    ({"mode": "remote", "token_expired": "true"}, "11 attestation service"),
    ({"mode": "remote", "token_kind": "wrong"}, "11 attestation service"),
    ({"mode": "remote", "token_count": "2"}, "11 attestation service"),
    ({"mode": "remote", "token_count": "0"}, "11 attestation service"),
]
REQUIRED: list[tuple[str, dict[str, str], str]] = [
    ("revocation", {}, "5 revocation"),
    ("revocation", {"revocation": "ocsp", "ocsp_status": "unknown"}, "5 revocation"),
    ("revocation", {"revocation": "ocsp", "ocsp_signer": "stranger"}, "5 revocation"),
    ("revocation", {"revocation": "ocsp", "ocsp_signer": "other"}, "5 revocation"),
    ("revocation", {"revocation": "both", "outdated": "true"}, "5 revocation"),
    ("manifests", {}, "10 manifests"),
    ("manifests", {"manifests": "driver"}, "10 manifests"),
    ("manifests", {"manifests": "vbios"}, "10 manifests"),
    ("manifests", {"manifests": "given", "manifest_product": "GB100"}, "10 manifests"),
    ("manifests", {"manifests": "given", "manifest_version": "1.2.3"}, "10 manifests"),
    ("manifests", {"manifests": "given", "manifest_digest": "wrong"}, "10 manifests"),
]


def marked(table: list[tuple[dict[str, str], str]]) -> list[Any]:
    return [
        pytest.param(
            given,
            step,
            id=",".join(f"{k}={v[:10]}" for k, v in given.items()),
            marks=pytest.mark.check(TEE, int(step.split()[0])),
        )
        for given, step in table
    ]


@pytest.mark.parametrize(
    ("arch", "claim", "tee_class"),
    [("HOPPER", "Hopper", "gpu"), ("BLACKWELL", "Blackwell", "gpu"), ("LS10", "LS10", "switch")],
)
@pytest.mark.parametrize("encoding", ["hex", "base64"])
def test_each_architecture_is_verified_locally(
    arch: str, claim: str, tee_class: str, encoding: str
) -> None:
    one = simulated(TEE, arch=arch, encoding=encoding, uuid="GPU-1")
    (found,) = verdicts(one)
    assert (found.claims["arch"], found.tee_class) == (claim, tee_class)
    assert found.claims["uuid"] == "GPU-1"
    assert found.claims["uuid_verified"] is False
    assert found.claims["measurements"]["64"] == "40" * 48
    assert found.report_data == one.report_data[:32]
    assert found.claims["report_data"] == found.report_data.hex()


def test_switch_reports_no_driver() -> None:
    (found,) = verdicts(simulated(TEE, arch="LS10"))
    assert "driver_version" not in found.claims["config"]


@pytest.mark.parametrize(("given", "step"), marked(WRONG))
def test_wrong_field_is_refused(given: dict[str, str], step: str) -> None:
    assert refused_at(simulated(TEE, **given)) == step


@pytest.mark.parametrize(("option", "given", "step"), REQUIRED)
def test_what_an_operator_requires_must_be_there(
    option: str, given: dict[str, str], step: str
) -> None:
    one = simulated(TEE, **given)
    options = Options(own={TEE: {option: "required"}})
    assert refused_at(one, inputs=inputs_of(one, options)) == step
    assert verdicts(one)


def test_what_an_operator_requires_is_enough_when_there() -> None:
    for arch in ("HOPPER", "BLACKWELL", "LS10", "machine"):
        for signer in ("issuer", "delegate"):
            one = simulated(
                TEE, arch=arch, manifests="given", revocation="both", ocsp_signer=signer
            )
            options = Options(own={TEE: {"revocation": "required", "manifests": "required"}})
            found = verdicts(one, inputs=inputs_of(one, options))
            assert len(found[0].claims["revocation_checked"]) == 3
            assert len(found[0].claims["manifests"]) == (1 if arch == "LS10" else 2)


FREE = {
    "request_slot": "3",
    "response_param1": "9",
    "response_param2": "9",
    "response_nonce": "ab" * 32,
    "tail": "00" * 1000,
    "opaque.cert_issuer_name": "ab",
    "opaque.cert_authority_key_identifier": "ab",
    "opaque.gpu_info": "ab",
    "opaque.id_sku": "ab",
    "opaque.manufacturer_id": "ab",
    "opaque.tamper_detection": "ab",
    "opaque.smc": "ab",
    "opaque.vpr": "ab",
    "opaque.cpr_info": "ab",
    "opaque.board_id": "ab",
    "opaque.project_sku_mod": "ab",
    "opaque.floorswept_ports": "ab",
    "opaque.position_id": "ab",
    "opaque.lock_switch_status": "ab",
    "opaque.gpu_link_conn": "ab",
    "opaque.sys_enable_status": "ab",
    "opaque.opaque_data_version": "ab",
}


@pytest.mark.parametrize("field", FREE)
def test_field_that_a_policy_decides_on_is_kept(field: str) -> None:
    (found,) = verdicts(simulated(TEE, **{field: FREE[field]}))
    _, dot, name = field.partition("opaque.")
    if dot:
        expected: object = 0xAB if name == "opaque_data_version" else "ab"
        assert found.claims["config"][name] == expected


@pytest.mark.parametrize(
    ("value", "claim"), [("00", "SPT"), ("0100", "MPT"), ("02000000", "PPCIE")]
)
def test_feature_flag_has_a_name(value: str, claim: str) -> None:
    (found,) = verdicts(simulated(TEE, **{"opaque.feature_flag": value}))
    assert found.claims["config"]["feature_flag"] == claim


def test_field_without_a_name_is_kept_apart() -> None:
    (found,) = verdicts(simulated(TEE, opaque_extra="28000200abcd"))
    assert found.claims["opaque_unknown"] == {"40": "abcd"}
    assert "40" not in found.claims["config"]


def test_tables_name_every_field() -> None:
    named = {name for given, _ in WRONG for name in given} | set(FREE)
    named |= {name for _, given, _ in REQUIRED for name in given}
    named |= {name for name in FIELDS if name.startswith("measurement.")}
    elsewhere = {"report_data", "uuid", "encoding", "switch_pdi"}
    assert set(FIELDS) - named == elsewhere


@pytest.mark.check(TEE, 12)
def test_eight_gpus_and_four_switches_that_agree_are_one_machine() -> None:
    one = simulated(TEE, arch="machine")
    found = verdicts(one)
    assert [each.tee_class for each in found] == ["gpu"] * 8 + ["switch"] * 4 + ["ppcie"]
    assert found[-1].claims | {"report_data": ""} == {
        "switch_count": 4,
        "gpu_count": 8,
        "report_data": "",
    }
    assert results(one)[12] is Result.PASSED


@pytest.mark.check(TEE, 12)
@pytest.mark.parametrize(
    "given",
    [{"switch_pdi": "wrong"}, {"opaque.switch_pdi": "ab" * 8}, {"opaque.switch_pdi": "none"}],
)
def test_machine_whose_parts_do_not_name_each_other_is_none(given: dict[str, str]) -> None:
    one = simulated(TEE, arch="machine", **given)
    assert [each.tee_class for each in verdicts(one)] == ["gpu"] * 8 + ["switch"] * 4
    assert results(one)[12] is Result.SKIPPED


@pytest.mark.parametrize("arch", ["HOPPER", "BLACKWELL", "LS10", "machine"])
def test_service_vouches_on_top_of_our_own_verdict(arch: str) -> None:
    one = simulated(TEE, arch=arch, mode="remote")
    found = verdicts(one)
    kind = found[0].tee_class
    assert found[0].claims[f"x-nvidia-{kind}-attestation-report-nonce-match"] is True
    assert found[0].claims["report_data"] == one.report_data[:32].hex()
    assert found[0].chain
    assert refused_at(simulated(TEE, arch=arch, mode="remote", flip="60")) == "7 signature"


def test_remote_mode_without_an_answer_is_refused_and_says_where_to_get_it() -> None:
    one = simulated(TEE)
    options = Options(own={TEE: {"mode": "remote"}})
    with pytest.raises(VerificationError) as caught:
        verdicts(one, inputs=inputs_of(one, options))
    assert caught.value.refusal.step == f"{TEE}.11 attestation service"
    assert "/v4/attest/gpu" in caught.value.refusal.remedy


def test_nothing_simulated_is_trusted_without_its_root() -> None:
    for given in ({}, {"arch": "machine"}, {"mode": "remote"}):
        one = simulated(TEE, **given)
        files = Material.of_files({**one.collateral, **one.roots})
        options = inputs_of(one).options
        with pytest.raises(VerificationError) as caught:
            verify(
                TEE,
                one.evidence,
                expected_of(one),
                Inputs(now=one.now, collateral=files, options=options),
            )
        assert caught.value.refusal.step == f"{TEE}.4 chain"


def test_expectation_is_the_sessions() -> None:
    one = simulated(TEE, devices="2")
    for data in (b"", one.report_data[:31], bytes(32)):
        assert refused_at(one, expected=Expectation(report_data=data)) == "8 nonce"
    assert verdicts(one, expected=Expectation(report_data=one.report_data + b"x"))
    assert results(one, expected=Expectation(report_data=None))[8] is Result.SKIPPED


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("arch", "AMPERE"),
        ("devices", "0"),
        ("devices", "9"),
        ("init_data", "00"),
        ("flip", "40000"),
        ("count", "256"),
        ("request_code", "-1"),
        ("request_code", "256"),
        ("expired", "nobody"),
        ("encoding", "text"),
        ("without", "x"),
    ],
)
def test_values_that_cannot_be_meant_are_input_errors(field: str, value: str) -> None:
    with pytest.raises(InputError):
        simulated(TEE, **{field: value})
