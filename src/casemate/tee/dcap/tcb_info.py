"""TCB info (version 3) and QE identity (version 2): Intel's word on platforms (tee §4.4).

Read only from text whose signature holds. What Intel adds later is passed over; what is read must
be there, in its form: a status that nobody knows makes the document unreadable, not acceptable.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Final, TypeVar

import msgspec

from casemate.errors import MALFORMED_JSON, PeerError
from casemate.tee.dcap.pck import COMPONENTS, PckExtension
from casemate.tee.dcap.status import TcbStatus

_SPEC: Final = "tee §4.4"

_Byte = Annotated[int, msgspec.Meta(ge=0, le=0xFF)]
_Word = Annotated[int, msgspec.Meta(ge=0, le=0xFFFF)]
_Time = Annotated[datetime, msgspec.Meta(tz=True)]
_Components = Annotated[
    tuple["Component", ...], msgspec.Meta(min_length=COMPONENTS, max_length=COMPONENTS)
]
_Levels = Annotated[tuple["IdentityLevel", ...], msgspec.Meta(max_length=256)]
_Modules = Annotated[tuple["TdxModuleIdentity", ...], msgspec.Meta(max_length=256)]
_D = TypeVar("_D")

MODULE_COMPONENTS: Final = 2
"""Of a TD's tcb_svn: [0] minor and [1] major version of the TDX module."""


def _hex(size: int) -> msgspec.Meta:
    return msgspec.Meta(pattern=f"^[0-9A-Fa-f]{{{2 * size}}}$")


class Component(msgspec.Struct, frozen=True):
    """One security version, 0 to 255."""

    svn: _Byte


class PlatformTcb(msgspec.Struct, frozen=True):
    """What a platform must reach for a level."""

    sgxtcbcomponents: _Components
    pcesvn: _Word
    tdxtcbcomponents: _Components | None = None

    @property
    def sgx(self) -> tuple[int, ...]:
        return tuple(one.svn for one in self.sgxtcbcomponents)

    @property
    def tdx(self) -> tuple[int, ...]:
        """Of TDX's TCB info only; empty in SGX's."""
        return tuple(one.svn for one in self.tdxtcbcomponents or ())

    def reached_by(self, platform: PckExtension) -> bool:
        """Say whether the certified versions of the platform reach this level."""
        return platform.pce_svn >= self.pcesvn and reaches(platform.components, self.sgx)


class PlatformLevel(msgspec.Struct, frozen=True, rename="camel"):
    """A level of a platform."""

    tcb: PlatformTcb
    tcb_date: _Time
    tcb_status: TcbStatus
    advisory_ids: tuple[str, ...] = msgspec.field(default=(), name="advisoryIDs")


class IsvSvn(msgspec.Struct, frozen=True):
    """The version of an enclave, or of a TDX module."""

    isvsvn: _Word


class IdentityLevel(msgspec.Struct, frozen=True, rename="camel"):
    """A level of a quoting enclave or a TDX module."""

    tcb: IsvSvn
    tcb_date: _Time
    tcb_status: TcbStatus
    advisory_ids: tuple[str, ...] = msgspec.field(default=(), name="advisoryIDs")


class TdxModule(msgspec.Struct, frozen=True, rename="camel"):
    """Who may have signed a TDX module, and its attributes."""

    mrsigner: Annotated[str, _hex(48)]
    attributes: Annotated[str, _hex(8)]
    attributes_mask: Annotated[str, _hex(8)]


class TdxModuleIdentity(TdxModule, frozen=True, rename="camel"):
    """One major version of the TDX module."""

    id: str
    tcb_levels: _Levels


class TcbInfo(msgspec.Struct, frozen=True, rename="camel"):
    """TCB levels of every platform with one FMSPC, best first."""

    id: str
    version: int
    issue_date: _Time
    next_update: _Time
    fmspc: Annotated[str, _hex(6)]
    pce_id: Annotated[str, _hex(2)]
    tcb_type: int
    tcb_evaluation_data_number: int
    tcb_levels: Annotated[tuple[PlatformLevel, ...], msgspec.Meta(max_length=1024)]
    tdx_module: TdxModule | None = None
    tdx_module_identities: _Modules = ()

    def module_identity(self, major: int) -> TdxModuleIdentity | None:
        """Give the identity of a major version of the TDX module (``TDX_%02X``)."""
        wanted = f"TDX_{major:02X}"
        return next((one for one in self.tdx_module_identities if one.id == wanted), None)


class QeIdentity(msgspec.Struct, frozen=True, rename="camel"):
    """Intel's quoting enclave: how to recognise it, and its levels, best first."""

    id: str
    version: int
    issue_date: _Time
    next_update: _Time
    tcb_evaluation_data_number: int
    miscselect: Annotated[str, _hex(4)]
    miscselect_mask: Annotated[str, _hex(4)] = msgspec.field(name="miscselectMask")
    attributes: Annotated[str, _hex(16)]
    attributes_mask: Annotated[str, _hex(16)]
    mrsigner: Annotated[str, _hex(32)]
    isvprodid: _Word
    tcb_levels: _Levels


_TCB_INFO: Final = msgspec.json.Decoder(TcbInfo)
_QE_IDENTITY: Final = msgspec.json.Decoder(QeIdentity)


def parse_tcb_info(text: bytes) -> TcbInfo:
    """Read the signed ``tcbInfo`` object; PeerError when it is not of version 3's form."""
    return _require_version(_read(_TCB_INFO, text, "TCB info"), 3, "TCB info")


def parse_qe_identity(text: bytes) -> QeIdentity:
    """Read the signed ``enclaveIdentity`` object; PeerError when it is not version 2's form."""
    return _require_version(_read(_QE_IDENTITY, text, "QE identity"), 2, "QE identity")


def identity_level(levels: Iterable[IdentityLevel], svn: int) -> IdentityLevel | None:
    """Give the highest level that a version reaches; None when it reaches none."""
    return next((level for level in levels if level.tcb.isvsvn <= svn), None)


def reaches(have: Iterable[int], want: Iterable[int]) -> bool:
    """Say whether every version is at least the wanted one."""
    return all(a >= b for a, b in zip(have, want, strict=True))


def masked_equal(got: bytes, wanted: str, mask: str) -> bool:
    """Compare the bits that ``mask`` selects. Hex is of raw bytes, as many as ``got`` has."""
    selected = int(mask, 16)
    return int.from_bytes(got, "big") & selected == int(wanted, 16) & selected


def _read(decoder: "msgspec.json.Decoder[_D]", text: bytes, where: str) -> _D:
    try:
        return decoder.decode(text)
    except MALFORMED_JSON as error:
        raise PeerError(where, got=error, want="Intel's form", spec=_SPEC) from error


_V = TypeVar("_V", TcbInfo, QeIdentity)


def _require_version(document: _V, version: int, where: str) -> _V:
    if document.version != version:
        raise PeerError(f"{where} version", got=document.version, want=str(version), spec=_SPEC)
    return document
