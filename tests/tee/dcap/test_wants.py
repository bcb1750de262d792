"""What is asked of Intel, and for whom."""

import pytest

from casemate.errors import InputError, VerificationError
from casemate.tee.anchors import Anchors
from casemate.tee.dcap.wants import ROOT_LIST
from casemate.tee.evidence import Inputs
from casemate.tee.options import Options
from casemate.tee.verifiers import VERIFIERS
from casemate.tee.want import Want
from tests.sim.dcap import inputs_of, options, simulated
from tests.vectors import vector


def planned(tee: str, chosen: Options | None = None, **fields: str) -> dict[str, Want]:
    made = simulated(tee, **fields)
    given = inputs_of(made, options=chosen)
    return {one.name: one for one in VERIFIERS[tee].plan(made.evidence, given)}


def test_tdx_asks_for_the_platforms_documents() -> None:
    found = planned("tdx")
    base = "https://api.trustedservices.intel.com"
    assert {name: (one.url, one.chain_header) for name, one in found.items()} == {
        "intel/tdx/tcb/00906ED50000/early.json": (
            f"{base}/tdx/certification/v4/tcb?fmspc=00906ED50000&update=early",
            "tcb-info-issuer-chain",
        ),
        "intel/tdx/qe/early.json": (
            f"{base}/tdx/certification/v4/qe/identity?update=early",
            "sgx-enclave-identity-issuer-chain",
        ),
        "intel/sgx/pckcrl/platform.der": (
            f"{base}/sgx/certification/v4/pckcrl?ca=platform&encoding=der",
            "sgx-pck-crl-issuer-chain",
        ),
        "intel/sgx/rootcacrl.der": (ROOT_LIST, ""),
    }


def test_sgx_asks_its_own_service_and_authority() -> None:
    found = planned("sgx", options("sgx.tcb_update_type=standard"), pck_ca="processor")
    assert list(found) == [
        "intel/sgx/tcb/00906ED50000/standard.json",
        "intel/sgx/qe/standard.json",
        "intel/sgx/pckcrl/processor.der",
        "intel/sgx/rootcacrl.der",
    ]


def test_a_cache_of_the_operators_is_asked_for_the_roots_list_too() -> None:
    chosen = options("tdx.collateral_service=https://pccs.example:8081/sgx/certification/v4")
    urls = [one.url for one in planned("tdx", chosen).values()]
    assert urls[0].startswith("https://pccs.example:8081/tdx/certification/v4/tcb?")
    assert urls[3] == "https://pccs.example:8081/sgx/certification/v4/rootcacrl"


def test_a_file_is_given_and_not_fetched() -> None:
    chosen = options("tdx.collateral_service=file:///etc/collateral/platform.json")
    assert planned("tdx", chosen) == {}


def test_service_that_is_none_is_the_operators_mistake() -> None:
    with pytest.raises(InputError):
        planned("tdx", options("tdx.collateral_service=https://example.org/"))


@pytest.mark.parametrize("tee", ["tdx", "sgx"])
@pytest.mark.parametrize("who", ["pck", "ca", "root"])
def test_pck_chain_is_verified_before_anything_is_fetched_on_its_behalf(tee: str, who: str) -> None:
    with pytest.raises(VerificationError) as caught:
        planned(tee, self_made=who)
    assert caught.value.refusal.step == f"{tee}.2 pck chain"
    made = simulated(tee)
    with pytest.raises(VerificationError):
        VERIFIERS[tee].plan(made.evidence, inputs_of(made, trusted=False))
    with pytest.raises(VerificationError) as caught:
        VERIFIERS[tee].plan(b"\x04\0", Inputs(now=made.now, anchors=Anchors()))
    assert caught.value.refusal.step == f"{tee}.1 shape"


def test_collateral_with_the_planned_names_is_recognised() -> None:
    made = simulated("tdx", form="pcs")
    assert set(planned("tdx")) <= made.collateral.keys()


def test_real_quote_names_its_platform() -> None:
    raw = vector("tdx", "tdx_quote_6.dat").read_bytes()
    from tests.sim.dcap import NOW

    names = [one.name for one in VERIFIERS["tdx"].plan(raw, Inputs(now=NOW))]
    assert names[0] == "intel/tdx/tcb/00A06D080000/early.json"
