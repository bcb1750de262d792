"""Real Hopper evidence: verdicts, claims to the letter, and single changes that must be refused."""

import base64
import hashlib

import msgspec
import pytest

from casemate.crypto.pem import encode
from casemate.errors import VerificationError
from casemate.tee.evidence import Expectation, Inputs, VerifiedEvidence
from casemate.tee.layouts import LAYOUTS
from casemate.tee.material import Material
from casemate.tee.nvidia.chain import fwid_of
from casemate.tee.nvidia.roots import DEVICE_PINS, MANIFEST_PINS
from casemate.tee.trail import Result
from casemate.tee.verifiers import VERIFIERS, trail_of, verify
from tests.tee.simulated import NOW
from tests.vectors import vector

UUID = "1111-2222-33333-444444-555555"
NONCE = bytes.fromhex("931d8dd0add203ac3d8b4fbde75e115278eefcdceac5b87671a748f32364dfcb")
FWID = (
    "f5c384aebb579217a2c66b17ed0f28e6a9b8d639041acd7b4721cec004f72754"
    "94ba94bb5cdfdb3055ee051762b1f75d"
)
OURS = {"report_data", "uuid_verified", "opaque_unknown", "revocation_checked", "manifests"}


def report() -> bytes:
    text = vector("nvidia", "hopperAttestationReport.txt").read_text()
    return bytes.fromhex(text.strip())


def chain(case: int = 1) -> bytes:
    return vector("nvidia", f"hopper_cert_chain_case{case}.txt").read_bytes()


def evidence(
    raw: bytes | None = None,
    pem: bytes | None = None,
    arch: str = "HOPPER",
    *,
    hexadecimal: bool = True,
) -> bytes:
    raw = report() if raw is None else raw
    return msgspec.json.encode(
        {
            "device_evidence_list": [
                {
                    "arch": arch,
                    "uuid": UUID,
                    "evidence": raw.hex() if hexadecimal else base64.b64encode(raw).decode(),
                    "certificate": chain() if pem is None else pem,
                }
            ]
        }
    )


def verdict(
    raw: bytes, nonce: bytes = NONCE, collateral: Material | None = None
) -> VerifiedEvidence:
    inputs = Inputs(now=NOW, collateral=collateral or Material())
    (found,) = verify("nvidia", raw, Expectation(report_data=nonce), inputs)
    return found


def refused_at(raw: bytes, nonce: bytes = NONCE) -> str:
    with pytest.raises(VerificationError) as caught:
        verdict(raw, nonce)
    return caught.value.refusal.step.removeprefix("nvidia.")


def flip(raw: bytes, at: int) -> bytes:
    return raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]


def test_claims_are_upstreams_to_the_letter() -> None:
    expected = msgspec.json.decode(
        vector("nvidia", "hopperAttestationReport-claims.txt").read_bytes()
    )
    found = verdict(evidence())
    assert {k: v for k, v in found.claims.items() if k not in OURS} == expected
    assert set(found.claims) - set(expected) == OURS
    assert found.claims["uuid_verified"] is False
    assert found.tee_class == "gpu"
    assert found.report_data == NONCE


@pytest.mark.parametrize("arch", ["hopper", "Hopper", "HOPPER"])
def test_architecture_is_read_in_any_letter_case(arch: str) -> None:
    assert verdict(evidence(arch=arch)).claims["arch"] == "Hopper"


def test_report_in_base64_is_the_same() -> None:
    assert verdict(evidence(hexadecimal=False)) == verdict(evidence())


def test_report_alone_finds_its_chain_in_the_collateral() -> None:
    found = verdict(report(), collateral=Material.of_files({"chain.pem": chain()}))
    assert found.claims["uuid"] == "unknown"
    assert found.claims["config"]["fwid"] == FWID
    assert refused_at(report()) == "4 chain"


def test_longer_report_data_is_cut_to_the_nonce() -> None:
    assert verdict(evidence(), NONCE + b"more").report_data == NONCE
    assert refused_at(evidence(), NONCE[:-1]) == "8 nonce"
    assert refused_at(evidence(), flip(NONCE, 31)) == "8 nonce"


