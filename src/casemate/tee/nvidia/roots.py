"""NVIDIA's roots (tee §15), pinned by the SHA-256 of their DER; they are not shipped."""

from typing import Final

DEVICE_PINS: Final = frozenset(
    {
        # NVIDIA Device Identity CA, P-384, 2021-11-05 to 9999-12-31
        bytes.fromhex("102bf659d5419614c9d8e6aecebc80454eb26b1df6a769ac720b9a690b167b48"),
    }
)
"""Whom devices chain to."""
MANIFEST_PINS: Final = frozenset(
    {
        # NVIDIA CoRIM signing Root CA, P-384, 2023-03-16 to 2053-03-08
        bytes.fromhex("12977b5115acb0381179279fffeb5a8c4d264971ebb32298023a465fa41df5d1"),
    }
)
"""Whom signers of reference manifests chain to."""
