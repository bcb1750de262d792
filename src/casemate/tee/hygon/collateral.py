"""What Hygon publishes: its root, and HSK with CEK of each chip, by serial number."""

from datetime import timedelta
from typing import Final

from casemate.tee.evidence import Inputs
from casemate.tee.hygon.certificate import CA_SIZE, CSV_SIZE
from casemate.tee.hygon.roots import PINS
from casemate.tee.want import Want

SERVICE: Final = "https://cert.hygon.cn"
"""Hygon's certificate service."""
_KEEP: Final = timedelta(days=30)  # these certificates have no dates
_ROOT: Final = "hygon/hrk.cert"


def want_root(inputs: Inputs, url: str) -> tuple[Want, ...]:
    """Ask for the root, unless a pinned one is there; whatever comes must have a pinned digest."""
    pins = PINS | inputs.anchors.pins
    for material in (inputs.anchors.material, inputs.collateral):
        if any(
            len(body) == CA_SIZE and material.fingerprint(name) in pins
            for name, body in material.files.items()
        ):
            return ()
    if _ROOT in inputs.collateral.files:
        return ()  # it was fetched, and is not the one
    return (Want(name=_ROOT, url=f"{url}/hrk", keep=_KEEP, largest=CA_SIZE),)


def want_chip(inputs: Inputs, url: str, serial: str, fallback: str) -> tuple[Want, ...]:
    """Ask for a chip's HSK and CEK; ``serial`` is letters and digits.

    Args:
        inputs: what is there already.
        url: of Hygon's service.
        serial: serial number, or chip id as text.
        fallback: name in an offline store.
    """
    name = f"hygon/hsk_cek/{serial}/hsk_cek.cert"
    if name in inputs.collateral.files:
        return ()  # it was fetched, and does not fit
    return (
        Want(
            name=name,
            url=f"{url}/hsk_cek?snumber={serial}",
            keep=_KEEP,
            largest=CA_SIZE + CSV_SIZE,
            fallbacks=(fallback,),
        ),
    )
