"""The attestation report, 1184 bytes (tee §3.2): one table reads it, writes it and explains it.

All numbers are little-endian. The first 0x2A0 bytes are what the chip signs. Every reserved byte
must be zero: the JSON form leaves them out, so a report that used them could not be told from one
that does not.
"""

import struct
from collections.abc import Iterable
from operator import attrgetter, itemgetter
from typing import Any, Final, NamedTuple, Self

import msgspec

from casemate.errors import PeerError
from casemate.tee.snp.product import Product, TcbLayout, by_model
from casemate.tee.snp.tcb import Tcb

TEE: Final = "snp"
SIZE: Final = 0x4A0
SIGNED_SIZE: Final = 0x2A0
VERSIONS: Final = range(2, 6)
"""2; 3 and 4, which name the processor; 5, which has mitigation vectors."""
OLDEST_WITH_MODEL: Final = 3
OLDEST_WITH_MITIGATIONS: Final = 5

_SPEC: Final = "tee §3.2"
_OLD: Final = "update the host's firmware; where that cannot be, option snp.min_version"


class Part(NamedTuple):
    """A row of the layout."""

    name: str
    """As in the JSON form; empty where the bytes are reserved."""
    offset: int
    form: str
    """Of ``struct``: I, Q and B are numbers, Ns are N bytes."""
    since: int = 0
    """Report version from which it is there, reserved before; 0 is always."""

    @property
    def size(self) -> int:
        """Bytes."""
        return struct.calcsize("<" + self.form)


LAYOUT: Final = (
    Part("version", 0x000, "I"),
    Part("guest_svn", 0x004, "I"),
    Part("policy", 0x008, "Q"),
    Part("family_id", 0x010, "16s"),
    Part("image_id", 0x020, "16s"),
    Part("vmpl", 0x030, "I"),
    Part("sig_algo", 0x034, "I"),
    Part("current_tcb", 0x038, "8s"),
    Part("plat_info", 0x040, "Q"),
    Part("key_info", 0x048, "I"),
    Part("", 0x04C, "4s"),
    Part("report_data", 0x050, "64s"),
    Part("measurement", 0x090, "48s"),
    Part("host_data", 0x0C0, "32s"),
    Part("id_key_digest", 0x0E0, "48s"),
    Part("author_key_digest", 0x110, "48s"),
    Part("report_id", 0x140, "32s"),
    Part("report_id_ma", 0x160, "32s"),
    Part("reported_tcb", 0x180, "8s"),
    Part("cpuid_fam_id", 0x188, "B", OLDEST_WITH_MODEL),
    Part("cpuid_mod_id", 0x189, "B", OLDEST_WITH_MODEL),
    Part("cpuid_step", 0x18A, "B", OLDEST_WITH_MODEL),
    Part("", 0x18B, "21s"),
    Part("chip_id", 0x1A0, "64s"),
    Part("committed_tcb", 0x1E0, "8s"),
    Part("current", 0x1E8, "4s"),
    Part("committed", 0x1EC, "4s"),
    Part("launch_tcb", 0x1F0, "8s"),
    Part("launch_mit_vector", 0x1F8, "Q", OLDEST_WITH_MITIGATIONS),
    Part("current_mit_vector", 0x200, "Q", OLDEST_WITH_MITIGATIONS),
    Part("", 0x208, "152s"),
    Part("signature_r", 0x2A0, "72s"),
    Part("signature_s", 0x2E8, "72s"),
    Part("", 0x330, "368s"),
)
TCBS: Final = ("current_tcb", "reported_tcb", "committed_tcb", "launch_tcb")
RELEASES: Final = ("current", "committed")

FIELDS: Final = tuple(part for part in LAYOUT if part.name)
"""Rows that have a name: the fields of ``Report``, in its order."""

_STRUCT: Final = struct.Struct(
    "<" + "".join(part.form if part.name else f"{part.size}x" for part in LAYOUT)
)
_RESERVED: Final = tuple((part.offset, bytes(part.size)) for part in LAYOUT if not part.name)
_VALUES: Final = attrgetter(*(part.name for part in FIELDS))
_AT_TCB: Final = tuple((n, part.name) for n, part in enumerate(FIELDS) if part.name in TCBS)
_AT_RELEASE: Final = tuple((n, part.name) for n, part in enumerate(FIELDS) if part.name in RELEASES)
_AT_LATER: Final = tuple((n, part) for n, part in enumerate(FIELDS) if part.since)
_PROCESSOR: Final = itemgetter(
    *(
        [part.name for part in FIELDS].index(name)
        for name in ("version", "cpuid_fam_id", "cpuid_mod_id", "chip_id")
    )
)


class Release(msgspec.Struct, frozen=True, forbid_unknown_fields=True, order=True):
    """A version of the firmware; three bytes, written build, minor, major, and a reserved one."""

    major: int
    minor: int
    build: int

    def encode(self, where: str) -> bytes:
        """Write 4 bytes; PeerError when a number is no byte."""
        try:
            return bytes((self.build, self.minor, self.major, 0))
        except ValueError as error:
            raise PeerError(where, got=self, want="bytes", spec=_SPEC) from error

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.build}"


