"""Evidence of the sample TEE: ``{"svn": "1", "report_data": base64}`` and nothing else."""

from typing import Final

import msgspec

TEE: Final = "sample"
SVN: Final = "1"


class SampleEvidence(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The evidence object; ``report_data`` is base64 on the wire, bytes here."""

    svn: str
    report_data: bytes
