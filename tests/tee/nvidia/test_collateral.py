"""What is asked of NVIDIA, and that its answers, kept under those names, are used."""

import msgspec
import pytest

from casemate.crypto.ocsp import question
from casemate.crypto.vendor_chain import ChainMemory
from casemate.errors import InputError, VerificationError
from casemate.tee.anchors import Anchors
from casemate.tee.evidence import Inputs
from casemate.tee.material import Material
from casemate.tee.nvidia.claims import evidence_field
from casemate.tee.options import Options
from casemate.tee.verifiers import VERIFIERS
from casemate.tee.want import Want
from tests.tee.simulated import inputs_of, refused_at, simulated, verdicts

TEE = "nvidia"


def planned(given: dict[str, str], **own: str) -> tuple[Want, ...]:
    one = simulated(TEE, **given)
    options = Options(own={TEE: own})
    return VERIFIERS[TEE].plan(one.evidence, inputs_of(one, options))


def test_revocation_asks_for_lists_and_single_answers() -> None:
    wants = planned({}, revocation="required")
    assert [want.url for want in wants[:2]] == [
        "https://crl.ndis.nvidia.com/crl/l1-root.crl",
        "https://crl.ndis.nvidia.com/crl/l2-gh100.crl",
    ]
    assert len(wants) == 5
    assert {want.url for want in wants[2:]} == {"http://ocsp.ndis.nvidia.com"}
    assert all(want.body and want.largest == 16384 for want in wants[2:])


@pytest.mark.parametrize(
    ("arch", "names"),
    [
        ("HOPPER", ["NV_GPU_VBIOS_1010_0200_882_96009F0001", "NV_GPU_DRIVER_GH100_550.90.07"]),
        (
            "BLACKWELL",
            ["NV_GPU_VBIOS_1010_0200_882_96009F0001", "NV_GPU_CC_DRIVER_GB100_550.90.07"],
        ),
        ("LS10", ["NV_SWITCH_BIOS_1010_0200_882_96009F0001"]),
    ],
)
def test_manifests_are_named_as_nvidia_names_them(arch: str, names: list[str]) -> None:
    wants = planned({"arch": arch}, manifests="required")
    assert [want.url for want in wants] == [
        f"https://rim.attestation.nvidia.com/v1/rim/{name}" for name in names
    ]


def test_version_of_a_device_can_name_no_other_place() -> None:
    wants = planned({"opaque.driver_version": b"../../x?y#z".hex()}, manifests="required")
    assert wants[1].url.endswith("/NV_GPU_DRIVER_GH100_..%2F..%2Fx%3Fy%23z")
    assert "/" not in wants[1].name.removeprefix("nvidia/rim/")


def test_chip_that_the_device_says_names_its_driver() -> None:
    wants = planned(
        {"arch": "BLACKWELL", "opaque.chip_info": b"GB102\0".hex()}, manifests="required"
    )
    assert wants[1].url.endswith("NV_GPU_CC_DRIVER_GB102_550.90.07")


def test_service_is_asked_about_each_architecture() -> None:
    wants = planned({"arch": "machine"}, mode="remote", nras_url="https://mirror.test/v4/attest")
    assert [want.url for want in wants] == [
        "https://mirror.test/.well-known/jwks.json",
        "https://mirror.test/v4/attest/gpu",
        "https://mirror.test/v4/attest/switch",
    ]
    body = msgspec.json.decode(wants[1].body)
    assert body["arch"] == "HOPPER"
    assert body["claims_version"] == "3.0"
    assert len(body["evidence_list"]) == 8
    assert set(body["evidence_list"][0]) == {"evidence", "certificate"}
    assert len(body["nonce"]) == 64
    assert dict(wants[1].headers) == {"Content-Type": "application/json"}


def test_answers_are_kept_under_the_names_that_are_asked_for() -> None:
    one = simulated(TEE, mode="remote")
    wants = VERIFIERS[TEE].plan(one.evidence, inputs_of(one))
    assert {want.name for want in wants} == set(one.collateral)


@pytest.mark.parametrize("own", [{}, {"mode": "remote"}, {"revocation": "required"}])
def test_nothing_is_asked_on_behalf_of_a_chain_that_does_not_hold(own: dict[str, str]) -> None:
    with pytest.raises(VerificationError) as caught:
        planned({"root": "other"}, **own)
    assert caught.value.refusal.step == f"{TEE}.4 chain"


def test_unknown_option_is_an_input_error() -> None:
    for own in ({"nobody": "1"}, {"mode": "both"}):
        with pytest.raises(InputError):
            planned({}, **own)


def test_memory_changes_no_verdict() -> None:
    given = {"revocation": "both", "manifests": "given", "mode": "remote", "devices": "2"}
    one, memory = simulated(TEE, **given), ChainMemory()
    for _ in range(3):
        assert verdicts(one, inputs=inputs_of(one, memory=memory)) == verdicts(one)
    other = simulated(TEE, revocation="ocsp", revoked="brom")
    assert refused_at(other, inputs=inputs_of(other, memory=memory)) == "5 revocation"


def test_operators_folder_may_hold_manifests_and_keys() -> None:
    one = simulated(TEE, mode="remote", manifests="given")
    answers = {name: body for name, body in one.collateral.items() if "jwks" not in name}
    jwks = {name: body for name, body in one.collateral.items() if "jwks" in name}
    inputs = inputs_of(one)
    anchors = Anchors.of_folder({**one.roots, **jwks})
    inputs = msgspec.structs.replace(inputs, anchors=anchors, collateral=Material.of_files(answers))
    assert verdicts(one, inputs=inputs)


def test_report_alone_is_verified_with_its_chain_as_collateral() -> None:
    one = simulated(TEE, arch="BLACKWELL")
    assert one.binary is not None
    assert refused_at(one, one.binary) == "4 chain"
    pem = msgspec.json.decode(one.evidence, type=_Evidence).device_evidence_list[0].certificate
    inputs = msgspec.structs.replace(
        inputs_of(one), collateral=Material.of_files({"chain.pem": pem})
    )
    (found,) = verdicts(one, one.binary, inputs)
    assert found.claims["arch"] == "Blackwell"


class _Device(msgspec.Struct):
    certificate: bytes


class _Evidence(msgspec.Struct):
    device_evidence_list: list[_Device]


def test_ocsp_question_names_the_certificate() -> None:
    one = simulated(TEE)
    pem = msgspec.json.decode(one.evidence, type=_Evidence).device_evidence_list[0].certificate
    certificates = Material.of_files({"chain.pem": pem}).certificates
    asked = question(certificates[1], certificates[2])
    serial = certificates[1].serial
    assert serial.to_bytes((serial.bit_length() + 8) // 8, "big") in asked


def test_every_claim_has_its_place_in_the_evidence() -> None:
    for given in ({}, {"arch": "machine"}):
        for found in verdicts(simulated(TEE, **given)):
            assert all(evidence_field(name) for name in found.claims)
    assert evidence_field("measurements.1").endswith("signed by the device: 1")
    assert evidence_field("uuid") == "device_evidence_list[].uuid, signed by nobody"
    assert "service" in evidence_field("x-nvidia-gpu-attestation-report-nonce-match")
    assert evidence_field("nobody") == ""


def test_evidence_without_a_root_can_plan_nothing() -> None:
    one = simulated(TEE)
    with pytest.raises(VerificationError):
        VERIFIERS[TEE].plan(one.evidence, Inputs(now=one.now))
