"""Never more lenient than dcap-qvl: changed evidence that we accept, it accepts too.

The options that loosen us (lists yet to come, debug, migration, attributes) stay off, and the grace
is 0. ``make thorough`` makes 12,000 changes to real quotes and their collateral.
"""

import json
import random
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import pytest

from casemate.crypto.pem import blocks
from casemate.errors import VerificationError
from casemate.tee.anchors import Anchors
from casemate.tee.evidence import Expectation, Inputs
from casemate.tee.material import Material
from casemate.tee.simulation import Simulated
from casemate.tee.simulators import SIMULATORS
from casemate.tee.verifiers import verify
from tests.sim.dcap import NOW, options, simulated
from tests.tee.dcap.test_fields import WRONG
from tests.thorough import times
from tests.vectors import vector

dcap_qvl = pytest.importorskip("dcap_qvl", reason="the oracle is a package for developers")

MUTATIONS: Final = times(400, 2000)
STRICT: Final = options("tdx.collateral_grace_days=0", "sgx.collateral_grace_days=0")
OUTDATED: Final = "qvl_tdx_quote_outdated_collateral.json"
REAL: Final = {
    "td 1.0": ("tdx", "qvl_tdx_quote.dat", "qvl_tdx_quote_collateral.json", "2025-07-01"),
    "td 1.5": ("tdx", "gtdx_quote_v5_sample.dat", OUTDATED, "2026-03-01"),
    "enclave": ("sgx", "qvl_sgx_quote.dat", "qvl_sgx_quote_collateral.json", "2025-07-01"),
    "no level": ("tdx", "qvl_tdx_quote_outdated.dat", OUTDATED, "2026-03-01"),
    "debug": ("tdx", "tdx_quote_4.dat", "collateral-50806F000000-2023-06.json", "2023-07-01"),
    "out of date": ("tdx", "tdx_quote_6.dat", "collateral-00A06D080000-2025-11.json", "2026-02-20"),
}
HEX: Final = ("tcb_info_signature", "qe_identity_signature", "pck_crl", "root_ca_crl")


def ours(
    tee: str, quote: bytes, collateral: dict[str, str], now: datetime, anchors: Anchors
) -> str:
    """Give the status, or nothing when it is refused."""
    material = Material.of_files({"c.json": json.dumps(collateral).encode()})
    given = Inputs(now=now, collateral=material, options=STRICT, anchors=anchors)
    try:
        (found,) = verify(tee, quote, Expectation(report_data=None), given)
    except VerificationError:
        return ""
    status: str = found.claims["tcb_status"]
    return status


def theirs(
    quote: bytes, collateral: dict[str, str], now: datetime, root: bytes | None
) -> dict[str, Any] | None:
    try:
        given = dcap_qvl.QuoteCollateralV3.from_json(json.dumps(collateral))
        seconds = int(now.timestamp())
        report = (
            dcap_qvl.verify(quote, given, seconds)
            if root is None
            else dcap_qvl.verify_with_root_ca(quote, given, root, seconds)
        )
    except ValueError:
        return None
    found: dict[str, Any] = json.loads(report.to_json())
    return found


def real(name: str) -> tuple[str, bytes, dict[str, str], datetime]:
    tee, quote, collateral, day = REAL[name]
    folder = json.loads(vector(tee, collateral).read_bytes())
    now = datetime.fromisoformat(day).replace(tzinfo=UTC)
    return tee, vector(tee, quote).read_bytes(), folder, now


@pytest.mark.parametrize("name", ["td 1.0", "td 1.5", "enclave"])
def test_both_accept_the_real_quotes_with_one_status(name: str) -> None:
    tee, quote, collateral, now = real(name)
    found = theirs(quote, collateral, now, None)
    assert found is not None
    assert ours(tee, quote, collateral, now, Anchors()) == found["status"]


def changed_bytes(chance: random.Random, raw: bytes) -> bytes:
    """Change bytes in one of the ways that break or bend a format."""
    if not raw:
        return raw
    at = chance.randrange(len(raw))
    size = chance.choice((1, 1, 1, 2, 4, 8, 32, 64))
    piece = raw[at : at + size]
    other = chance.randrange(len(raw))
    ways: tuple[Callable[[], bytes], ...] = (
        lambda: raw[:at] + bytes((raw[at] ^ 1 << chance.randrange(8),)) + raw[at + 1 :],
        lambda: raw[:at] + chance.randbytes(len(piece)) + raw[at + len(piece) :],
        lambda: raw[:at] + bytes(len(piece)) + raw[at + len(piece) :],
        lambda: raw[:at] + raw[at + len(piece) :],
        lambda: raw[:at] + piece + raw[at:],
        lambda: raw[:other] + piece + raw[other + len(piece) :],
        lambda: raw[:at],
        lambda: raw + piece,
    )
    return chance.choice(ways)()


