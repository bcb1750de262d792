"""What a TPM will hold after a boot of an image, and the reference values made of it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

REFERENCE_REGISTERS: Final = (0, 1, 2, 3, 4, 5, 6, 7, 9, 11, 12, 13, 14)


def predict(firmware_code: Path, firmware_vars: Path, uki: bytes) -> Mapping[int, bytes]:
    return {}


def encode(predicted: Mapping[int, bytes]) -> bytes:
    """Write predicted PCR values: number → lower-case hex."""
    values = {str(number): value.hex() for number, value in sorted(predicted.items())}
    return msgspec.json.format(msgspec.json.encode(values), indent=1)


def reference_values(predicted: Mapping[int, bytes]) -> bytes:
    """Write the payload of a ``sample`` message to the reference value provider.

    Names are ``tpm_pcr00``…, values lists of lower-case hex (spec trustee.md, RVPS).
    """
    values = {f"tpm_pcr{number:02}": [predicted[number].hex()] for number in sorted(predicted)}
    return msgspec.json.format(msgspec.json.encode(values), indent=1)
