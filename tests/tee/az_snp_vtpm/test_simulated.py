"""Evidence of simulated machines: right, or wrong in one field, and refused where it shows."""

import msgspec
import pytest

from casemate.crypto.digest import sha256
from casemate.crypto.vendor_chain import ChainMemory
from casemate.errors import InputError, VerificationError
from casemate.tee import layouts
from casemate.tee.az_snp_vtpm.fake import FIELDS
from casemate.tee.az_snp_vtpm.report import encode, parse
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

TEE = "az-snp-vtpm"
OF_AMD: tuple[tuple[str, str, str], ...] = (
    ("snp.report_data", "00" * 64, "variable data"),
    ("snp.signed_report_data", "00" * 64, "variable data"),
    ("snp.flip", "144", "report signature"),
    ("snp.product", "Genoa", ACCEPTED),
    ("snp.key", "VLEK", "vcek"),
    ("snp.carried", "all", ACCEPTED),
    ("snp.carried_kind", "VLEK", ACCEPTED),
    ("snp.missing", "authority", "chain"),
    ("snp.missing", "root", "chain"),
    ("snp.other_key", "true", "report signature"),
    ("snp.authority_keys", "P-384", ACCEPTED),
    ("snp.expired", "vek", "chain"),
    ("snp.expired", "authority", "chain"),
    ("snp.expired", "root", "chain"),
    ("snp.not_yet", "vek", "chain"),
    ("snp.not_yet", "authority", "chain"),
    ("snp.not_yet", "root", "chain"),
    ("snp.self_made", "vek", "chain"),
    ("snp.self_made", "authority", "chain"),
    ("snp.self_made", "root", "chain"),
    ("snp.no_authority", "authority", "chain"),
    ("snp.other_authority", "true", "chain"),
    ("snp.other_root_name", "true", "chain"),
    ("snp.revoked", "authority", "revocation"),
    ("snp.revoked", "vek", "revocation"),
    ("snp.list", "other", ACCEPTED),
    ("snp.vek_key", "P-256", "vcek"),
    ("snp.vek_subject", "X", "vcek"),
    ("snp.vek_product", "Genoa", "product"),
    ("snp.vek_product_form", "false", "vcek"),
    ("snp.vek_tcb", "0400000000001801", "certified tcb"),
    ("snp.vek_level", "256", "vcek"),
    ("snp.vek_hw_id", "00" * 64, "chip"),
    ("snp.vek_hw_id_form", "bare", ACCEPTED),
    ("snp.vek_without", "2", "vcek"),
    ("snp.vek_critical", "true", "chain"),
    ("snp.vek_fmc", "false", ACCEPTED),
    ("snp.version", "6", "snp report"),
    ("snp.version", "1", "snp report"),
    ("snp.version", "5", ACCEPTED),
    ("snp.guest_svn", "9", ACCEPTED),
    ("snp.policy", "0xb0000", "debug"),
    ("snp.policy", "0x70000", "migration"),
    ("snp.policy", "0x10000", "bits"),
    ("snp.policy", "0x8000000000030000", "bits"),
    ("snp.family_id", "01" * 16, ACCEPTED),
    ("snp.image_id", "01" * 16, ACCEPTED),
    ("snp.vmpl", "1", "vmpl"),
    ("snp.vmpl", "3", "vmpl"),
    ("snp.sig_algo", "2", "key info"),
    ("snp.key_info", "2", "key info"),
    ("snp.key_info", "4", "key info"),
    ("snp.key_info", "28", "key info"),
    ("snp.current_tcb", "00" * 8, "tcb order"),
    ("snp.committed_tcb", "00" * 8, "tcb order"),
    ("snp.launch_tcb", "ff" + "00" * 7, "tcb order"),
    ("snp.reported_tcb", "0400000000001801", "certified tcb"),
    ("snp.current", "00000000", "tcb order"),
    ("snp.committed", "01000000", ACCEPTED),
    ("snp.plat_info", "0x8000", "bits"),
    ("snp.measurement", "00" * 48, ACCEPTED),
    ("snp.host_data", DIGEST, ACCEPTED),
    ("snp.init_data", DIGEST, ACCEPTED),
    ("snp.id_key_digest", "11" * 48, ACCEPTED),
    ("snp.author_key_digest", "11" * 48, ACCEPTED),
    ("snp.report_id", DIGEST, ACCEPTED),
    ("snp.report_id_ma", DIGEST, ACCEPTED),
    ("snp.cpuid_fam_id", "1", "snp report"),
    ("snp.cpuid_mod_id", "0x20", "snp report"),
    ("snp.cpuid_mod_id", "0x11", "product"),
    ("snp.cpuid_step", "1", ACCEPTED),
    ("snp.chip_id", "02" * 64, "chip"),
    ("snp.chip_id", "00" * 64, "chip"),
    ("snp.launch_mit_vector", "1", "snp report"),
    ("snp.current_mit_vector", "1", "snp report"),
    ("snp.reserved_04c", "01000000", "snp report"),
    ("snp.reserved_18b", "00" * 20 + "01", "snp report"),
    ("snp.reserved_208", "00" * 151 + "01", "snp report"),
    ("snp.reserved_330", "00" * 367 + "01", "snp report"),
    ("snp.signature_r", "01" * 72, "report signature"),
    ("snp.signature_s", "01" * 72, "report signature"),
)
OF_BOTH = (*WRONG, ("hcl.report_type", "4", "hcl report"))
CHECKS = {
    name: pytest.mark.check(TEE, check.number)
    for check in VERIFIERS[TEE].checks
    for name in [check.name]
}