@pytest.mark.check("nvidia", 4)
def test_root_alone_is_no_chain() -> None:
    with pytest.raises(VerificationError) as caught:
        verdict(evidence(pem=chain(2)))
    assert caught.value.refusal.step == "nvidia.4 chain"
    assert caught.value.refusal.expected == "at least the root and a leaf"


@pytest.mark.check("nvidia", 6)
def test_chain_without_the_signing_certificate_has_no_fwid() -> None:
    with pytest.raises(VerificationError) as caught:
        verdict(evidence(pem=chain(4)))
    assert caught.value.refusal.step == "nvidia.6 identity"
    assert "2.23.133.5.4.1" in caught.value.refusal.got


def test_signing_certificate_says_its_firmware() -> None:
    pem = vector("nvidia", "hopper_signing_cert.pem").read_bytes()
    (leaf,) = Material.of_files({"leaf.pem": pem}).certificates
    assert (fwid_of(leaf) or b"").hex() == FWID


def test_roots_have_the_pinned_digests() -> None:
    pem = vector("roots", "nvidia_device_root.pem").read_bytes()
    (root,) = Material.of_files({"root.pem": pem}).certificates
    assert {root.fingerprint} == DEVICE_PINS
    assert hashlib.sha1(root.der).hexdigest() == "72be15b8b2c8d3f482f84237a6fcc45b8a1354e8"
    assert not DEVICE_PINS & MANIFEST_PINS


@pytest.mark.check("nvidia", 7)
@pytest.mark.parametrize("at", [36, *range(60, 3989, 331)])
def test_flipped_bit_of_what_is_signed_is_refused(at: int) -> None:
    assert refused_at(evidence(flip(report(), at))) in {
        "2 messages",
        "3 opaque data",
        "7 signature",
    }


@pytest.mark.check("nvidia", 7)
@pytest.mark.parametrize("back", [1, 48, 49, 96])
def test_changed_signature_is_refused(back: int) -> None:
    assert refused_at(evidence(flip(report(), len(report()) - back))) == "7 signature"


def test_tail_is_allowed_and_not_read() -> None:
    assert verdict(evidence(report() + bytes(5000))) == verdict(evidence())


def test_chain_with_a_changed_byte_is_refused() -> None:
    certificates = Material.of_files({"c": chain()}).certificates
    for index, one in enumerate(certificates):
        wrong = [each.der for each in certificates]
        wrong[index] = flip(one.der, len(one.der) - 1)
        pem = b"".join(encode(each, "CERTIFICATE") for each in wrong)
        assert refused_at(evidence(pem=pem)).startswith(("1 ", "4 "))


def test_every_step_of_real_evidence_is_accounted_for() -> None:
    trail = trail_of("nvidia")
    verify("nvidia", evidence(), Expectation(report_data=NONCE), Inputs(now=NOW), trail)
    outcome = {step.n: step.result for step in trail.results}
    assert outcome == dict.fromkeys(range(1, 9), Result.PASSED) | dict.fromkeys(
        range(9, 13), Result.SKIPPED
    )


def test_nothing_is_fetched_unless_an_option_asks() -> None:
    assert VERIFIERS["nvidia"].plan(evidence(), Inputs(now=NOW)) == ()


def test_layout_of_real_evidence() -> None:
    sections = LAYOUTS["nvidia"](evidence())
    assert [len(section.fields) for section in sections] == [6, 10, 64, 14, 5]
    fields = {field.name: field for field in sections[3].fields}
    assert fields["vbios_version"].meaning == "96.00.9f.00.01"
    signature = sections[1].fields[-2]
    assert report()[signature.offset :][:96].hex() == signature.value
    nonce = sections[1].fields[6]
    assert report()[nonce.offset :][:32].hex() == nonce.value
    first = sections[2].fields[1]
    assert report()[first.offset :][:48].hex() == first.value
