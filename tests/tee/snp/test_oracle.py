"""A second opinion (omne-attest): what it refuses, we refuse, whatever was changed."""

import random
import warnings
from types import ModuleType
from typing import NamedTuple

import pytest
from cryptography.exceptions import UnsupportedAlgorithm

from casemate.crypto.certificate import Certificate
from casemate.errors import PeerError, VerificationError
from casemate.tee.anchors import Anchors
from casemate.tee.evidence import Expectation, Inputs
from casemate.tee.material import Material
from casemate.tee.simulation import Simulated
from casemate.tee.verifiers import verify
from tests.tee.snp.machine import NOW, simulate
from tests.thorough import times

MUTATIONS = times(1500, 10_000)


@pytest.fixture(scope="module")
def oracle() -> ModuleType:
    found: ModuleType = pytest.importorskip(
        "omne_attest", reason="omne-attest is an oracle for tests, not installed"
    )
    return found


class Parts(NamedTuple):
    report: bytes
    vcek: bytes
    ask: bytes
    ark: bytes

    @classmethod
    def of(cls, made: Simulated) -> "Parts":
        found = Material.of_files({**made.collateral, **made.roots}).certificates
        by_name = {one.common_name.split("-")[0] + str(one.is_authority): one.der for one in found}
        assert made.binary is not None
        return cls(made.binary, by_name["SEVFalse"], by_name["SEVTrue"], by_name["ARKTrue"])


def ours(parts: Parts, root: bytes) -> bool:
    """Say whether we accept, with this root trusted."""
    try:
        known = [Certificate.parse(one) for one in (parts.vcek, parts.ask, parts.ark)]
        pins = frozenset({Certificate.parse(root).fingerprint})
        inputs = Inputs(now=NOW, anchors=Anchors(pins=pins), collateral=Material(known))
        verify("snp", parts.report, Expectation(report_data=None), inputs)
    except (VerificationError, PeerError):
        return False
    return True


def theirs(oracle: ModuleType, parts: Parts, root: bytes) -> bool:
    pin = Certificate.parse(root).fingerprint
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # serial number 0
        try:
            oracle.verify(parts.report, parts.vcek, parts.ask, parts.ark, pin, oracle.Policy())
        except (oracle.Fail, ValueError, UnsupportedAlgorithm):  # the latter of broken certificates
            return False
    return True


@pytest.mark.parametrize(("product", "version"), [("Milan", "3"), ("Genoa", "5")])
def test_both_accept_what_is_right(oracle: ModuleType, product: str, version: str) -> None:
    parts = Parts.of(simulate(product=product, version=version, authority_keys="RSA"))
    assert ours(parts, parts.ark)
    assert theirs(oracle, parts, parts.ark)


def test_we_never_accept_what_the_oracle_refuses(oracle: ModuleType) -> None:
    parts = Parts.of(simulate(product="Milan", authority_keys="RSA"))
    other = Parts.of(simulate(product="Milan"))
    chance = random.Random(11)
    accepted = 0
    for number in range(MUTATIONS):
        place = ("report", "vcek", "ask", "ark")[number % 4]
        changed = bytearray(getattr(parts, place))
        for _ in range(chance.randint(0, 2)):
            changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
        mutated = parts._replace(**{place: bytes(changed)})
        if not number % 50:
            mutated = parts._replace(**{place: getattr(other, place)})
        if ours(mutated, parts.ark):
            accepted += 1
            assert theirs(oracle, mutated, parts.ark)
    assert accepted > MUTATIONS // 10


@pytest.mark.parametrize(
    "fields",
    [
        {"policy": "0xb0000"},
        {"vmpl": "1"},
        {"sig_algo": "2"},
        {"version": "6"},
        {"vek_level": "1"},
        {"other_key": "true"},
        {"self_made": "authority"},
        {"vek_key": "P-256"},
        {"vek_without": "3.8"},
        {"vek_hw_id": "ab" * 64},
    ],
    ids=str,
)
def test_both_refuse_what_is_wrong(oracle: ModuleType, fields: dict[str, str]) -> None:
    parts = Parts.of(simulate(product="Milan", **fields))
    assert not theirs(oracle, parts, parts.ark)
    assert not ours(parts, parts.ark)