@pytest.mark.parametrize(
    ("field", "value", "step"),
    [
        pytest.param(*row, marks=CHECKS[row[2]] if row[2] != ACCEPTED else ())
        for row in (*OF_BOTH, *OF_AMD)
    ],
)
def test_field_that_is_wrong_is_refused_where_it_shows(field: str, value: str, step: str) -> None:
    assert outcome(make(TEE, {field: value})) == step


def test_every_field_is_set_wrong_once() -> None:
    assert {row[0] for row in (*OF_BOTH, *OF_AMD)} == set(FIELDS)


def test_every_step_refuses_something() -> None:
    names = {check.name for check in VERIFIERS[TEE].checks}
    assert {row[2] for row in (*OF_BOTH, *OF_AMD)} >= names - {"version"}


@pytest.mark.parametrize("product", ["Milan", "Genoa", "Turin"])
@pytest.mark.parametrize("report", ["3", "5"])
def test_right_evidence_of_every_product_passes(product: str, report: str) -> None:
    made = make(TEE, {"snp.product": product, "snp.version": report, "init_data": DIGEST})
    found = verdict(made)
    assert found.claims["typed"]["product"] == product
    assert found.claims["typed"]["version"] == int(report)
    assert found.init_data == bytes.fromhex(found.claims["tpm"]["pcr08"])


@pytest.mark.parametrize("version", ["0", "1"])
def test_old_versions_need_their_option(version: str) -> None:
    made = make(TEE, {"version": version})
    assert verdict(made).claims["hcl"]["evidence_version"] == int(version)
    bare = Options(own=NONE)
    given = msgspec.structs.replace(inputs(made), options=bare)
    with pytest.raises(VerificationError, match=r"\.2 version"):
        verify(TEE, made.evidence, Expectation(report_data=made.report_data), given)


def test_old_version_does_not_bind_user_data() -> None:
    assert outcome(make(TEE, {"version": "1", "user_data": "absent"})) == ACCEPTED


def test_old_report_needs_its_option() -> None:
    made = make(TEE, {"snp.version": "2"})
    assert made.options == ("az-snp-vtpm.min_report_version=2",)
    assert verdict(made).claims["typed"]["product"] == "Milan"


