"""Each step of the verifier, by simulated DPUs that are wrong in one field."""

import hashlib
import json
from datetime import timedelta

import msgspec
import pytest

from casemate.crypto.digest import sha256
from casemate.errors import InputError, VerificationError
from casemate.tee.evidence import Expectation, Inputs
from casemate.tee.layouts import LAYOUTS
from casemate.tee.material import Material
from casemate.tee.nvidia_dpu.verifier import CHECKS
from casemate.tee.simulators import SIMULATORS
from casemate.tee.trail import Result
from casemate.tee.verifiers import VERIFIERS, trail_of, verify
from tests.tee.nvidia_dpu.simulated import NOW, claims_of, inputs_of, make, refused_at

ONE_FIELD_WRONG = [
    ("version", "2", 1),
    ("version", "0", 1),
    ("architecture", "bluefield9", 1),
    ("devices", "0", 1),
    ("devices", "2", 1),
    ("alias_key", "P-256", 2),
    ("alias_key", "Ed25519", 2),
    ("device_key", "P-256", 2),
    ("device_serial", "-1", 2),
    ("root_key", "P-256", 3),
    ("expired", "alias", 3),
    ("expired", "device", 3),
    ("expired", "root", 3),
    ("not_yet", "device", 3),
    ("not_yet", "root", 3),
    ("self_made", "alias", 3),
    ("self_made", "device", 3),
    ("self_made", "root", 3),
    ("no_authority", "device", 3),
    ("no_authority", "root", 3),
    ("other_issuer", "alias", 3),
    ("other_issuer", "device", 3),
    ("revoked", "alias", 3),
    ("revoked", "device", 3),
    ("critical", "alias", 3),
    ("critical", "device", 3),
    ("alias_age", "-1", 3),
    ("alias_age", "3601", 4),
    ("signer", "other", 5),
    ("signature", "00", 5),
    ("signature", "", 5),
    ("signature", "00" * 96, 5),
    ("layer_digest", "00" * 32, 7),
    ("layer_form", "twice", 7),
    ("layer_form", "broken", 7),
    ("layers", "65", 7),
]
HARMLESS = {"report_data", "device_class", "signed", "signature_form"}


@pytest.mark.parametrize(("field", "value", "step"), ONE_FIELD_WRONG)
def test_one_wrong_field_is_refused_at_its_step(field: str, value: str, step: int) -> None:
    assert refused_at(make(**{field: value})) == step


def test_every_field_of_the_simulator_is_tried_wrong() -> None:
    tried = {field for field, _, _ in ONE_FIELD_WRONG} | HARMLESS | {"flip"}
    assert tried == set(SIMULATORS["nvidia-dpu"].fields)


def test_every_flipped_bit_of_the_alias_certificate_is_refused() -> None:
    made = make()
    inputs = inputs_of(made)
    evidence = json.loads(made.evidence)
    from base64 import b64decode, b64encode

    for name in ("alias_cert", "device_id_cert", "report_data_signature"):
        original = evidence["devices"][0][name]
        raw = b64decode(original)
        for at in range(len(raw)):
            changed = raw[:at] + bytes([raw[at] ^ 1 << at % 8]) + raw[at + 1 :]
            evidence["devices"][0][name] = b64encode(changed).decode()
            sim = msgspec.structs.replace(made, evidence=json.dumps(evidence).encode())
            assert refused_at(sim, inputs) != 0, (name, at)
        evidence["devices"][0][name] = original
    assert refused_at(make(flip="100")) != 0


def test_right_device_passes_every_step_with_upstreams_claims() -> None:
    made = make()
    trail = trail_of("nvidia-dpu")
    found = claims_of(made, trail=trail)
    assert {one.result for one in trail.results} == {Result.PASSED}
    assert len(trail.results) == len(CHECKS)
    layers = b"\xf0" * 48 + b"\xf1" * 48
    upstreams = {
        "device_serial": "1d5e71a1",
        "device_class": "bluefield3",
        "firmware_layers_count": 2,
        "accumulated_fwid": hashlib.sha384(layers).hexdigest(),
        "alias_timestamp": int((NOW - timedelta(seconds=60)).timestamp()),
        "session_nonce": made.report_data.hex(),
    }
    assert {name: found.claims[name] for name in upstreams} == upstreams
    assert found.claims["report_data"] == made.report_data.hex()
    assert found.claims["firmware_layers"][1] == {"algorithm": "sha384", "digest": "f1" * 48}
    assert found.tee_class == "nvidia-dpu"
    assert found.chain[-1].startswith("root sha256:")
    for name in found.claims:
        assert VERIFIERS["nvidia-dpu"].source(name), name
    assert VERIFIERS["nvidia-dpu"].source("other") == ""


@pytest.mark.check("nvidia-dpu", 1)
def test_more_than_one_device_is_refused() -> None:
    assert refused_at(make(devices="2")) == 1


@pytest.mark.check("nvidia-dpu", 2)
def test_keys_of_other_curves_are_refused() -> None:
    assert refused_at(make(alias_key="P-256")) == 2
    assert refused_at(make(device_key="P-256")) == 2


