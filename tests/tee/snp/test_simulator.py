"""The simulator: right in every version and product line, and wrong in any one field."""

import pytest

from casemate.crypto.certificate import Certificate
from casemate.errors import InputError
from casemate.tee.anchors import Anchors
from casemate.tee.evidence import Inputs
from casemate.tee.material import Material
from casemate.tee.options import Options
from casemate.tee.snp.fake import FIELDS
from casemate.tee.snp.report import Report
from tests.tee.snp.machine import (
    NOW,
    accepted,
    evidence_json,
    expectation_of,
    inputs_of,
    refused_at,
    simulate,
    step,
    verdict,
)

ALL_ONES = "ff" * 48
LARGE = "0" * 14 + "ff"  # microcode 255, more than the others have

WRONG: dict[str, tuple[dict[str, str], set[str]]] = {
    "flip": ({"flip": "144"}, {"9 signature"}),
    "product": ({"product": "Milan", "cpuid_mod_id": "0x11"}, {"6 product"}),
    "key": ({"key": "VLEK", "key_info": "0"}, {"4 endorsement key", "5 key info"}),
    "carried": ({"carried": "none", "missing": "vek"}, {"4 endorsement key"}),
    "carried_kind": ({"carried_kind": "VLEK"}, {"4 endorsement key"}),
    "missing": ({"missing": "authority"}, {"7 chain"}),
    "other_key": ({"other_key": "true"}, {"9 signature"}),
    "authority_keys": ({"authority_keys": "RSA", "other_key": "true"}, {"9 signature"}),
    "expired": ({"expired": "vek"}, {"7 chain"}),
    "not_yet": ({"not_yet": "authority"}, {"7 chain"}),
    "self_made": ({"self_made": "vek"}, {"7 chain"}),
    "no_authority": ({"no_authority": "authority"}, {"7 chain"}),
    "other_authority": ({"other_authority": "true"}, {"7 chain"}),
    "other_root_name": ({"other_root_name": "true"}, {"7 chain"}),
    "revoked": ({"revoked": "authority"}, {"8 revocation"}),
    "list": ({"list": "none"}, set()),
    "vek_key": ({"vek_key": "P-256"}, {"4 endorsement key"}),
    "vek_subject": ({"vek_subject": "SEV-OTHER"}, {"4 endorsement key"}),
    "vek_product": ({"vek_product": "Genoa"}, {"6 product"}),
    "vek_product_form": ({"vek_product_form": "false"}, {"4 endorsement key"}),
    "vek_tcb": ({"vek_tcb": "01030018000000db"}, {"10 certified tcb"}),
    "vek_level": ({"vek_level": "256"}, {"4 endorsement key"}),
    "vek_hw_id": ({"vek_hw_id": "0102030405060709"}, {"4 endorsement key", "11 chip"}),
    "vek_hw_id_form": ({"vek_hw_id_form": "octets", "vek_hw_id": "01"}, {"4 endorsement key"}),
    "vek_without": ({"vek_without": "3.8"}, {"4 endorsement key"}),
    "vek_critical": ({"vek_critical": "true"}, {"7 chain"}),
    "vek_fmc": ({"vek_fmc": "false"}, {"10 certified tcb"}),
    "signed_report_data": ({"signed_report_data": "00" * 64}, {"18 report data"}),
    "version": ({"version": "6"}, {"2 version"}),
    "policy": ({"policy": "0xb0000"}, {"15 debug"}),
    "vmpl": ({"vmpl": "1"}, {"17 vmpl"}),
    "sig_algo": ({"sig_algo": "2"}, {"5 key info"}),
    "current_tcb": ({"current_tcb": "0000000000000000"}, {"12 tcb order"}),
    "plat_info": ({"plat_info": "0x40"}, {"14 bits"}),
    "key_info": ({"key_info": "2"}, {"5 key info"}),
    "host_data": ({"init_data": "ab" * 32, "host_data": "00" * 32}, {"19 init data"}),
    "reported_tcb": ({"reported_tcb": "01030018000000db"}, {"10 certified tcb"}),
    "cpuid_fam_id": ({"cpuid_fam_id": "0x17"}, {"3 report"}),
    "cpuid_mod_id": ({"cpuid_mod_id": "0x20"}, {"3 report"}),
    "chip_id": ({"chip_id": "00" * 64}, {"4 endorsement key", "11 chip"}),
    "committed_tcb": ({"committed_tcb": "0000000000000000"}, {"12 tcb order"}),
    "current": ({"current": "00000000"}, {"12 tcb order"}),
    "committed": ({"committed": "08370200"}, {"12 tcb order"}),
    "launch_tcb": ({"launch_tcb": "01040018000000ff"}, {"12 tcb order"}),
    "signature_r": ({"signature_r": "01" * 48 + "00" * 24}, {"9 signature"}),
    "signature_s": ({"signature_s": "01" * 72}, {"9 signature"}),
}
"""Field → a value that is wrong, and where it is refused (in JSON and in binary form)."""

FREE = frozenset(
    {
        *("report_data", "init_data", "guest_svn", "family_id", "image_id", "measurement"),
        *("id_key_digest", "author_key_digest", "report_id", "report_id_ma", "cpuid_step"),
        *("launch_mit_vector", "current_mit_vector"),
    }
)
"""Fields that a policy may look at: no value of them is wrong by itself."""

RESERVED = frozenset(name for name in FIELDS if name.startswith("reserved_"))