class Report(msgspec.Struct, frozen=True):
    """A report as it came: well formed, and nothing more. ``parse`` makes it.

    Fields are those of the layout in its order; ``signature_r`` and ``signature_s`` are 72 bytes,
    little-endian. What a version does not have is None.
    """

    version: int
    guest_svn: int
    policy: int
    family_id: bytes
    image_id: bytes
    vmpl: int
    sig_algo: int
    current_tcb: Tcb
    plat_info: int
    key_info: int
    report_data: bytes
    measurement: bytes
    host_data: bytes
    id_key_digest: bytes
    author_key_digest: bytes
    report_id: bytes
    report_id_ma: bytes
    reported_tcb: Tcb
    cpuid_fam_id: int | None
    cpuid_mod_id: int | None
    cpuid_step: int | None
    chip_id: bytes
    committed_tcb: Tcb
    current: Release
    committed: Release
    launch_tcb: Tcb
    launch_mit_vector: int | None
    current_mit_vector: int | None
    signature_r: bytes
    signature_s: bytes

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read exactly 1184 bytes.

        Raises:
            PeerError: another size, version or processor, or a reserved byte that is not zero.
        """
        if len(raw) != SIZE:
            raise PeerError("report", got=f"{len(raw)} bytes", want=f"{SIZE} bytes", spec=_SPEC)
        for at, zeros in _RESERVED:
            if not raw.startswith(zeros, at):
                raise _not_zero(f"reserved bytes at {at:#05x}", raw[at : at + len(zeros)])
        values: list[Any] = [*_STRUCT.unpack(raw)]
        version = require_version(values[0])
        for index, part in _AT_LATER:
            if version < part.since:
                if values[index]:
                    raise _not_zero(f"{part.name} in version {version}", values[index])
                values[index] = None
        layout = tcb_layout(*_PROCESSOR(values))
        for index, name in _AT_TCB:
            values[index] = Tcb.parse(values[index], layout, name)
        for index, name in _AT_RELEASE:
            build, minor, major, reserved = values[index]
            if reserved:
                raise _not_zero(f"{name}, reserved byte", reserved)
            values[index] = Release(major, minor, build)
        return cls(*values)

    def encode(self) -> bytes:
        """Write the 1184 bytes.

        Raises:
            PeerError: parts that do not belong together (a TCB of another product for instance),
                or a value too large for its field.
        """
        return pack(_VALUES(self))

    @property
    def layout(self) -> TcbLayout:
        """The order of its TCB words.

        Raises:
            PeerError: nobody knows its processor.
        """
        return tcb_layout(self.version, self.cpuid_fam_id, self.cpuid_mod_id, self.chip_id)

    @property
    def product(self) -> Product | None:
        """The product line that it names; None in version 2, which names none."""
        if self.cpuid_fam_id is None or self.cpuid_mod_id is None:
            return None
        return by_model(self.cpuid_fam_id, self.cpuid_mod_id)


def pack(fields: Iterable[Any]) -> bytes:
    """Write the 1184 bytes of a report from its fields, in the layout's order.

    Raises:
        PeerError: as ``Report.encode``.
    """
    values = [*fields]
    layout = tcb_layout(*_PROCESSOR(values))
    for index, name in _AT_TCB:
        values[index] = values[index].encode(layout, name)
    for index, name in _AT_RELEASE:
        values[index] = values[index].encode(name)
    for index, _ in _AT_LATER:
        values[index] = values[index] or 0
    try:
        return _STRUCT.pack(*values)
    except struct.error as error:
        raise PeerError("report", got=error, want="numbers of 64 bits", spec=_SPEC) from error


def require_version(version: int, least: int = VERSIONS.start) -> int:
    """Give the version back.

    Raises:
        PeerError: it is none that can be read, or older than ``least``.
    """
    if version not in VERSIONS or version < least:
        age = "too old" if version < least else "unexpected"
        raise PeerError(
            "report version",
            got=f"{version}, {age}",
            want=f"{least} to {VERSIONS.stop - 1}",
            spec=_SPEC,
            remedy=_OLD if version in VERSIONS else "",
        )
    return version


def tcb_layout(version: int, family: int | None, model: int | None, chip_id: bytes) -> TcbLayout:
    """Give the order of TCB words.

    Raises:
        PeerError: nobody knows the processor.
    """
    if version < OLDEST_WITH_MODEL:
        # A hidden chip id (all zeros) tells nothing; if the order of Milan is wrong for it, the
        # certificate's product or a reserved byte says so.
        short = not any(chip_id[8:]) and any(chip_id)
        return TcbLayout.TURIN if short else TcbLayout.MILAN
    product = None if family is None or model is None else by_model(family, model)
    if product is None:
        raise PeerError(
            "processor of the report",
            got=f"family {family}, model {model}",
            want="Milan, Genoa, Turin or Venice",
            spec=_SPEC,
        )
    return product.layout


def _not_zero(where: str, value: object) -> PeerError:
    shown = value.hex() if isinstance(value, bytes) else value
    return PeerError(where, got=shown, want="zeros", spec=_SPEC)
