"""PCR 10 as a Linux kernel with IMA and no policy leaves it: one entry, derived from the others.

IMA keeps its own list; but its first entry follows from PCR 0 to 9, so the value can be computed
(kernel: ``ima_calc_boot_aggregate``, template ``ima-sig`` with an empty signature).
"""

import hashlib
from collections.abc import Mapping
from typing import Final

IMA_PCR: Final = 10
_SOURCES: Final = range(10)
_NAME: Final = b"boot_aggregate\0"


def boot_aggregate_register(pcrs: Mapping[int, bytes]) -> bytes:
    """Compute PCR 10 (SHA-256 bank) from PCR 0 to 9 as the firmware left them.

    An absent PCR is zero; so is PCR 8, which our guest extends after the kernel started.
    """
    values = (bytes(32) if i == 8 else pcrs.get(i, bytes(32)) for i in _SOURCES)
    return hashlib.sha256(bytes(32) + boot_aggregate_digest(b"".join(values))).digest()


def boot_aggregate_digest(joined: bytes) -> bytes:
    """Hash the template entry for ``joined``, the values of PCR 0 to 9 in a row."""
    digest = b"sha256:\0" + hashlib.sha256(joined).digest()
    fields = (digest, _NAME, b"")
    entry = b"".join(len(field).to_bytes(4, "little") + field for field in fields)
    return hashlib.sha256(entry).digest()
