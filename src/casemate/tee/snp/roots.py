"""AMD's root keys (ARK), pinned by the SHA-256 of their certificates (tee §15).

The certificates come with the evidence, from AMD's key service or out of an operator's folder.
"""

from types import MappingProxyType
from typing import Final

from casemate.tee.anchors import Anchors
from casemate.tee.snp.product import GENOA, MILAN, TURIN, Product

PINS: Final = MappingProxyType(
    {
        MILAN.name: frozenset(
            {bytes.fromhex("69d063b45344d26a2e94e1f4210de49ef555308287d4c174445c95639a540bcd")}
        ),
        GENOA.name: frozenset(
            {bytes.fromhex("4c6598d19c18719c5dfd4a7d335f674e5bfe1d8f800cea2cf270c10d103db2f1")}
        ),
        TURIN.name: frozenset(
            {bytes.fromhex("1f084161a44bb6d93778a904877d4819cafa5d05ef4193b2ded9dd9c73dd3f6a")}
        ),
    }
)
"""Product line → its root; one line's root never vouches for another's chips."""


def trusted(product: Product, anchors: Anchors) -> frozenset[bytes]:
    """Give the pins for a product line: AMD's, and those an operator named."""
    return PINS.get(product.name, frozenset()) | anchors.pins
