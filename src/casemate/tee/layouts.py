"""Table of layouts by TEE name: how ``casemate evidence show`` reads evidence."""

from types import MappingProxyType
from typing import Final

from casemate.tee.cca import layout as cca
from casemate.tee.layout import Layout
from casemate.tee.sample import layout as sample
from casemate.tee.sampledevice import layout as sampledevice

LAYOUTS: Final = MappingProxyType[str, Layout](
    {
        "cca": cca.layout,
        "sample": sample.layout,
        "sampledevice": sampledevice.layout,
    }
)
