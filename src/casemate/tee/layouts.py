"""Table of layouts by TEE name: how ``casemate evidence show`` reads evidence."""

from types import MappingProxyType
from typing import Final

from casemate.tee.layout import Layout
from casemate.tee.sample import layout as sample
from casemate.tee.se import layout as se
from casemate.tee.snp import layout as snp

LAYOUTS: Final = MappingProxyType[str, Layout](
    {
        "sample": sample.layout,
        "se": se.layout,
        "snp": snp.layout,
    }
)
