"""Launch options for real hardware, held against what the verifiers of that hardware demand."""

from base64 import b64decode
from datetime import UTC, datetime
from pathlib import Path

import pytest

from casemate.crypto.digest import Digest, sha256
from casemate.peerpods.clouds.qemu.confidential import (
    SNP_MODEL,
    SNP_POLICY,
    ConfidentialLaunch,
    Hardware,
    options,
)
from casemate.tee.anchors import Anchors
from casemate.tee.evidence import Expectation, Inputs
from casemate.tee.material import Material
from casemate.tee.options import Options, parse
from casemate.tee.simulators import SIMULATORS
from casemate.tee.snp.launch import processor_signature
from casemate.tee.verifiers import verify

NOW = datetime(2026, 1, 1, tzinfo=UTC)
INIT_DATA = sha256(b"initdata")


def launch(hardware: Hardware, init_data: Digest | None = INIT_DATA) -> dict[str, str]:
    planned = options(
        ConfidentialLaunch(
            hardware=hardware, firmware=Path("/ovmf,1.fd"), memory=2048, init_data=init_data
        )
    )
    pairs = list(zip(planned[::2], planned[1::2], strict=True))
    found = dict(pairs)
    found["protection"] = [value for name, value in pairs if name == "-object"][-1]
    return found


def part(protection: str, name: str) -> str:
    return dict(one.split("=", 1) for one in protection.split(",")[1:])[name]


def test_snp_guest_is_planned_whole() -> None:
    found = launch(Hardware.SNP)
    assert found["protection"].startswith("sev-snp-guest,id=tee,policy=0x30000,cbitpos=51,")
    assert part(found["protection"], "kernel-hashes") == "on"
    assert "confidential-guest-support=tee" in found["-machine"]
    assert found["-bios"] == "/ovmf,,1.fd"
    assert (found["-accel"], found["-cpu"]) == ("kvm", SNP_MODEL)
    assert processor_signature(SNP_MODEL)


def test_td_is_planned_whole() -> None:
    found = launch(Hardware.TDX)
    assert found["protection"].startswith("tdx-guest,id=tee,mrconfigid=")
    assert "kernel-irqchip=split" in found["-machine"]
    assert "memory-backend=memory" in found["-machine"]


@pytest.mark.parametrize(
    ("hardware", "field", "member"),
    [(Hardware.SNP, "host-data", "init_data"), (Hardware.TDX, "mrconfigid", "init_data")],
)
def test_initdata_is_bound_where_the_verifier_looks(
    hardware: Hardware, field: str, member: str
) -> None:
    bound = b64decode(part(launch(hardware)["protection"], field))
    made = SIMULATORS[hardware].make({"init_data": INIT_DATA.hex}, NOW)
    inputs = Inputs(
        now=NOW,
        anchors=Anchors.of_folder(made.roots),
        collateral=Material.of_files(made.collateral),
        options=Options(own=parse(made.options)),
    )
    expected = Expectation(report_data=made.report_data, init_data=INIT_DATA)
    (found,) = verify(hardware, made.evidence, expected, inputs)
    assert found.claims[member] == bound.hex()


def test_no_initdata_is_zeros() -> None:
    for hardware, field, size in (
        (Hardware.SNP, "host-data", 32),
        (Hardware.TDX, "mrconfigid", 48),
    ):
        assert b64decode(part(launch(hardware, None)["protection"], field)) == bytes(size)


def test_policy_of_an_snp_launch_is_one_that_its_verifier_accepts() -> None:
    made = SIMULATORS["snp"].make({"policy": f"{SNP_POLICY:#x}"}, NOW)
    inputs = Inputs(
        now=NOW,
        anchors=Anchors.of_folder(made.roots),
        collateral=Material.of_files(made.collateral),
    )
    (found,) = verify("snp", made.evidence, Expectation(report_data=made.report_data), inputs)
    assert found.claims["policy_debug_allowed"] is False
    assert found.claims["policy_migrate_ma"] is False
