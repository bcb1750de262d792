"""The platform's certificate (PCK), and what Intel wrote into it (tee §4.3)."""

from collections.abc import Mapping
from enum import IntEnum, StrEnum
from typing import Final, Self

import msgspec

from casemate.crypto.certificate import Certificate
from casemate.crypto.der import Element, Tag
from casemate.errors import PeerError

EXTENSION: Final = "1.2.840.113741.1.13.1"
COMPONENTS: Final = 16
"""Security versions of a TCB."""

_ARCS: Final = bytes.fromhex("2a864886f84d010d01")
"""``EXTENSION`` as DER writes it (X.690 section 8.19)."""
_SPEC: Final = "tee §4.3"
_WHERE: Final = "PCK extension"
_LARGEST_SVN: Final = 0xFF
_LARGEST_PCE_SVN: Final = 0xFFFF


class CertificateAuthorityKind(StrEnum):
    """Which authority made the certificate, as its service calls it (``pckcrl?ca=``)."""

    PLATFORM = "platform"
    PROCESSOR = "processor"


AUTHORITIES: Final[Mapping[str, CertificateAuthorityKind]] = {
    "Intel SGX PCK Platform CA": CertificateAuthorityKind.PLATFORM,
    "Intel SGX PCK Processor CA": CertificateAuthorityKind.PROCESSOR,
}
"""Common name of an intermediate → its kind."""
LEAF_NAME: Final = "Intel SGX PCK Certificate"
ROOT_NAME: Final = "Intel SGX Root CA"


class SgxType(IntEnum):
    """Kind of memory protection of the platform."""

    STANDARD = 0
    SCALABLE = 1
    SCALABLE_WITH_INTEGRITY = 2

    @property
    def text(self) -> str:
        """As claims spell it."""
        return {0: "Standard", 1: "Scalable", 2: "Scalable with Integrity"}[self.value]


class PckExtension(msgspec.Struct, frozen=True, kw_only=True):
    """The platform, as Intel certified it."""

    ppid: bytes
    """Platform provisioning id, 16 bytes."""
    components: bytes
    """Security versions of 16 parts of the platform, one byte each."""
    pce_svn: int
    cpu_svn: bytes
    """16 bytes."""
    pce_id: bytes
    """2 bytes, as TCB info writes them."""
    fmspc: bytes
    """Family, model, stepping, platform, customer SKU: 6 bytes; selects the TCB info."""
    sgx_type: SgxType
    platform_instance_id: bytes | None = None
    """16 bytes as certified; Platform CA only. Claims reverse them."""
    dynamic_platform: bool | None = None
    cached_keys: bool | None = None
    smt_enabled: bool | None = None

    @classmethod
    def of(cls, certificate: Certificate) -> Self:
        """Read the extension of a PCK certificate.

        Raises:
            PeerError: there is none, or a part is missing or of another form.
        """
        found = certificate.extensions.get(EXTENSION)
        if found is None:
            raise PeerError(_WHERE, got="none", want=f"extension {EXTENSION}", spec=_SPEC)
        parts = _members(Element.parse(found.value, _WHERE), _ARCS)
        tcb = _members(_one(parts, 2), _ARCS + b"\x02")
        configuration = _members(parts[7], _ARCS + b"\x07") if 7 in parts else {}
        instance = parts.get(6)
        return cls(
            ppid=_octets(_one(parts, 1), 16, "PPID"),
            components=bytes(
                _number(_one(tcb, one), _LARGEST_SVN, f"TCB component {one}")
                for one in range(1, COMPONENTS + 1)
            ),
            pce_svn=_number(_one(tcb, 17), _LARGEST_PCE_SVN, "PCE SVN"),
            cpu_svn=_octets(_one(tcb, 18), 16, "CPU SVN"),
            pce_id=_octets(_one(parts, 3), 2, "PCE id"),
            fmspc=_octets(_one(parts, 4), 6, "FMSPC"),
            sgx_type=_sgx_type(_one(parts, 5)),
            platform_instance_id=(
                None if instance is None else _octets(instance, 16, "platform instance id")
            ),
            dynamic_platform=_flag(configuration, 1, "dynamic platform"),
            cached_keys=_flag(configuration, 2, "cached keys"),
            smt_enabled=_flag(configuration, 3, "SMT enabled"),
        )


def _members(element: Element, prefix: bytes) -> dict[int, Element]:
    """Read SEQUENCE of {OID, value}: the arc behind ``prefix`` → value."""
    found: dict[int, Element] = {}
    for pair in element.expect(Tag.SEQUENCE, _WHERE).children(_WHERE):
        fields = pair.expect(Tag.SEQUENCE, _WHERE).children(_WHERE)
        if len(fields) != 2:
            raise PeerError(_WHERE, got=f"{len(fields)} fields", want="OID and value", spec=_SPEC)
        name = fields[0].expect(Tag.OID, _WHERE).content
        if len(name) != len(prefix) + 1 or not name.startswith(prefix) or name[-1] >= 0x80:
            raise PeerError(_WHERE, got=name.hex(), want=f"{prefix.hex()} and one arc", spec=_SPEC)
        if name[-1] in found:
            raise PeerError(_WHERE, got=f"member .{name[-1]} twice", want="each once", spec=_SPEC)
        found[name[-1]] = fields[1]
    return found


def _one(members: dict[int, Element], number: int) -> Element:
    found = members.get(number)
    if found is None:
        raise PeerError(_WHERE, got=f"no member .{number}", want="all members", spec=_SPEC)
    return found


def _octets(element: Element, size: int, name: str) -> bytes:
    where = f"{_WHERE}, {name}"
    content = element.expect(Tag.OCTET_STRING, where).content
    if len(content) != size:
        raise PeerError(where, got=f"{len(content)} bytes", want=f"{size} bytes", spec=_SPEC)
    return content


def _number(element: Element, largest: int, name: str) -> int:
    where = f"{_WHERE}, {name}"
    value = element.expect(Tag.INTEGER, where).integer(where)
    if not 0 <= value <= largest:
        raise PeerError(where, got=value, want=f"0 to {largest}", spec=_SPEC)
    return value


def _sgx_type(element: Element) -> SgxType:
    where = f"{_WHERE}, SGX type"
    value = element.expect(Tag.ENUMERATED, where).integer(where)
    try:
        return SgxType(value)
    except ValueError as error:
        raise PeerError(where, got=value, want="0, 1 or 2", spec=_SPEC) from error


def _flag(members: dict[int, Element], number: int, name: str) -> bool | None:
    found = members.get(number)
    return None if found is None else found.boolean(f"{_WHERE}, {name}")
