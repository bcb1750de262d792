"""Table of simulators by TEE name: evidence of every TEE, without its hardware."""

from types import MappingProxyType
from typing import Final

from casemate.tee.sample import fake as sample
from casemate.tee.se import fake as se
from casemate.tee.simulation import Simulator
from casemate.tee.snp import fake as snp

SIMULATORS: Final = MappingProxyType[str, Simulator](
    {
        "sample": Simulator(sample.simulate, sample.FIELDS),
        "se": Simulator(se.simulate, se.FIELDS),
        "snp": Simulator(snp.simulate, snp.FIELDS),
    }
)
