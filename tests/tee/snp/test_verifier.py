"""Each check of the SNP verifier: evidence that is wrong in that one thing is refused there."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from casemate.crypto.vendor_chain import ChainMemory
from casemate.errors import InputError, VerificationError
from casemate.tee.anchors import Anchors
from casemate.tee.evidence import Expectation, Inputs
from casemate.tee.material import Material
from casemate.tee.simulation import Simulated
from casemate.tee.snp import endorsement
from casemate.tee.snp.product import TcbLayout
from casemate.tee.snp.report import Report
from casemate.tee.snp.tcb import part_at
from casemate.tee.snp.vek import EndorsementKey
from casemate.tee.verifiers import VERIFIERS
from tests.tee.snp.machine import (
    NOW,
    accepted,
    digest,
    evidence_json,
    expectation_of,
    inputs_of,
    refusal,
    refused_at,
    simulate,
    skipped,
    step,
    vek_of,
    verdict,
)


@pytest.fixture(scope="module")
def made() -> Simulated:
    return simulate(init_data="ab" * 32)


def remembering(made: Simulated, memory: ChainMemory) -> Inputs:
    return msgspec.structs.replace(inputs_of(made), memory=memory)


def without(made: Simulated, *path: str | int) -> bytes:
    evidence = evidence_json(made)
    *way, last = path
    place: Any = evidence
    for part in way:
        place = place[part]
    del place[last]
    return msgspec.json.encode(evidence)


@pytest.mark.check("snp", 1)
@pytest.mark.parametrize("raw", [b"", b"[]", b"null", b"{}", b'{"attestation_report":{}}', b"\xff"])
def test_what_is_neither_form_is_refused(raw: bytes) -> None:
    assert step(raw, Inputs(now=NOW)) == "snp.1 shape"


@pytest.mark.check("snp", 1)
def test_report_of_another_size_is_refused(made: Simulated) -> None:
    assert made.binary is not None
    for raw in (made.binary[:-1], made.binary + b"\0"):
        assert step(raw, inputs_of(made)) == "snp.1 shape"


@pytest.mark.check("snp", 2)
@pytest.mark.parametrize(
    ("version", "word"), [("1", "too old"), ("2", "too old"), ("6", "unexpected")]
)
def test_version_that_is_not_read_is_refused(version: str, word: str) -> None:
    found = simulate(version=version)
    for raw in (found.evidence, found.binary):
        plain = inputs_of(found)
        error = refusal(raw, Inputs(now=NOW, anchors=plain.anchors, collateral=plain.collateral))
        assert error.refusal.step == "snp.2 version"
        assert word in error.refusal.got


@pytest.mark.check("snp", 2)
def test_version_is_a_configurable_minimum() -> None:
    assert refused_at(simulate(version="3"), "snp.min_version=5") == {"snp.2 version"}
    accepted(simulate(version="5"), "snp.min_version=5")


@pytest.mark.check("snp", 3)
def test_members_of_a_later_version_are_refused(made: Simulated) -> None:
    evidence = evidence_json(simulate(version="3"))
    evidence["attestation_report"]["launch_mit_vector"] = 0
    assert step(msgspec.json.encode(evidence), inputs_of(made)) == "snp.3 report"


@pytest.mark.check("snp", 3)
@pytest.mark.parametrize("member", ["launch_mit_vector", "cpuid_fam_id"])
def test_members_of_the_version_are_required(made: Simulated, member: str) -> None:
    evidence = without(made, "attestation_report", member)
    assert step(evidence, inputs_of(made)) == "snp.3 report"


@pytest.mark.check("snp", 3)
@pytest.mark.parametrize("fmc", [None, 256, -1])
def test_tcb_that_is_not_the_products_is_refused(made: Simulated, fmc: int | None) -> None:
    evidence = evidence_json(made)
    evidence["attestation_report"]["current_tcb"]["fmc"] = fmc
    assert step(msgspec.json.encode(evidence), inputs_of(made)) == "snp.3 report"


@pytest.mark.check("snp", 3)
def test_unknown_processor_is_refused() -> None:
    assert refused_at(simulate(cpuid_fam_id="0x1b")) == {"snp.3 report"}


@pytest.mark.parametrize(
    ("family", "model", "product"),
    [
        (0x19, 0x00, "Milan"),
        (0x19, 0x0F, "Milan"),
        (0x19, 0x10, "Genoa"),
        (0x19, 0xA0, "Genoa"),
        (0x19, 0xAF, "Genoa"),
        (0x1A, 0x11, "Turin"),
        (0x1A, 0x57, "Venice"),
        (0x1A, 0xC7, "Venice"),
    ],
)
def test_every_model_of_a_line_is_known_af_included(family: int, model: int, product: str) -> None:
    accepted(simulate(product=product, cpuid_fam_id=str(family), cpuid_mod_id=str(model)))


@pytest.mark.check("snp", 4)
def test_chain_without_an_endorsement_key_is_refused() -> None:
    found = simulate(carried="all", missing="vek")
    assert step(found.evidence, inputs_of(found)) == "snp.4 endorsement key"


@pytest.mark.check("snp", 4)
def test_empty_chain_is_refused_even_where_the_key_is_known(made: Simulated) -> None:
    evidence = evidence_json(made) | {"cert_chain": []}
    assert step(msgspec.json.encode(evidence), inputs_of(made)) == "snp.4 endorsement key"


@pytest.mark.check("snp", 4)
def test_null_chain_is_filled_from_collateral(made: Simulated) -> None:
    evidence = evidence_json(made) | {"cert_chain": None}
    verdict(msgspec.json.encode(evidence), inputs_of(made), expectation_of(made))


@pytest.mark.check("snp", 4)
@pytest.mark.parametrize(
    "data", [[], [256], [-1], ["a"], "MII=", [48, 0], {"a": 1}, [1 << 70], [1.5], None]
)
def test_certificate_that_is_none_is_refused(made: Simulated, data: object) -> None:
    evidence = evidence_json(made)
    evidence["cert_chain"][0]["data"] = data
    assert step(msgspec.json.encode(evidence), inputs_of(made)) == "snp.4 endorsement key"


@pytest.mark.check("snp", 4)
def test_first_endorsement_key_wins() -> None:
    found, other = simulate(), simulate()
    evidence = evidence_json(found)
    evidence["cert_chain"] += evidence_json(other)["cert_chain"]
    verdict(msgspec.json.encode(evidence), inputs_of(found), expectation_of(found))
    evidence["cert_chain"].reverse()
    assert step(msgspec.json.encode(evidence), inputs_of(found)) == "snp.7 chain"


@pytest.mark.check("snp", 4)
def test_pieces_that_are_no_certificates_are_passed_over(made: Simulated) -> None:
    evidence = evidence_json(made)
    evidence["cert_chain"] += [
        {"cert_type": "Empty", "data": []},
        {"cert_type": {"OTHER": "00112233-4455-6677-8899-aabbccddeeff"}, "data": [1, 2]},
    ]
    verdict(msgspec.json.encode(evidence), inputs_of(made), expectation_of(made))


@pytest.mark.check("snp", 4)
def test_key_is_the_chips_and_of_its_tcb_where_several_are_known() -> None:
    found = simulate(carried="none")
    stale = simulate(vek_tcb="01030017000000da")
    other = simulate(vek_hw_id="ff" * 8)
    given = inputs_of(found)
    crowd = Material([vek_of(other), vek_of(stale), vek_of(found)]) | given.collateral
    many = Inputs(now=NOW, anchors=given.anchors, collateral=crowd)
    verdict(found.evidence, many, expectation_of(found))
    old = Inputs(now=NOW, anchors=given.anchors, collateral=Material([vek_of(stale)]))
    assert step(found.evidence, old) != "snp.4 endorsement key"


@pytest.mark.check("snp", 4)
def test_broken_certificates_in_a_folder_do_no_harm() -> None:
    found = simulate(carried="none")
    broken = vek_of(simulate(vek_key="P-256"))
    given = inputs_of(found)
    crowd = Material([broken]) | given.collateral
    many = Inputs(now=NOW, anchors=given.anchors, collateral=crowd)
    verdict(found.evidence, many, expectation_of(found))


@pytest.mark.check("snp", 4)
@pytest.mark.parametrize(
    "fields",
    [
        {"vek_key": "P-256"},
        {"vek_key": "RSA"},
        {"vek_hw_id": "00" * 9},
        {"vek_without": "2"},
        {"vek_without": "4"},
        {"key": "VLEK", "vek_without": "5"},
        {"vek_product": "Naples"},
        {"vek_product": "\u00fc"},
        {"vek_level": "-1"},
    ],
    ids=str,
)
def test_endorsement_key_that_lacks_what_amd_writes_is_refused(fields: dict[str, str]) -> None:
    assert refused_at(simulate(**fields)) == {"snp.4 endorsement key"}


@pytest.mark.check("snp", 5)
def test_another_signature_algorithm_is_refused() -> None:
    assert refused_at(simulate(sig_algo="0")) == {"snp.5 key info"}


@pytest.mark.check("snp", 5)
def test_masked_chip_key_is_refused() -> None:
    assert refused_at(simulate(key_info="2")) == {"snp.5 key info"}


@pytest.mark.check("snp", 5)
@pytest.mark.parametrize("key", ["VCEK", "VLEK"])
def test_signing_key_of_another_kind_than_the_certificate_is_refused(key: str) -> None:
    other = {"VCEK": 1 << 2, "VLEK": 0}[key]
    found = simulate(key=key, key_info=str(other))
    assert step(found.evidence, inputs_of(found)) == "snp.5 key info"


@pytest.mark.check("snp", 5)
@pytest.mark.parametrize("selector", [2, 6, 7])
def test_report_that_no_key_signed_is_refused(selector: int) -> None:
    found = simulate(key_info=str(selector << 2))
    assert step(found.evidence, inputs_of(found)) == "snp.5 key info"
    assert step(found.binary, inputs_of(found)) == "snp.4 endorsement key"


@pytest.mark.check("snp", 5)
@pytest.mark.parametrize("bit", [5, 16, 31])
def test_unknown_bits_of_the_key_info_are_refused(bit: int) -> None:
    assert refused_at(simulate(key_info=str(1 << bit))) == {"snp.5 key info"}


@pytest.mark.check("snp", 6)
def test_certificate_of_another_product_is_refused() -> None:
    assert refused_at(simulate(product="Genoa", vek_product="Milan-B0")) == {"snp.6 product"}


@pytest.mark.check("snp", 6)
def test_product_of_version_2_must_have_its_order_of_the_tcb() -> None:
    assert refused_at(simulate(product="Milan", version="2", vek_product="Turin")) == {
        "snp.6 product"
    }


@pytest.mark.check("snp", 6)
def test_hardware_id_of_another_products_size_is_refused() -> None:
    found = simulate(product="Turin", vek_hw_id="0102030405060708".ljust(128, "0"))
    assert refused_at(found) == {"snp.6 product"}


@pytest.mark.check("snp", 7)
@pytest.mark.parametrize("who", ["vek", "authority", "root"])
@pytest.mark.parametrize("how", ["expired", "not_yet", "self_made"])
def test_certificate_dates_and_signatures_are_verified(who: str, how: str) -> None:
    assert refused_at(simulate(**{how: who})) == {"snp.7 chain"}
    assert refused_at(simulate(**{how: who}, carried="all")) == {"snp.7 chain"}


@pytest.mark.check("snp", 7)
@pytest.mark.parametrize("who", ["authority", "root"])
def test_authority_without_the_right_is_refused(who: str) -> None:
    assert refused_at(simulate(no_authority=who)) == {"snp.7 chain"}


@pytest.mark.check("snp", 7)
@pytest.mark.parametrize("key", ["VCEK", "VLEK"])
def test_authority_of_the_other_kind_of_key_is_refused(key: str) -> None:
    assert refused_at(simulate(key=key, other_authority="true")) == {"snp.7 chain"}


@pytest.mark.check("snp", 7)
def test_root_of_another_name_is_refused() -> None:
    assert refused_at(simulate(other_root_name="true")) == {"snp.7 chain"}


@pytest.mark.check("snp", 7)
@pytest.mark.parametrize("index", [0, 1, 2])
def test_certificate_replaced_by_a_same_named_one_is_refused(index: int) -> None:
    found, other = simulate(carried="all"), simulate(carried="all")
    evidence = evidence_json(found)
    evidence["cert_chain"][index] = evidence_json(other)["cert_chain"][index]
    assert step(msgspec.json.encode(evidence), inputs_of(found)) == "snp.7 chain"


@pytest.mark.check("snp", 7)
def test_root_that_is_carried_must_be_the_one_that_counts() -> None:
    found = simulate()
    stray = simulate(product="Milan", carried="all")
    evidence = evidence_json(found)
    evidence["cert_chain"] += evidence_json(stray)["cert_chain"][2:]
    error = refusal(msgspec.json.encode(evidence), inputs_of(found))
    assert error.refusal.step == "snp.7 chain"
    assert error.refusal.claim == "root in cert_chain"


@pytest.mark.check("snp", 7)
def test_missing_authorities_are_refused() -> None:
    assert refused_at(simulate(missing="authority")) == {"snp.7 chain"}
    assert refused_at(simulate(missing="root")) == {"snp.7 chain"}


@pytest.mark.check("snp", 7)
def test_of_several_authorities_of_one_name_the_right_one_is_taken() -> None:
    found, other = simulate(), simulate()
    given, others = inputs_of(found), inputs_of(other)
    crowd = Inputs(
        now=NOW,
        anchors=Anchors(
            material=others.anchors.material | given.anchors.material, pins=given.anchors.pins
        ),
        collateral=others.collateral | given.collateral,
    )
    verdict(found.evidence, crowd, expectation_of(found))


@pytest.mark.check("snp", 7)
def test_unknown_critical_extension_is_refused() -> None:
    assert refused_at(simulate(vek_critical="true")) == {"snp.7 chain"}


@pytest.mark.check("snp", 8)
@pytest.mark.parametrize("who", ["vek", "authority"])
def test_revoked_certificate_is_refused(who: str) -> None:
    assert refused_at(simulate(revoked=who)) == {"snp.8 revocation"}


@pytest.mark.check("snp", 8)
def test_list_that_is_carried_is_heeded() -> None:
    found = simulate(revoked="authority", carried="list")
    bare = Inputs(now=NOW, anchors=Anchors.of_folder(found.roots))
    assert step(found.evidence, bare) == "snp.8 revocation"


@pytest.mark.check("snp", 8)
def test_list_that_is_carried_must_be_one() -> None:
    evidence = evidence_json(simulate(carried="list"))
    evidence["cert_chain"][-1]["data"] = [48, 0]
    found = simulate()
    evidence["cert_chain"][:-1] = evidence_json(found)["cert_chain"]
    evidence["attestation_report"] = evidence_json(found)["attestation_report"]
    assert step(msgspec.json.encode(evidence), inputs_of(found)) == "snp.8 revocation"


@pytest.mark.check("snp", 8)
@pytest.mark.parametrize("fields", [{"list": "none"}, {"list": "other"}, {"expired": "list"}])
def test_without_a_valid_list_the_step_is_skipped_unless_lists_are_required(
    fields: dict[str, str],
) -> None:
    found = simulate(**fields)
    assert "8 revocation" in skipped(found)
    assert refused_at(found, "snp.require_revocation_lists=true") == {"snp.8 revocation"}


@pytest.mark.check("snp", 8)
def test_outdated_list_still_accuses() -> None:
    assert refused_at(simulate(revoked="authority", expired="list")) == {"snp.8 revocation"}


@pytest.mark.check("snp", 8)
def test_looking_back_a_list_that_came_later_counts() -> None:
    found = simulate(not_yet="list")
    assert "8 revocation" in skipped(found)
    required = "snp.require_revocation_lists=true"
    assert refused_at(found, required) == {"snp.8 revocation"}
    assert "8 revocation" not in skipped(found, required, looking_back=True)


@pytest.mark.check("snp", 8)
def test_valid_list_satisfies_the_requirement() -> None:
    found = simulate()
    assert "8 revocation" not in skipped(found, "snp.require_revocation_lists=true")


@pytest.mark.check("snp", 9)
def test_report_signed_by_another_key_is_refused() -> None:
    assert refused_at(simulate(other_key="true")) == {"snp.9 signature"}


@pytest.mark.check("snp", 9)
@pytest.mark.parametrize("number", ["signature_r", "signature_s"])
@pytest.mark.parametrize("value", ["00" * 48 + "01" + "00" * 23, "ff" * 48 + "00" * 24])
def test_signature_of_other_numbers_is_refused(number: str, value: str) -> None:
    assert refused_at(simulate(**{number: value})) == {"snp.9 signature"}


@pytest.mark.check("snp", 10)
@pytest.mark.parametrize("product", ["Milan", "Turin"])
@pytest.mark.parametrize("part", ["bootloader", "tee", "snp", "microcode"])
def test_each_patch_level_must_be_the_certified_one(product: str, part: str) -> None:
    layout = {"Milan": TcbLayout.MILAN, "Turin": TcbLayout.TURIN}[product]
    word = bytearray.fromhex({"Milan": "04000000000018db", "Turin": "01040018000000db"}[product])
    word[[part_at(layout, index) for index in range(8)].index(part)] ^= 1
    found = simulate(product=product, vek_tcb=word.hex())
    assert refused_at(found) == {"snp.10 certified tcb"}


@pytest.mark.check("snp", 10)
def test_fmc_must_be_certified_for_turin_only() -> None:
    assert refused_at(simulate(vek_fmc="false")) == {"snp.10 certified tcb"}
    accepted(simulate(product="Genoa"))


@pytest.mark.check("snp", 11)
def test_certificate_of_another_chip_is_refused() -> None:
    found = simulate(vek_hw_id="ff" * 8)
    assert step(found.evidence, inputs_of(found)) == "snp.11 chip"
    assert step(found.binary, inputs_of(found)) == "snp.4 endorsement key"


@pytest.mark.check("snp", 11)
def test_chip_id_that_is_hidden_does_not_match_a_vcek() -> None:
    found = simulate(chip_id="00" * 64)
    assert step(found.evidence, inputs_of(found)) == "snp.11 chip"


@pytest.mark.check("snp", 11)
def test_chip_id_of_turin_is_followed_by_zeros() -> None:
    found = simulate(chip_id="0102030405060708".ljust(126, "0") + "01")
    assert step(found.evidence, inputs_of(found)) == "snp.11 chip"


@pytest.mark.check("snp", 11)
def test_hardware_id_is_read_in_both_forms() -> None:
    for form in ("bare", "octets"):
        for product in ("Milan", "Turin"):
            accepted(simulate(product=product, vek_hw_id_form=form))


@pytest.mark.check("snp", 11)
def test_vlek_is_of_no_chip() -> None:
    assert "11 chip" in skipped(simulate(key="VLEK"))
    assert accepted(simulate(key="VLEK")).claims["csp_id"] == "CN=cloud.example"


@pytest.mark.check("snp", 12)
@pytest.mark.parametrize(
    "fields",
    [
        {"committed_tcb": "01040018000000da"},
        {"current_tcb": "01040018000000da"},
        {"launch_tcb": "02040018000000db"},
        {"launch_tcb": "01050018000000db"},
        {"launch_tcb": "01040118000000db"},
        {"launch_tcb": "01040019000000db"},
        {"current": "08360100"},
    ],
    ids=str,
)
def test_patch_levels_are_in_order(fields: dict[str, str]) -> None:
    assert refused_at(simulate(**fields)) == {"snp.12 tcb order"}


@pytest.mark.check("snp", 12)
def test_platform_may_report_less_than_it_runs() -> None:
    accepted(simulate(current_tcb="01050119000000dc", committed_tcb="01050018000000db"))


@pytest.mark.check("snp", 13)
@pytest.mark.parametrize(
    ("part", "level"),
    [("fmc", 1), ("bootloader", 4), ("tee", 0), ("snp", 24), ("microcode", 219)],
)
def test_patch_level_below_what_an_operator_asks_for_is_refused(part: str, level: int) -> None:
    found = simulate()
    assert refused_at(found, f"snp.min_{part}={level + 1}") == {"snp.13 minimum tcb"}
    accepted(found, f"snp.min_{part}={level}")


@pytest.mark.check("snp", 13)
def test_minimum_is_skipped_where_none_is_asked_for() -> None:
    assert "13 minimum tcb" in skipped(simulate())
    assert "13 minimum tcb" in skipped(simulate(product="Milan"), "snp.min_fmc=9")


@pytest.mark.check("snp", 14)
def test_policy_bit_17_must_be_one() -> None:
    assert refused_at(simulate(policy="0x10000")) == {"snp.14 bits"}


@pytest.mark.check("snp", 14)
@pytest.mark.parametrize("bit", [26, 32, 63])
def test_unknown_bits_of_the_policy_are_refused(bit: int) -> None:
    assert refused_at(simulate(policy=str(0x30000 | 1 << bit))) == {"snp.14 bits"}


@pytest.mark.check("snp", 14)
@pytest.mark.parametrize("bit", [6, 8, 63])
def test_unknown_bits_of_the_platform_are_refused(bit: int) -> None:
    assert refused_at(simulate(plat_info=str(1 << bit))) == {"snp.14 bits"}


@pytest.mark.check("snp", 15)
def test_debugging_is_refused_unless_allowed() -> None:
    found = simulate(policy=hex(0x30000 | 1 << 19))
    assert refused_at(found) == {"snp.15 debug"}
    assert accepted(found, allow_debug=True).claims["policy_debug_allowed"] is True


@pytest.mark.check("snp", 16)
def test_migration_is_refused_unless_allowed() -> None:
    found = simulate(policy=hex(0x30000 | 1 << 18))
    assert refused_at(found) == {"snp.16 migration"}
    assert accepted(found, allow_migration=True).claims["policy_migrate_ma"] is True


@pytest.mark.check("snp", 17)
@pytest.mark.parametrize("level", [1, 3, 4, 0xFFFFFFFF])
def test_vmpl_above_zero_is_refused(level: int) -> None:
    assert refused_at(simulate(vmpl=str(level))) == {"snp.17 vmpl"}


@pytest.mark.check("snp", 17)
def test_vmpl_is_a_configurable_maximum() -> None:
    accepted(simulate(vmpl="2"), "snp.max_vmpl=2")
    assert refused_at(simulate(vmpl="3"), "snp.max_vmpl=2") == {"snp.17 vmpl"}
    with pytest.raises(InputError):
        accepted(simulate(), "snp.max_vmpl=4")


@pytest.mark.check("snp", 18)
@pytest.mark.parametrize(
    "other",
    [b"", bytes(48), bytes(range(47)), bytes(range(49)), bytes(range(64)), bytes(range(128))],
)
def test_report_data_of_another_session_is_refused(made: Simulated, other: bytes) -> None:
    expected = Expectation(report_data=other, init_data=made.init_data)
    for raw in (made.evidence, made.binary):
        assert step(raw, inputs_of(made), expected) == "snp.18 report data"


@pytest.mark.check("snp", 18)
def test_report_data_is_padded_with_zeros_and_never_cut() -> None:
    for size in (0, 32, 48, 64):
        accepted(simulate(report_data=bytes(range(size)).hex()))
    made = simulate(report_data=bytes(64).hex())
    longer = Expectation(report_data=bytes(65))
    assert step(made.evidence, inputs_of(made), longer) == "snp.18 report data"


@pytest.mark.check("snp", 18)
def test_freshness_is_skipped_only_when_nothing_is_expected(made: Simulated) -> None:
    _, results = verdict(made.evidence, inputs_of(made))
    assert results["18 report data"] == "skipped"
    _, results = verdict(made.evidence, inputs_of(made), expectation_of(made))
    assert results["18 report data"] == "passed"


@pytest.mark.check("snp", 19)
@pytest.mark.parametrize("size", [32, 48, 64])
def test_init_data_is_bound_by_host_data(size: int) -> None:
    accepted(simulate(init_data="cd" * size))


@pytest.mark.check("snp", 19)
def test_init_data_that_is_not_bound_is_refused(made: Simulated) -> None:
    for other in (bytes(32), b"\xab" * 31 + b"\xac", b"\xac" + b"\xab" * 47, bytes(64)):
        expected = Expectation(report_data=made.report_data, init_data=digest(other))
        for raw in (made.evidence, made.binary):
            assert step(raw, inputs_of(made), expected) == "snp.19 init data"


@pytest.mark.check("snp", 19)
def test_init_data_digest_is_cut_to_the_field(made: Simulated) -> None:
    expected = Expectation(report_data=made.report_data, init_data=digest(b"\xab" * 48))
    verdict(made.evidence, inputs_of(made), expected)


@pytest.mark.check("snp", 19)
def test_init_data_is_skipped_only_when_none_was_presented() -> None:
    assert "19 init data" in skipped(simulate())
    assert "19 init data" not in skipped(simulate(init_data="00" * 32))


def test_zeros_are_not_taken_for_absent_init_data() -> None:
    found = simulate()
    expected = Expectation(report_data=found.report_data, init_data=digest(b"\x01" * 32))
    assert step(found.evidence, inputs_of(found), expected) == "snp.19 init data"


def test_every_check_is_made_or_skipped(made: Simulated) -> None:
    _, results = verdict(made.evidence, inputs_of(made), expectation_of(made))
    assert len(results) == len(VERIFIERS["snp"].checks) == 19
    assert set(results.values()) == {"passed", "skipped"}


def test_refusals_say_what_to_do() -> None:
    error = refusal(simulate(vmpl="1").binary, inputs_of(simulate()))
    assert error.refusal.remedy
    found = simulate(carried="none", missing="vek")
    assert "collateral" in refusal(found.evidence, inputs_of(found)).refusal.remedy


def test_remembered_chain_gives_the_same_verdict_until_it_ends(made: Simulated) -> None:
    memory = ChainMemory()
    given = remembering(made, memory)
    first, _ = verdict(made.evidence, given, expectation_of(made))
    again, _ = verdict(made.evidence, given, expectation_of(made))
    assert first == again
    late = msgspec.structs.replace(given, now=datetime(2033, 6, 1, tzinfo=UTC))
    assert step(made.evidence, late) == "snp.7 chain"


def test_memory_does_not_vouch_for_other_trust(made: Simulated) -> None:
    given = remembering(made, ChainMemory())
    verdict(made.evidence, given, expectation_of(made))
    stranger = msgspec.structs.replace(given, anchors=Anchors(material=given.anchors.material))
    assert step(made.evidence, stranger) == "snp.7 chain"


def test_memory_does_not_outlive_a_revocation() -> None:
    found = simulate(list="none")
    memory = ChainMemory()
    given = remembering(found, memory)
    verdict(found.evidence, given, expectation_of(found))
    revoked = simulate(revoked="authority")
    memory_of_other = remembering(revoked, memory)
    assert step(revoked.evidence, memory_of_other) == "snp.8 revocation"
    assert step(revoked.evidence, memory_of_other) == "snp.8 revocation"


def test_options_that_do_not_exist_are_the_callers_mistake(made: Simulated) -> None:
    for option in ("snp.unknown=1", "snp.min_version=1", "snp.min_snp=256", "snp.max_vmpl=x"):
        with pytest.raises(InputError):
            verdict(made.evidence, inputs_of(made, option))


def test_certificate_that_expires_with_this_second_still_holds() -> None:
    found = simulate()
    last = vek_of(found).not_after
    given = inputs_of(found)
    # no list is valid so late, which is not required
    verdict(found.evidence, msgspec.structs.replace(given, now=last), expectation_of(found))
    over = msgspec.structs.replace(given, now=last + timedelta(seconds=1))
    assert step(found.evidence, over) == "snp.7 chain"


def test_parts_serve_other_verifiers_of_amd_reports(made: Simulated) -> None:
    assert made.binary is not None
    report = Report.parse(made.binary)
    vek = EndorsementKey.parse(vek_of(made))
    given = inputs_of(made)
    assert endorsement.find(report, [vek.certificate], given) == vek
    assert endorsement.find(report, None, given) == vek
    assert endorsement.verify_product(report, vek).name == "Turin"
    chain = endorsement.verify_chain(vek, (), given)
    endorsement.verify_not_revoked(chain, (), given, required=True)
    endorsement.verify_signature(report, made.binary, vek)
    endorsement.verify_tcb(report, vek)
    endorsement.verify_chip(report, vek)
    with pytest.raises(VerificationError):
        endorsement.find(report, [], given)
