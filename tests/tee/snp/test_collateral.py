import msgspec
import pytest

from casemate.errors import InputError, VerificationError
from casemate.tee.evidence import Inputs
from casemate.tee.material import Material
from casemate.tee.options import Options, parse
from casemate.tee.simulation import Simulated
from casemate.tee.snp.collateral import plan, tcb_name
from casemate.tee.snp.tcb import Tcb
from casemate.tee.want import Want
from tests.tee.snp.machine import NOW, evidence_json, inputs_of, simulate, vek_of, verdict

CHIP = bytes(range(1, 65)).hex()


def plan_of(made: Simulated, *options: str, known: Material | None = None) -> tuple[Want, ...]:
    assert made.binary is not None
    own = Options(own=parse([*made.options, *options]))
    return plan(made.binary, Inputs(now=NOW, collateral=known or Material(), options=own))


def test_milan_is_asked_for_by_chip_and_tcb() -> None:
    vcek, chain, crl = plan_of(simulate(product="Milan"))
    assert vcek.url == (
        f"https://kdsintf.amd.com/vcek/v1/Milan/{CHIP}?blSPL=04&teeSPL=00&snpSPL=24&ucodeSPL=219"
    )
    assert vcek.name == f"amd/vcek/Milan/{CHIP}/bl04_tee00_snp24_ucode219.der"
    assert vcek.fallbacks == (
        f"vcek/{CHIP}/bl04_tee00_snp24_ucode219_vcek.der",
        f"vcek/{CHIP}/vcek.der",
    )
    assert chain.url == "https://kdsintf.amd.com/vcek/v1/Milan/cert_chain"
    assert chain.name == "amd/vcek/Milan/cert_chain.pem"
    assert crl.url == "https://kdsintf.amd.com/vcek/v1/Milan/crl"
    assert crl.name == "amd/vcek/Milan/crl.der"
    assert crl.keep < vcek.keep


@pytest.mark.parametrize("product", ["Turin", "Venice"])
def test_turin_puts_the_fmc_first_and_has_short_ids(product: str) -> None:
    vcek, *_ = plan_of(simulate(product=product))
    assert vcek.url == (
        f"https://kdsintf.amd.com/vcek/v1/{product}/0102030405060708"
        "?fmcSPL=01&blSPL=04&teeSPL=00&snpSPL=24&ucodeSPL=219"
    )
    assert vcek.fallbacks[0] == ("vcek/0102030405060708/bl04_tee00_snp24_ucode219_fmc01_vcek.der")


def test_names_are_those_of_offline_stores() -> None:
    tcb = Tcb(bootloader=2, tee=0, snp=6, microcode=21)
    assert tcb_name(tcb) == "bl02_tee00_snp06_ucode21"
    assert tcb_name(msgspec.structs.replace(tcb, fmc=5)) == "bl02_tee00_snp06_ucode21_fmc05"


def test_vlek_cannot_be_asked_for_but_its_authorities_can() -> None:
    wants = plan_of(simulate(key="VLEK"))
    assert [one.url.removeprefix("https://kdsintf.amd.com/") for one in wants] == [
        "vlek/v1/Turin/cert_chain",
        "vlek/v1/Turin/crl",
    ]


def test_what_is_at_hand_is_not_asked_for() -> None:
    made = simulate()
    known = Material.of_files({**made.collateral, **made.roots})
    assert [one.name for one in plan_of(made, known=known)] == ["amd/vcek/Turin/crl.der"]


def test_certificate_of_another_tcb_is_asked_for_again() -> None:
    made = simulate()
    stale = Material([vek_of(simulate(vek_tcb="01030018000000db"))])
    assert plan_of(made, known=stale)[0].name.startswith("amd/vcek/Turin/")


def test_what_is_carried_is_not_asked_for() -> None:
    made = simulate(carried="all")
    assert [one.name for one in plan(made.evidence, Inputs(now=NOW))] == ["amd/vcek/Turin/crl.der"]
    made = simulate()
    names = [one.name for one in plan(made.evidence, Inputs(now=NOW))]
    assert names == ["amd/vcek/Turin/cert_chain.pem", "amd/vcek/Turin/crl.der"]


def test_version_2_does_not_say_which_of_two_products_it_is() -> None:
    wants = plan_of(simulate(product="Milan", version="2"))
    assert {one.name.split("/")[2] for one in wants} == {"Milan", "Genoa"}
    wants = plan_of(simulate(product="Turin", version="2"))
    assert {one.name.split("/")[2] for one in wants} == {"Turin"}


def test_nothing_is_fetched_for_a_version_that_will_be_refused() -> None:
    made = simulate(version="2", product="Milan")
    assert made.binary is not None
    with pytest.raises(VerificationError):
        plan(made.binary, Inputs(now=NOW))


def test_hidden_chip_id_cannot_be_asked_for() -> None:
    with pytest.raises(VerificationError) as caught:
        plan_of(simulate(chip_id="00" * 64))
    assert caught.value.refusal.claim == "chip_id"
    assert caught.value.refusal.remedy


def test_report_that_no_key_signed_fetches_nothing() -> None:
    with pytest.raises(VerificationError):
        plan_of(simulate(key_info=str(7 << 2)))


def test_chain_without_a_key_fetches_nothing() -> None:
    evidence = evidence_json(simulate()) | {"cert_chain": []}
    with pytest.raises(VerificationError):
        plan(msgspec.json.encode(evidence), Inputs(now=NOW))


def test_service_is_an_option() -> None:
    for want in plan_of(simulate(), "snp.kds_url=https://mirror.example/kds"):
        assert want.url.startswith("https://mirror.example/kds/vcek/v1/Turin/")
    with pytest.raises(InputError):
        plan_of(simulate(), "snp.kds=x")


def test_what_was_planned_is_what_the_verifier_needs() -> None:
    made = simulate(carried="none")
    assert {one.name for one in plan_of(made)} == set(made.collateral)
    verdict(made.evidence, inputs_of(made))