def changed_collateral(
    chance: random.Random, collateral: dict[str, str], others: list[dict[str, str]]
) -> dict[str, str]:
    name = chance.choice(sorted(collateral))
    value = collateral[name]
    way = chance.randrange(4)
    if way == 0:
        new = chance.choice(others)[name]
    elif way == 1:
        new = collateral[chance.choice(sorted(collateral))]
    elif name in HEX:
        new = changed_bytes(chance, bytes.fromhex(value)).hex()
    else:
        new = changed_bytes(chance, value.encode()).decode("utf-8", "replace")
    return collateral | {name: new}


@pytest.mark.parametrize("name", REAL)
def test_changed_real_evidence_that_we_accept_the_oracle_accepts(name: str) -> None:
    tee, quote, collateral, now = real(name)
    others = [real(one)[2] for one in REAL]
    chance = random.Random(f"{name} {MUTATIONS}")
    accepted = 0
    for number in range(MUTATIONS):
        raw, folder, at = quote, collateral, now
        match number % 3:
            case 0:
                raw = changed_bytes(chance, quote)
            case 1:
                folder = changed_collateral(chance, collateral, others)
            case _:
                at = datetime.fromtimestamp(chance.randrange(1_600_000_000, 1_900_000_000), UTC)
        if status := ours(tee, raw, folder, at, Anchors()):
            accepted += 1
            found = theirs(raw, folder, at, None)
            assert found is not None, (name, number)
            assert found["status"] == status
    assert accepted < MUTATIONS


def simulated_verdicts(made: Simulated) -> tuple[str, dict[str, Any] | None]:
    assert made.binary is not None
    collateral = json.loads(made.collateral["collateral.json"])
    root = blocks(made.roots["root.pem"])[0]
    anchors = Anchors.of_folder(made.roots)
    return (
        ours(made.tee, made.binary, collateral, made.now, anchors),
        theirs(made.binary, collateral, made.now, root),
    )


NOT_EXPORTED: Final = frozenset({"form", "missing"})


@pytest.mark.parametrize("tee", ["tdx", "sgx"])
def test_no_wrong_field_is_accepted_by_us_and_refused_by_the_oracle(tee: str) -> None:
    for field, (value, _) in WRONG[tee].items():
        if field in NOT_EXPORTED:
            continue
        own, found = simulated_verdicts(SIMULATORS[tee].make({field: value}, NOW))
        assert not own or found, field


STATUSES: Final = (
    *("UpToDate", "SWHardeningNeeded", "ConfigurationNeeded"),
    *("ConfigurationAndSWHardeningNeeded", "OutOfDate", "OutOfDateConfigurationNeeded"),
    *("TDRelaunchAdvised", "TDRelaunchAdvisedConfigurationNeeded", "Revoked"),
)
STRICTER: Final = {
    # an enclave's level of this status says something of the whole, which the oracle leaves out
    "qeid_status": {"ConfigurationNeeded", "OutOfDateConfigurationNeeded"},
}


@pytest.mark.parametrize("field", ["tcb_status", "qeid_status", "module_status"])
@pytest.mark.parametrize("svn", ["0601", "0401", "0301", "0500", "0400"])
def test_statuses_combine_as_the_oracle_combines_them(field: str, svn: str) -> None:
    for status in STATUSES:
        fields = {field: status, "tcb_svn": svn + "04" + "00" * 13, "tcb_next": "20"}
        own, found = simulated_verdicts(simulated("tdx", **fields))
        if status in STRICTER.get(field, set()):
            assert not own or found
            continue
        assert own == (found["status"] if found else ""), (field, status, svn)


@pytest.mark.parametrize("current", ["060104", "050104", "050004", "060103"])
@pytest.mark.parametrize("svn", ["040104", "060104", "040004"])
@pytest.mark.parametrize("status", STATUSES[:5])
def test_relaunch_is_advised_as_the_oracle_advises_it(current: str, svn: str, status: str) -> None:
    own, found = simulated_verdicts(
        simulated(
            "tdx",
            tcb_svn=svn + "00" * 13,
            tee_tcb_svn2=current + "00" * 13,
            tcb_status=status,
        )
    )
    assert own == (found["status"] if found else "")