EVERY = [
    (product, version, key)
    for product in ("Milan", "Genoa", "Turin", "Venice")
    for version in ("2", "3", "4", "5")
    for key in ("VCEK", "VLEK")
    # version 2 without a chip id does not say how the TCB words of these are ordered
    if (version, key) != ("2", "VLEK") or product in {"Milan", "Genoa"}
]


@pytest.mark.parametrize(("product", "version", "key"), EVERY)
def test_every_product_version_and_key_is_accepted(product: str, version: str, key: str) -> None:
    found = accepted(simulate(product=product, version=version, key=key))
    assert found.claims["product"] == product
    assert found.claims["version"] == int(version)
    assert found.claims["signing_key"] == key
    assert ("reported_tcb_fmc" in found.claims) is (product in {"Turin", "Venice"})


def test_turin_of_version_2_without_a_chip_id_is_refused() -> None:
    made = simulate(product="Turin", version="2", key="VLEK")
    assert refused_at(made) == {"snp.3 report"}


def test_chain_with_keys_as_amd_makes_them_is_accepted() -> None:
    made = simulate(authority_keys="RSA", carried="list")
    root = Certificate.parse(made.roots["ark.der"])
    assert root.algorithm.oid == "1.2.840.113549.1.1.10"
    accepted(made)


def test_every_field_is_tried() -> None:
    assert set(WRONG) | FREE | RESERVED == set(FIELDS)
    assert not (set(WRONG) & FREE)


@pytest.mark.parametrize("field", sorted(WRONG))
def test_field_set_wrong_is_refused(field: str) -> None:
    fields, steps = WRONG[field]
    made = simulate(**fields)
    if field == "carried_kind":  # of JSON alone
        assert step(made.evidence, inputs_of(made)) == "snp.4 endorsement key"
    elif steps:
        assert refused_at(made) <= {f"snp.{one}" for one in steps}
    else:
        accepted(made)


@pytest.mark.parametrize("field", sorted(RESERVED))
def test_reserved_bytes_are_refused_in_binary_form(field: str) -> None:
    size = int(FIELDS[field].split()[2])
    made = simulate(**{field: "01" + "00" * (size - 1)})
    assert step(made.binary, inputs_of(made), expectation_of(made)) == "snp.3 report"


@pytest.mark.parametrize("field", sorted(RESERVED - {"reserved_330"}))
def test_reserved_bytes_that_were_signed_break_the_signature_in_json(field: str) -> None:
    size = int(FIELDS[field].split()[2])
    made = simulate(**{field: "00" * (size - 1) + "01"})
    assert step(made.evidence, inputs_of(made), expectation_of(made)) == "snp.9 signature"


@pytest.mark.parametrize("field", sorted(FREE - {"report_data", "init_data"}))
def test_free_field_is_claimed_as_it_was_set(field: str) -> None:
    size = int(FIELDS[field].split()[2]) if "hex" in FIELDS[field] else 1
    value = "7" if "number" in FIELDS[field] else "5a" * size
    found = accepted(simulate(**{field: value}))
    if field != "cpuid_step":
        assert str(found.claims[field]) == value


def test_no_simulation_is_accepted_without_its_root() -> None:
    made = simulate()
    given = inputs_of(made)
    bare = Inputs(now=NOW, collateral=given.collateral)
    assert step(made.evidence, bare) == "snp.7 chain"
    only_helping = Inputs(
        now=NOW, anchors=Anchors(material=Material.of_files(made.roots)), collateral=bare.collateral
    )
    assert step(made.evidence, only_helping) == "snp.7 chain"
    published = Inputs(now=NOW, collateral=Material.of_files({**made.collateral, **made.roots}))
    assert step(made.evidence, published) == "snp.7 chain"
    assert step(made.binary, published) == "snp.7 chain"


def test_roots_of_one_simulation_do_not_serve_another() -> None:
    first, second = simulate(), simulate()
    crossed = Inputs(
        now=NOW,
        anchors=Anchors.of_folder(first.roots),
        collateral=Material.of_files(second.collateral),
        options=Options(),
    )
    assert step(second.evidence, crossed) == "snp.7 chain"


def test_what_is_carried_suffices_with_the_root() -> None:
    made = simulate(carried="all")
    given = Inputs(now=NOW, anchors=Anchors.of_folder(made.roots))
    verdict(made.evidence, given, expectation_of(made))


def test_flip_changes_one_bit_after_signing() -> None:
    made = simulate(flip="80")
    assert made.binary is not None
    assert Report.parse(made.binary).report_data[0] == made.report_data[0] ^ 1


@pytest.mark.parametrize(
    "fields",
    [
        {"product": "Naples"},
        {"key": "ASK"},
        {"flip": "672"},
        {"init_data": "ab"},
        {"vek_key": "DSA"},
        {"authority_keys": "none"},
        {"measurement": "ab"},
        {"guest_svn": "-1"},
        {"version": "0x100000000"},
        {"unknown": "1"},
        {"vek_hw_id_form": "other"},
    ],
    ids=str,
)
def test_values_that_cannot_be_meant_are_the_callers_mistake(fields: dict[str, str]) -> None:
    with pytest.raises(InputError):
        simulate(**fields)


def test_evidence_is_the_json_of_the_wire() -> None:
    made = simulate(version="3")
    evidence = evidence_json(made)
    assert set(evidence) == {"attestation_report", "cert_chain"}
    assert [one["cert_type"] for one in evidence["cert_chain"]] == ["VCEK"]
    assert evidence["attestation_report"]["launch_mit_vector"] is None
