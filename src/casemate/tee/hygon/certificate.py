"""Hygon's certificates (tee §10): of authorities (HRK, HSK) and of CSV (CEK, PEK), binary.

They hold no dates and no serial number; what they say is who may sign what. Reserved bytes are
kept as they are, since signatures cover them.
"""

from enum import IntEnum
from typing import Final, Self

import msgspec

from casemate.crypto.sm2 import PublicKey, Signature
from casemate.errors import PeerError
from casemate.tee.hygon.form import Form, big, data, number

SM2_CURVE: Final = 3
SM2_SIGNATURE: Final = 4
"""Number of the algorithm: SM2 with SM3."""
VERSIONS: Final = frozenset({1, 2})
"""Versions of a certificate whose form is known."""
_SPEC: Final = "tee §10"
_LONGEST_UID: Final = 254


class Usage(IntEnum):
    """What a key is for."""

    HRK = 0
    HSK = 0x13
    INVALID = 0x1000
    OCA = 0x1001
    PEK = 0x1002
    CEK = 0x1004


CA_FORM: Final = Form(
    "Hygon authority certificate",
    number("version", 4, "version of the form"),
    data("kid", 16, "identifier of this key"),
    data("sid", 16, "identifier of the key that signed it"),
    number("usage", 4, "0 HRK (root), 0x13 HSK (signs chips)"),
    data("reserved", 24, "signed"),
    number("curve", 4, "3: SM2, 256 bits"),
    big("x", "coordinate of the key"),
    big("y", "coordinate of the key"),
    number("uid_size", 2, "bytes of the identity that count"),
    data("uid", _LONGEST_UID, "identity, part of what its own signatures cover"),
    data("reserved2", 108, "signed"),
    big("r", "signature over all before"),
    big("s", "signature"),
    data("reserved3", 112, "not signed"),
)
CSV_FORM: Final = Form(
    "Hygon CSV certificate",
    number("version", 4, "version of the form"),
    number("major", 1, "version of the firmware"),
    number("minor", 1, "version of the firmware"),
    number("reserved", 2, "signed"),
    number("usage", 4, "0x1004 CEK (chip), 0x1002 PEK (signs reports)"),
    number("algorithm", 4, "4: SM2 with SM3"),
    number("curve", 4, "3: SM2, 256 bits"),
    big("x", "coordinate of the key"),
    big("y", "coordinate of the key"),
    number("uid_size", 2, "bytes of the identity that count"),
    data("uid", _LONGEST_UID, "identity, part of what its own signatures cover"),
    data("sid", 16, "identifier of the key that signed it"),
    data("reserved2", 608, "signed"),
    number("usage1", 4, "whose signature the first one is"),
    number("algorithm1", 4, "4: SM2 with SM3"),
    big("r1", "first signature, over all before the first"),
    big("s1", "first signature"),
    data("reserved3", 368, "not signed"),
    number("usage2", 4, "whose signature the second one is; 0x1000 none"),
    number("algorithm2", 4, "4: SM2 with SM3"),
    big("r2", "second signature, over the same"),
    big("s2", "second signature"),
    data("reserved4", 368, "not signed"),
)
CA_SIZE: Final = CA_FORM.size
CSV_SIZE: Final = CSV_FORM.size
CA_SIGNED: Final = CA_FORM.offsets["r"]
CSV_SIGNED: Final = CSV_FORM.offsets["usage1"]


class CaCertificate(msgspec.Struct, frozen=True, kw_only=True):
    """Certificate of an authority: HRK or HSK."""

    raw: bytes
    """832 bytes."""
    version: int
    kid: bytes
    sid: bytes
    usage: int
    curve: int
    x: int
    y: int
    uid: bytes
    """Identity of this key's owner, as long as it says."""
    signature: Signature

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read 832 bytes.

        Raises:
            PeerError: another size, or an identity longer than its field.
        """
        values = CA_FORM.parse(raw)
        return cls(
            raw=raw,
            version=values["version"],
            kid=values["kid"],
            sid=values["sid"],
            usage=values["usage"],
            curve=values["curve"],
            x=values["x"],
            y=values["y"],
            uid=_uid(values["uid"], values["uid_size"], CA_FORM.title),
            signature=Signature(values["r"], values["s"]),
        )

    @property
    def signed(self) -> bytes:
        """What its signature covers: 576 bytes."""
        return self.raw[:CA_SIGNED]

    @property
    def key(self) -> PublicKey:
        """The key; PeerError when it is no point of the curve."""
        return PublicKey(self.x, self.y)


class Slot(msgspec.Struct, frozen=True):
    """One of a CSV certificate's two signatures."""

    usage: int
    """Whose it is."""
    algorithm: int
    signature: Signature


class CsvCertificate(msgspec.Struct, frozen=True, kw_only=True):
    """Certificate of a chip or of its platform: CEK or PEK."""

    raw: bytes
    """2084 bytes."""
    version: int
    usage: int
    algorithm: int
    curve: int
    x: int
    y: int
    uid: bytes
    """Identity of this key's owner, as long as it says."""
    sid: bytes
    slots: tuple[Slot, Slot]

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read 2084 bytes.

        Raises:
            PeerError: another size, or an identity longer than its field.
        """
        values = CSV_FORM.parse(raw)
        return cls(
            raw=raw,
            version=values["version"],
            usage=values["usage"],
            algorithm=values["algorithm"],
            curve=values["curve"],
            x=values["x"],
            y=values["y"],
            uid=_uid(values["uid"], values["uid_size"], CSV_FORM.title),
            sid=values["sid"],
            slots=(
                Slot(values["usage1"], values["algorithm1"], Signature(values["r1"], values["s1"])),
                Slot(values["usage2"], values["algorithm2"], Signature(values["r2"], values["s2"])),
            ),
        )

    @property
    def signed(self) -> bytes:
        """What both of its signatures cover: 1044 bytes."""
        return self.raw[:CSV_SIGNED]

    @property
    def key(self) -> PublicKey:
        """The key; PeerError when it is no point of the curve."""
        return PublicKey(self.x, self.y)


def _uid(field: bytes, size: int, where: str) -> bytes:
    if size > _LONGEST_UID:
        raise PeerError(
            where, got=f"an identity of {size} bytes", want=f"at most {_LONGEST_UID}", spec=_SPEC
        )
    return field[:size]