@pytest.mark.check("nvidia-dpu", 3)
def test_simulation_is_refused_without_its_root() -> None:
    made = make()
    assert refused_at(made, Inputs(now=NOW)) == 3
    assert refused_at(made, inputs_of(make())) == 3  # the same name, another's key
    untrusted = Inputs(now=NOW, collateral=Material.of_files(made.roots))
    assert refused_at(made, untrusted) == 3


@pytest.mark.check("nvidia-dpu", 4)
@pytest.mark.parametrize(
    ("age", "allowed", "step"),
    [
        ("0", "3600", 0),
        ("3600", "3600", 0),
        ("3601", "3600", 4),
        ("90", "60", 4),
        ("7000", "7200", 0),
    ],
)
def test_alias_key_is_as_young_as_the_option_says(age: str, allowed: str, step: int) -> None:
    made = make(alias_age=age)
    assert refused_at(made, inputs_of(made, max_cert_age_secs=allowed)) == step


@pytest.mark.parametrize("value", ["0", "-1", "forever", "31536001"])
def test_age_without_a_bound_is_refused(value: str) -> None:
    with pytest.raises(InputError):
        claims_of(make(), inputs_of(make(), max_cert_age_secs=value))


@pytest.mark.check("nvidia-dpu", 5)
@pytest.mark.parametrize("size", [0, 32, 48, 64])
@pytest.mark.parametrize("signed", ["padded", "plain"])
@pytest.mark.parametrize("form", ["der", "raw"])
def test_report_data_is_signed_padded_or_plain_in_either_form(
    size: int, signed: str, form: str
) -> None:
    made = make(report_data="5a" * size, signed=signed, signature_form=form)
    trail = trail_of("nvidia-dpu")
    claims_of(made, trail=trail)
    padded = signed == "padded" or size == 64
    assert trail.results[4].detail == ("padded to 64 bytes" if padded else "plain")
    for wrong in (b"\x5a" * size + b"\1", b"\x5b" * 48):
        assert refused_at(msgspec.structs.replace(made, report_data=wrong)) == 5


@pytest.mark.check("nvidia-dpu", 6)
def test_init_data_that_no_device_binds_is_refused() -> None:
    made = make()
    expected = Expectation(report_data=made.report_data, init_data=sha256(b"initdata"))
    with pytest.raises(VerificationError, match=r"nvidia-dpu\.6"):
        verify("nvidia-dpu", made.evidence, expected, inputs_of(made))


@pytest.mark.check("nvidia-dpu", 7)
def test_firmware_list_that_cannot_be_read_is_not_an_empty_one() -> None:
    assert refused_at(make(layer_form="broken")) == 7


def test_firmware_lists_of_both_forms_are_read_alike() -> None:
    claims = [claims_of(make(layer_form=form)).claims for form in ("implicit", "wrapped")]
    assert claims[0]["accumulated_fwid"] == claims[1]["accumulated_fwid"]
    assert claims[0]["firmware_layers"] == claims[1]["firmware_layers"]
    one = claims_of(make(layers="1")).claims
    assert one["firmware_layers_count"] == 1


@pytest.mark.parametrize("fields", [{"layer_form": "none"}, {"layers": "0"}])
def test_device_without_firmware_ids_says_so(fields: dict[str, str]) -> None:
    claims = claims_of(make(**fields)).claims
    assert claims["firmware_layers_count"] == 0
    assert claims["accumulated_fwid"] == hashlib.sha384().hexdigest()


def test_device_class_is_its_common_name() -> None:
    assert claims_of(make(device_class="BF3 of rack 7")).claims["device_class"] == "BF3 of rack 7"
    assert claims_of(make(device_class="")).claims["device_class"] == "unknown"


def test_freshness_is_skipped_only_when_nothing_was_expected() -> None:
    made = make()
    trail = trail_of("nvidia-dpu")
    (found,) = verify(
        "nvidia-dpu", made.evidence, Expectation(report_data=None), inputs_of(made), trail
    )
    assert [one.n for one in trail.results if one.result is Result.SKIPPED] == [5]
    assert not found.claims.keys() & {"session_nonce", "report_data"}


@pytest.mark.parametrize(
    "fields",
    [
        {"nothing": "1"},
        {"alias_key": "RSA"},
        {"layer_form": "odd"},
        {"flip": "100000"},
        {"signed": "twice"},
        {"alias_age": "old"},
        {"init_data": "00" * 32},
    ],
)
def test_simulator_refuses_what_cannot_be_meant(fields: dict[str, str]) -> None:
    with pytest.raises(InputError):
        make(**fields)


@pytest.mark.parametrize("form", ["der", "raw"])
def test_evidence_is_shown_with_both_certificates(form: str) -> None:
    sections = LAYOUTS["nvidia-dpu"](make(signature_form=form).evidence)
    assert [one.title for one in sections][1:] == ["alias certificate", "DeviceID certificate"]
    names = {field.name for section in sections for field in section.fields}
    assert {"firmware id 1", "report_data_signature", "serial number"} <= names
