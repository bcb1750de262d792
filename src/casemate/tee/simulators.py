"""Table of simulators by TEE name: evidence of every TEE, without its hardware."""

from types import MappingProxyType
from typing import Final

from casemate.tee.cca import fake as cca
from casemate.tee.sample import fake as sample
from casemate.tee.sampledevice import fake as sampledevice
from casemate.tee.simulation import Simulator

SIMULATORS: Final = MappingProxyType[str, Simulator](
    {
        "cca": Simulator(cca.simulate, cca.FIELDS),
        "sample": Simulator(sample.simulate, sample.FIELDS),
        "sampledevice": Simulator(sampledevice.simulate, sampledevice.FIELDS),
    }
)
