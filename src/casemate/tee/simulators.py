"""Table of simulators by TEE name: evidence of every TEE, without its hardware."""

from types import MappingProxyType
from typing import Final

from casemate.tee.az_snp_vtpm import fake as az_snp_vtpm
from casemate.tee.az_tdx_vtpm import fake as az_tdx_vtpm
from casemate.tee.cca import fake as cca
from casemate.tee.csv import fake as csv
from casemate.tee.hygondcu import fake as hygondcu
from casemate.tee.nvidia import fake as nvidia
from casemate.tee.nvidia_dpu import fake as nvidia_dpu
from casemate.tee.sample import fake as sample
from casemate.tee.sampledevice import fake as sampledevice
from casemate.tee.se import fake as se
from casemate.tee.sgx import fake as sgx
from casemate.tee.simulation import Simulator
from casemate.tee.snp import fake as snp
from casemate.tee.tdx import fake as tdx
from casemate.tee.vtpm import simulate as vtpm

SIMULATORS: Final = MappingProxyType[str, Simulator](
    {
        "az-snp-vtpm": Simulator(az_snp_vtpm.simulate, az_snp_vtpm.FIELDS),
        "az-tdx-vtpm": Simulator(az_tdx_vtpm.simulate, az_tdx_vtpm.FIELDS),
        "cca": Simulator(cca.simulate, cca.FIELDS),
        "csv": Simulator(csv.simulate, csv.FIELDS),
        "hygondcu": Simulator(hygondcu.simulate, hygondcu.FIELDS),
        "nvidia": Simulator(nvidia.simulate, nvidia.FIELDS),
        "nvidia-dpu": Simulator(nvidia_dpu.simulate, nvidia_dpu.FIELDS),
        "sample": Simulator(sample.simulate, sample.FIELDS),
        "sampledevice": Simulator(sampledevice.simulate, sampledevice.FIELDS),
        "se": Simulator(se.simulate, se.FIELDS),
        "sgx": Simulator(sgx.simulate, sgx.FIELDS),
        "snp": Simulator(snp.simulate, snp.FIELDS),
        "tdx": Simulator(tdx.simulate, tdx.FIELDS),
        "tpm": Simulator(vtpm.simulate, vtpm.FIELDS),
    }
)
