"""Table of layouts by TEE name: how ``casemate evidence show`` reads evidence."""

from types import MappingProxyType
from typing import Final

from casemate.tee.az_snp_vtpm import layout as az_snp_vtpm
from casemate.tee.az_tdx_vtpm import layout as az_tdx_vtpm
from casemate.tee.cca import layout as cca
from casemate.tee.csv import layout as csv
from casemate.tee.hygondcu import layout as hygondcu
from casemate.tee.layout import Layout
from casemate.tee.nvidia import layout as nvidia
from casemate.tee.nvidia_dpu import layout as nvidia_dpu
from casemate.tee.sample import layout as sample
from casemate.tee.sampledevice import layout as sampledevice
from casemate.tee.se import layout as se
from casemate.tee.sgx import layout as sgx
from casemate.tee.snp import layout as snp
from casemate.tee.tdx import layout as tdx
from casemate.tee.vtpm import layout as vtpm

LAYOUTS: Final = MappingProxyType[str, Layout](
    {
        "az-snp-vtpm": az_snp_vtpm.layout,
        "az-tdx-vtpm": az_tdx_vtpm.layout,
        "cca": cca.layout,
        "csv": csv.layout,
        "hygondcu": hygondcu.layout,
        "nvidia": nvidia.layout,
        "nvidia-dpu": nvidia_dpu.layout,
        "sample": sample.layout,
        "sampledevice": sampledevice.layout,
        "se": se.layout,
        "sgx": sgx.layout,
        "snp": snp.layout,
        "tdx": tdx.layout,
        "tpm": vtpm.layout,
    }
)
