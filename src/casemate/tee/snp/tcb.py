"""TCB words: security patch levels of the firmware, eight bytes in an order of the product."""

from typing import Final, Self

import msgspec

from casemate.errors import PeerError
from casemate.tee.snp.product import TcbLayout

_SPEC: Final = "tee §3.2"
_ORDER: Final = {
    TcbLayout.MILAN: ("bootloader", "tee", None, None, None, None, "snp", "microcode"),
    TcbLayout.TURIN: ("fmc", "bootloader", "tee", "snp", None, None, None, "microcode"),
}


class Tcb(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Patch levels of a platform, each 0 to 255; the JSON form of tee §3.1."""

    fmc: int | None = None
    """Only Turin and later have this part."""
    bootloader: int
    tee: int
    snp: int
    microcode: int

    @classmethod
    def parse(cls, word: bytes, layout: TcbLayout, where: str) -> Self:
        """Read a word of 8 bytes.

        Raises:
            PeerError: a reserved byte is not zero.
        """
        if layout is TcbLayout.MILAN:
            bootloader, tee, zero, zero1, zero2, zero3, snp, microcode = word
            fmc, reserved = None, zero | zero1 | zero2 | zero3
        else:
            fmc, bootloader, tee, snp, zero, zero1, zero2, microcode = word
            reserved = zero | zero1 | zero2
        if reserved:
            raise PeerError(
                f"{where}, reserved bytes", got=word.hex(), want=f"zeros as in {layout}", spec=_SPEC
            )
        return cls(fmc=fmc, bootloader=bootloader, tee=tee, snp=snp, microcode=microcode)

    def encode(self, layout: TcbLayout, where: str) -> bytes:
        """Write the word, 8 bytes.

        Raises:
            PeerError: a part is missing, is one that the product does not have, or is no byte.
        """
        fmc = self.fmc
        if (fmc is None) is (layout is TcbLayout.TURIN):
            raise PeerError(f"{where}.fmc", got=fmc, want=f"as in {layout}", spec=_SPEC)
        try:
            if fmc is None:
                return bytes((self.bootloader, self.tee, 0, 0, 0, 0, self.snp, self.microcode))
            return bytes((fmc, self.bootloader, self.tee, self.snp, 0, 0, 0, self.microcode))
        except ValueError as error:
            raise PeerError(where, got=self, want="levels of 0 to 255", spec=_SPEC) from error

    @property
    def parts(self) -> dict[str, int]:
        """Name → level of the parts that this platform has."""
        own = {
            "bootloader": self.bootloader,
            "tee": self.tee,
            "snp": self.snp,
            "microcode": self.microcode,
        }
        return own if self.fmc is None else {"fmc": self.fmc, **own}

    def __str__(self) -> str:
        return ", ".join(f"{name} {level}" for name, level in self.parts.items())


def part_at(layout: TcbLayout, index: int) -> str | None:
    """Name the part that a byte of the word holds; None where it is reserved."""
    return _ORDER[layout][index]
