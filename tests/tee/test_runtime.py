import pytest

from casemate.tee.runtime import LAST_PCR, RUNTIME
from casemate.wire.tpm import ALG_SHA256, ALG_SHA384, ALG_SM3

TDX = {
    0: 4,
    1: 1,
    7: 1,
    **dict.fromkeys(range(2, 7), 2),
    **dict.fromkeys(range(8, 16), 3),
    **dict.fromkeys(range(16, 24), 4),
}


@pytest.mark.parametrize(
    ("tee", "bank", "registers"),
    [
        ("tdx", ALG_SHA384, TDX),
        ("csv", ALG_SM3, TDX | {0: 0}),
        ("tpm", ALG_SHA256, {pcr: pcr for pcr in range(24)}),
        ("az-snp-vtpm", ALG_SHA256, {pcr: pcr for pcr in range(24)}),
        ("az-tdx-vtpm", ALG_SHA256, {pcr: pcr for pcr in range(24)}),
    ],
)
def test_pcr_means_the_register_that_the_specification_says(
    tee: str, bank: int, registers: dict[int, int]
) -> None:
    runtime = RUNTIME[tee]
    assert runtime.bank == bank
    assert {pcr: runtime.register(pcr) for pcr in range(LAST_PCR + 1)} == registers


def test_the_others_have_no_registers() -> None:
    assert set(RUNTIME) == {"tdx", "csv", "tpm", "az-snp-vtpm", "az-tdx-vtpm"}
