"""Table of simulators by TEE name: evidence of every TEE, without its hardware."""

from types import MappingProxyType
from typing import Final

from casemate.tee.sample import fake as sample
from casemate.tee.sgx import fake as sgx
from casemate.tee.simulation import Simulator
from casemate.tee.snp import fake as snp
from casemate.tee.tdx import fake as tdx

SIMULATORS: Final = MappingProxyType[str, Simulator](
    {
        "sample": Simulator(sample.simulate, sample.FIELDS),
        "sgx": Simulator(sgx.simulate, sgx.FIELDS),
        "snp": Simulator(snp.simulate, snp.FIELDS),
        "tdx": Simulator(tdx.simulate, tdx.FIELDS),
    }
)
