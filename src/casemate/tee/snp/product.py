"""Product lines of AMD's processors: how to tell them apart, and what differs between them.

Families and models are the combined ones (base + extended) of CPUID, as reports carry them.
"""

from enum import StrEnum
from typing import Final

import msgspec


class TcbLayout(StrEnum):
    """Which byte of a TCB word says what (tee §3.2)."""

    MILAN = "Milan, Genoa"
    """Boot loader, TEE, four zeros, SNP, microcode."""
    TURIN = "Turin and later"
    """FMC, boot loader, TEE, SNP, three zeros, microcode."""


class Product(msgspec.Struct, frozen=True, kw_only=True):
    """A product line: one root of trust, one layout of TCB words, one form of chip id."""

    name: str
    """As AMD's key service and the common names of its authorities write it."""
    family: int
    models: tuple[range, ...]
    layout: TcbLayout
    hw_id_size: int
    """Bytes of the hardware id in certificates and URLs; reports pad it to 64 with zeros."""


MILAN: Final = Product(
    name="Milan",
    family=0x19,
    models=(range(0x10),),
    layout=TcbLayout.MILAN,
    hw_id_size=64,
)
GENOA: Final = Product(
    name="Genoa",  # Bergamo and Siena too
    family=0x19,
    models=(range(0x10, 0x20), range(0xA0, 0xB0)),
    layout=TcbLayout.MILAN,
    hw_id_size=64,
)
TURIN: Final = Product(
    name="Turin",
    family=0x1A,
    models=(range(0x12),),
    layout=TcbLayout.TURIN,
    hw_id_size=8,
)
VENICE: Final = Product(
    name="Venice",
    family=0x1A,
    models=(range(0x50, 0x58), range(0x90, 0xB0), range(0xC0, 0xC8)),
    layout=TcbLayout.TURIN,
    hw_id_size=8,
)
"""Known by its models; its root is not pinned, so an operator has to name one."""

PRODUCTS: Final = (MILAN, GENOA, TURIN, VENICE)
_BY_MODEL: Final = {
    (product.family, model): product
    for product in PRODUCTS
    for models in product.models
    for model in models
}


def by_model(family: int, model: int) -> Product | None:
    """Find a product line by the combined family and model; None when nobody knows it."""
    return _BY_MODEL.get((family, model))


def by_name(name: str) -> Product | None:
    """Find a product line by a certificate's product name, ``Milan-B0`` for instance."""
    line = name.partition("-")[0]
    return next((product for product in PRODUCTS if product.name == line), None)
