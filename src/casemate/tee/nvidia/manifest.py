"""NVIDIA's reference manifests (RIM): SWID tags that say what a driver and a VBIOS measure.

A manifest counts measurements from 0 where SPDM counts from 1. Each active one has one or several
good values. One is left out where the device says that its first video decoder is off.
"""

import binascii
from collections.abc import Iterator, Mapping
from typing import Final, Self

import msgspec

from casemate.crypto import vendor_chain
from casemate.crypto.xml_document import Node
from casemate.crypto.xml_document import parse as parse_xml
from casemate.crypto.xml_signature import XmlSignature
from casemate.errors import MALFORMED_JSON, PeerError
from casemate.tee.evidence import Inputs
from casemate.tee.nvidia.opaque import NVDEC0_STATUS, Opaque
from casemate.tee.nvidia.roots import MANIFEST_PINS
from casemate.tee.nvidia.spdm import Measurement
from casemate.tee.trail import Step

SWID: Final = "http://standards.iso.org/iso/19770/-2/2015/schema.xsd"
HASH: Final = "http://www.w3.org/2001/04/xmlenc#sha384"
_MARK: Final = b"SoftwareIdentity"
_MOST_ALTERNATIVES: Final = 64
_MOST_INDEX: Final = 255
_DECODER: Final = 35
"""The measurement, from 0, that a disabled decoder leaves without meaning."""
_DISABLED: Final = b"\x55"
_DIGITS: Final = 3
_SPEC: Final = "NVIDIA RIM, SWID"


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a manifest says, verified or not."""

    product: str
    """The chip, ``GH100`` for instance."""
    version: str
    """Of the driver or the VBIOS, in lower case."""
    golden: Mapping[int, frozenset[bytes]]
    """Index from 0 → good values, of active measurements."""
    signature: XmlSignature

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read a manifest; its digest is compared, its signature is not yet.

        Raises:
            PeerError: it is none.
        """
        root = parse_xml(raw)
        if root.qualified != (SWID, "SoftwareIdentity"):
            raise _error(root.name, "SoftwareIdentity")
        meta = root.only(SWID, "Meta")
        golden: dict[int, frozenset[bytes]] = {}
        for resource in root.only(SWID, "Payload").elements(SWID, "Resource"):
            index = _number(resource, "index", _MOST_INDEX)
            if index in golden:
                raise _error(f"measurement {index} twice", "each once")
            golden[index] = _values(resource) if _is_active(resource) else frozenset()
        return cls(
            product=meta.attribute("product"),
            version=meta.attribute("colloquialVersion").lower(),
            golden={index: values for index, values in golden.items() if values},
            signature=XmlSignature.parse(root),
        )

    def verify(self, inputs: Inputs) -> None:
        """Verify signature and chain, to the pinned root of manifests.

        Raises:
            VerificationError: it does not hold.
        """
        path = vendor_chain.arrange(self.signature.certificates[0], self.signature.certificates)
        vendor_chain.verify(
            path,
            pins=MANIFEST_PINS | inputs.anchors.pins,
            at=inputs.now,
            lists=(*inputs.collateral.lists, *inputs.anchors.material.lists),
            memory=inputs.memory,
        )
        self.signature.verify(path[0])

    def compare(
        self, step: Step, claim: str, measurements: Mapping[int, Measurement], opaque: Opaque
    ) -> None:
        """Compare measurements, by their index from 1.

        Raises:
            VerificationError: one is missing, or has none of its good values.
        """
        decoder_off = opaque.fields.get(NVDEC0_STATUS) == _DISABLED
        for index, values in self.golden.items():
            if index == _DECODER and decoder_off:
                continue
            found = measurements.get(index + 1)
            step.require(
                found is not None and found.value in values,
                f"measurement {index + 1} ({claim} {self.version})",
                found.value.hex() if found else "none",
                " or ".join(sorted(value.hex() for value in values)),
                remedy="the device does not run what NVIDIA released, or not as it was released",
            )


def all_of(inputs: Inputs) -> Iterator[Manifest]:
    """Give the manifests among the collateral's files, XML or as NVIDIA's service wraps them.

    What cannot be read is passed over: whoever needs it will find it missing.
    """
    for body in (*inputs.collateral.files.values(), *inputs.anchors.material.files.values()):
        raw = _unwrapped(body)
        if _MARK not in raw:
            continue
        try:
            yield (
                inputs.memory.read_once(Manifest.parse, raw)
                if inputs.memory
                else Manifest.parse(raw)
            )
        except PeerError:
            continue


class _Wrapped(msgspec.Struct, frozen=True):
    rim: bytes


def _unwrapped(body: bytes) -> bytes:
    if body.lstrip()[:1] != b"{":
        return body
    try:
        return msgspec.json.decode(body, type=_Wrapped).rim
    except MALFORMED_JSON:
        return b""


def _is_active(resource: Node) -> bool:
    match resource.attribute("active").lower():
        case "false":
            return False
        case "true":
            return True
        case other:
            raise _error(f"active {other}", "True or False")


def _values(resource: Node) -> frozenset[bytes]:
    count = _number(resource, "alternatives", _MOST_ALTERNATIVES)
    size = _number(resource, "size", _MOST_INDEX)
    try:
        found = frozenset(
            binascii.unhexlify(resource.attribute(f"Hash{n}", HASH)) for n in range(count)
        )
    except (binascii.Error, ValueError) as error:
        raise _error("a value that is not hex", "hex") from error
    if not found or any(len(value) != size for value in found):
        raise _error("values of another size", f"one or more of {size} bytes")
    return found


def _number(resource: Node, name: str, most: int) -> int:
    text = resource.attribute(name)
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS and int(text) <= most):
        raise _error(f"{name} {text}", f"0 to {most}")
    return int(text)


def _error(got: object, want: str) -> PeerError:
    return PeerError("reference manifest", got=got, want=want, spec=_SPEC)
