"""What a unified kernel image's measurement depends on: its hash, and its sections' contents."""

from typing import Final, Self

import msgspec

from casemate.errors import InputError
from casemate.tee.vtpm.portable_executable import PortableExecutable

STUB_SECTIONS: Final = (".linux", ".osrel", ".cmdline", ".initrd", ".splash", ".dtb", ".pcrpkey")
"""Sections in the order systemd-stub 252 measures them into PCR 11; ``.pcrsig`` is left out."""


class UkiFacts(msgspec.Struct, frozen=True):
    """Everything of a UKI that reaches a PCR."""

    authenticode: bytes
    kernel_authenticode: bytes
    sections: tuple[tuple[str, bytes], ...]
    """Measured sections present, in the stub's order: name with its dot, content."""

    @classmethod
    def parse(cls, uki: bytes) -> Self:
        """Read a UKI.

        Raises:
            InputError: no PE image, or no kernel or command line in it.
        """
        image = PortableExecutable.parse(uki)
        found = [(name, image.section(name)) for name in STUB_SECTIONS]
        sections = tuple((name, data) for name, data in found if data is not None)
        names = dict(sections)
        if ".linux" not in names or ".cmdline" not in names:
            raise InputError("UKI", got=sorted(names), want=".linux and .cmdline")
        kernel = PortableExecutable.parse(names[".linux"])
        return cls(image.authenticode(), kernel.authenticode(), sections)

    def section(self, name: str) -> bytes:
        """Give a measured section's content; empty when there is none."""
        return dict(self.sections).get(name, b"")

    @property
    def command_line(self) -> str:
        """The kernel's command line as embedded."""
        return self.section(".cmdline").rstrip(b"\0").decode(errors="replace")
