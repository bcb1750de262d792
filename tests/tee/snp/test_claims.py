from casemate.tee.verifiers import VERIFIERS
from tests.tee.snp.machine import accepted, evidence_json, simulate

UPSTREAM = {
    "policy_abi_major": int,
    "policy_abi_minor": int,
    "policy_smt_allowed": bool,
    "policy_migrate_ma": bool,
    "policy_debug_allowed": bool,
    "policy_single_socket": bool,
    "reported_tcb_bootloader": int,
    "reported_tcb_tee": int,
    "reported_tcb_snp": int,
    "reported_tcb_microcode": int,
    "platform_tsme_enabled": bool,
    "platform_smt_enabled": bool,
    "measurement": str,
    "report_data": str,
    "init_data": str,
    "chip_id": str,
}


def test_claims_have_upstreams_names_and_forms() -> None:
    made = simulate(policy="0x130102", plat_info="2", init_data="ab" * 32)
    claims = accepted(made).claims
    assert {name: type(claims[name]) for name in UPSTREAM} == UPSTREAM
    assert claims["policy_abi_major"] == 1
    assert claims["policy_abi_minor"] == 2
    assert claims["policy_smt_allowed"] is True
    assert claims["policy_single_socket"] is True
    assert claims["policy_migrate_ma"] is False
    assert claims["platform_tsme_enabled"] is True
    assert claims["platform_smt_enabled"] is False
    assert claims["measurement"] == bytes(range(48)).hex()
    assert claims["report_data"] == bytes(range(48)).ljust(64, b"\0").hex()
    assert claims["init_data"] == "ab" * 32
    assert claims["chip_id"] == bytes(range(1, 9)).ljust(64, b"\0").hex()


def test_each_policy_and_platform_bit_is_a_claim() -> None:
    bits = {16, 20, 21, 22, 23, 24, 25}
    for bit in bits:
        claims = accepted(simulate(policy=hex(0x20000 | 1 << bit))).claims
        true = {name for name, value in claims.items() if name[:7] == "policy_" and value is True}
        assert len(true) == 1
    for bit in (0, 1, 2, 3, 4, 5, 7):
        claims = accepted(simulate(plat_info=hex(1 << bit))).claims
        true = {name for name, value in claims.items() if name[:9] == "platform_" and value is True}
        assert len(true) == 1


def test_verified_evidence_carries_what_the_service_lifts() -> None:
    made = simulate(init_data="ab" * 48)
    found = accepted(made)
    assert found.tee == "snp"
    assert found.tee_class == "cpu"
    assert found.report_data == made.report_data.ljust(64, b"\0")
    assert found.init_data == b"\xab" * 32
    assert [name.split()[0] for name in found.chain] == ["SEV-VCEK", "SEV-Turin", "ARK-Turin"]


def test_every_claim_names_the_field_it_comes_from() -> None:
    made = simulate(key="VLEK")
    report = evidence_json(made)["attestation_report"]
    source = VERIFIERS["snp"].source
    for name, value in accepted(made).claims.items():
        field = source(name)
        assert field, name
        if field.startswith("attestation_report."):
            member = field.removeprefix("attestation_report.").split()[0].split(",")[0]
            assert member.split(".")[0] in report, name
        if isinstance(value, dict):
            assert source(f"{name}.snp") == f"attestation_report.{name}.snp"
    assert source("unknown") == ""
    assert source("reported_tcb_snp") == "attestation_report.reported_tcb.snp"
    assert source("policy_debug_allowed") == "attestation_report.policy bit 19"
