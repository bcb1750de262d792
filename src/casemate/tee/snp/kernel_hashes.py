"""Hashes of kernel, initrd and command line, as QEMU puts them into a measured page.

A table of GUIDs with SHA-256 each; OVMF compares them with what the VMM hands it later, so the
launch digest covers files that are not in memory yet (QEMU, target/i386/sev.c).
"""

import hashlib
from typing import Final
from uuid import UUID

import msgspec

from casemate.errors import InputError

PAGE: Final = 4096

_TABLE: Final = UUID("9438d606-4f22-4cc9-b479-a793d411fd21")
_KERNEL: Final = UUID("4de79437-abd2-427f-b835-d5b172d2045b")
_INITRD: Final = UUID("44baf731-3a2f-4bd7-9af1-41e29169781d")
_COMMAND_LINE: Final = UUID("97d02dd8-bd20-4c94-aa78-e7714d36ab2a")
_HEAD: Final = 18
"""GUID and size, bytes."""
_ALIGNMENT: Final = 16


class Kernel(msgspec.Struct, frozen=True):
    """What a VMM starts directly, as files and text."""

    kernel: bytes
    initrd: bytes = b""
    command_line: str = ""

    def table(self) -> bytes:
        """Write the table: the entries in QEMU's order, padded to 16 bytes."""
        entries = b"".join(
            _entry(guid, hashlib.sha256(content).digest())
            for guid, content in (
                (_COMMAND_LINE, self.command_line.encode() + b"\0"),
                (_INITRD, self.initrd),
                (_KERNEL, self.kernel),
            )
        )
        whole = _entry(_TABLE, entries)
        return whole.ljust(-(-len(whole) // _ALIGNMENT) * _ALIGNMENT, b"\0")

    def page(self, address: int) -> bytes:
        """Write the page that holds the table at this address, zeros around it.

        Raises:
            InputError: the table would leave the page.
        """
        offset, table = address % PAGE, self.table()
        if offset + len(table) > PAGE:
            raise InputError("table of hashes", got=f"offset {offset}", want="within its page")
        return (bytes(offset) + table).ljust(PAGE, b"\0")


def _entry(guid: UUID, content: bytes) -> bytes:
    return guid.bytes_le + (_HEAD + len(content)).to_bytes(2, "little") + content