def test_simulated_root_is_trusted_by_nobody_unless_configured() -> None:
    made = make(TEE, {})
    given = inputs(made, roots=False)
    with pytest.raises(VerificationError, match=r"\.16 chain"):
        verify(TEE, made.evidence, Expectation(report_data=made.report_data), given)
    other = make(TEE, {})
    assert refused_at(msgspec.structs.replace(made, roots=other.roots)) == "chain"


def test_debug_and_migration_pass_where_an_option_allows_them() -> None:
    assert outcome(make(TEE, {"snp.policy": "0xb0000"}), allow_debug=True) == ACCEPTED
    assert outcome(make(TEE, {"snp.policy": "0x70000"}), allow_migration=True) == ACCEPTED
    assert outcome(make(TEE, {"snp.policy": "0xf0000"}), allow_debug=True) == "migration"


@pytest.mark.check(TEE, 17)
def test_missing_list_is_refused_where_an_option_asks_for_it() -> None:
    made = make(TEE, {"snp.list": "none"})
    assert outcome(made) == ACCEPTED
    assert outcome(made, "az-snp-vtpm.require_revocation_lists=true") == "revocation"
    assert outcome(make(TEE, {}), "az-snp-vtpm.require_revocation_lists=true") == ACCEPTED


@pytest.mark.check(TEE, 27)
def test_initdata_that_is_not_bound_is_refused() -> None:
    made = make(TEE, {"init_data": DIGEST})
    for digest in (sha256(b"another"), sha256(b"")):
        assert refused_at(msgspec.structs.replace(made, init_data=digest)) == "initdata"
    unbound = make(TEE, {})
    assert refused_at(msgspec.structs.replace(unbound, init_data=sha256(b""))) == "initdata"


def test_initdata_that_was_not_presented_is_left_to_the_policy() -> None:
    made = make(TEE, {"init_data": DIGEST})
    found = verdict(msgspec.structs.replace(made, init_data=None))
    assert found.claims["init_data"] == found.claims["tpm"]["pcr08"]


@pytest.mark.check(TEE, 13)
def test_report_of_another_session_than_the_quote_is_refused_without_report_data() -> None:
    made = make(TEE, {"user_data": "00" * 64})
    expected = Expectation(report_data=None)
    with pytest.raises(VerificationError, match=r"\.13 user data"):
        verify(TEE, made.evidence, expected, inputs(made))


def test_every_step_is_passed_or_skipped() -> None:
    made = make(TEE, {"init_data": DIGEST})
    trail = trail_of(TEE)
    expected = Expectation(report_data=made.report_data, init_data=made.init_data)
    verify(TEE, made.evidence, expected, inputs(made), trail)
    assert {one.result for one in trail.results} == {Result.PASSED}
    assert len(trail.results) == len(VERIFIERS[TEE].checks)


def test_remembered_chain_gives_the_same_verdicts() -> None:
    made = make(TEE, {})
    wrong = make(TEE, {"snp.vek_subject": "X"})
    memory = ChainMemory()
    for _ in range(2):
        given = msgspec.structs.replace(inputs(made), memory=memory)
        expected = Expectation(report_data=made.report_data)
        assert verify(TEE, made.evidence, expected, given)[0].claims == verdict(made).claims
        with pytest.raises(VerificationError, match=r"\.14 vcek"):
            verify(
                TEE, wrong.evidence, expected, msgspec.structs.replace(inputs(wrong), memory=memory)
            )


def test_chain_names_who_vouched() -> None:
    found = verdict(make(TEE, {}))
    assert [name.split()[0] for name in found.chain] == ["SEV-VCEK", "SEV-Milan", "ARK-Milan"]


def test_every_claim_names_its_field() -> None:
    claims = verdict(make(TEE, {})).claims
    source = VERIFIERS[TEE].source
    for name, value in claims.items():
        inner = value if isinstance(value, dict) else {}
        for claim in [f"{name}.{key}" for key in inner] or [name]:
            assert source(claim), claim
    assert source("tpm.pcr08").startswith("tpm_quote.pcrs[8]")
    assert source("typed.host_data") == "hcl_report.hardware_report.host_data"
    assert source("nonsense") == ""


