"""Intel's root, pinned by the SHA-256 of its certificate (tee §15).

The certificate itself comes with each quote.
"""

from typing import Final

from casemate.tee.anchors import Anchors

PINS: Final = frozenset(
    {bytes.fromhex("44a0196b2b99f889b8e149e95b807a350e7424964399e885a7cbb8ccfab674d3")}
)
"""Intel SGX Root CA, valid 2018-05-21 to 2049-12-31."""


def trusted(anchors: Anchors) -> frozenset[bytes]:
    """Give the pins that count: Intel's, and those an operator named."""
    return PINS | anchors.pins