def test_what_to_fetch_is_amds_authorities() -> None:
    made = make(TEE, {})
    plan = VERIFIERS[TEE].plan
    names = [one.name for one in plan(made.evidence, Inputs(now=NOW))]
    assert names == ["amd/vcek/Milan/cert_chain.pem", "amd/vcek/Milan/crl.der"]
    mirror = Options(own={TEE: {"kds_url": "https://mirror.example"}})
    (first, *_) = plan(made.evidence, Inputs(now=NOW, options=mirror))
    assert first.url == "https://mirror.example/vcek/v1/Milan/cert_chain"
    with pytest.raises(VerificationError, match="collateral"):
        plan(b"{}", Inputs(now=NOW))


@pytest.mark.parametrize("options", [{"min_version": "3"}, {"min_version": "x"}, {"other": "1"}])
def test_options_that_cannot_be_meant_are_the_callers_mistake(options: dict[str, str]) -> None:
    made = make(TEE, {})
    given = Inputs(now=NOW, options=Options(own={TEE: options}))
    with pytest.raises(InputError):
        verify(TEE, made.evidence, Expectation(report_data=made.report_data), given)


@pytest.mark.parametrize("field", ["hcl.status", "flip", "pcr", "ak", "quote.selection", "snp.x"])
def test_values_that_cannot_be_meant_are_the_callers_mistake(field: str) -> None:
    with pytest.raises(InputError):
        make(TEE, {field: "-1"})


@pytest.mark.parametrize("count", [0, 2])
def test_version_0_holds_one_certificate(count: int) -> None:
    made = make(TEE, {"version": "0"})
    found = msgspec.json.decode(made.evidence)
    wrong = msgspec.json.encode(found | {"vcek": found["vcek"] * count})
    assert refused_at(made, evidence=wrong) == "shape"


def test_simulation_without_a_vcek_is_the_callers_mistake() -> None:
    with pytest.raises(InputError):
        make(TEE, {"snp.carried": "none"})


def test_bare_report_of_the_paravisor_is_drawn_and_not_accepted() -> None:
    made = make(TEE, {})
    report = parse(made.evidence).hcl_report
    titles = [section.title for section in layouts.LAYOUTS[TEE](report)]
    assert titles == ["paravisor's report (HCL)", "attestation report", "variable data"]
    assert refused_at(made, evidence=report) == "shape"


def test_layout_shows_every_byte_of_quote_and_report() -> None:
    made = make(TEE, {})
    presented = parse(made.evidence)
    sections = {section.title: section for section in layouts.LAYOUTS[TEE](made.evidence)}
    for title, data in (
        ("TPM quote (TPMS_ATTEST)", presented.message),
        ("paravisor's report (HCL)", presented.hcl_report),
    ):
        fields = sections[title].fields
        assert [one.offset for one in fields[1:]] == [
            (one.offset or 0) + (one.size or 0) for one in fields[:-1]
        ]
        assert (fields[-1].offset or 0) + (fields[-1].size or 0) == len(data)


@pytest.mark.parametrize("field", ["hcl.status", "quote.magic", "variable_data", "snp.vek_key"])
def test_layout_draws_what_is_refused(field: str) -> None:
    made = make(TEE, {field: "P-256" if field == "snp.vek_key" else "1"})
    titles = [section.title for section in layouts.LAYOUTS[TEE](made.evidence)]
    assert titles[:4] == [
        "evidence",
        "TPM quote (TPMS_ATTEST)",
        "TPM signature (RSASSA)",
        "registers",
    ]


def test_encoding_survives_each_version() -> None:
    presented = parse(make(TEE, {}).evidence)
    for version in (0, 1, 2):
        one = msgspec.structs.replace(presented, version=version)
        assert parse(encode(one)) == one
