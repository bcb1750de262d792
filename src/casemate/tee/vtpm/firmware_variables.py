"""UEFI variables at launch: the store in ``OVMF_VARS*.fd``, and how variables are measured.

Store: edk2's authenticated variable format; events: TCG PFP 1.05 section 10.2.6.
"""

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from casemate.errors import InputError

GLOBAL: Final = bytes.fromhex("61dfe48bca93d211aa0d00e098032b8c")
"""EFI_GLOBAL_VARIABLE, file order."""
IMAGE_SECURITY: Final = bytes.fromhex("cbb219d73a3d9645a3bcdad00e67656f")
"""EFI_IMAGE_SECURITY_DATABASE_GUID, file order."""

_KEYS: Final = (
    (GLOBAL, "PK"),
    (GLOBAL, "KEK"),
    (IMAGE_SECURITY, "db"),
    (IMAGE_SECURITY, "dbx"),
)
_STORE: Final = bytes.fromhex("782cf3aa7b949a43a1802e144ec37792")  # gEfiAuthenticatedVariableGuid
_STORE_HEAD: Final = 28
_START: Final = 0x55AA
_VARIABLE_HEAD: Final = 60
_ADDED: Final = 0x3F
_LARGEST_STORE: Final = 4 * 1024 * 1024


class Variable(msgspec.Struct, frozen=True):
    """A variable: vendor GUID in file order, name, value."""

    vendor: bytes
    name: str
    value: bytes

    def measured(self) -> bytes:
        """Give UEFI_VARIABLE_DATA, the bytes hashed for driver configuration events."""
        name = self.name.encode("utf-16-le")
        sizes = (len(name) // 2).to_bytes(8, "little") + len(self.value).to_bytes(8, "little")
        return self.vendor + sizes + name + self.value


def measured_for_secure_boot(variables: Iterable[Variable], *, state: bytes) -> Iterator[Variable]:
    """Give the five variables that firmware measures for Secure Boot, in its order.

    Args:
        variables: what the store holds; one that is not among them is measured empty.
        state: value of ``SecureBoot``; a firmware that cannot do it has none.

    Raises:
        InputError: a platform key is enrolled: what follows from that is not predicted.
    """
    found = {(one.vendor, one.name): one.value for one in variables}
    if (GLOBAL, "PK") in found:
        raise InputError(
            "firmware variables",
            got="an enrolled platform key",
            want="a store without one: Secure Boot is not predicted",
        )
    yield Variable(GLOBAL, "SecureBoot", state)
    for vendor, name in _KEYS:
        yield Variable(vendor, name, found.get((vendor, name), b""))


def parse_store(raw: bytes) -> tuple[Variable, ...]:
    """Read the live variables of a store.

    Raises:
        InputError: no store of this kind, or one that is broken.
    """
    if len(raw) > _LARGEST_STORE:
        raise _error(f"{len(raw)} bytes", f"at most {_LARGEST_STORE}")
    head = _number(raw, 48, 2)
    if raw[40:44] != b"_FVH" or raw[head : head + 16] != _STORE:
        raise _error("no variable store", "OVMF_VARS*.fd")
    return tuple(_variables(raw, head + _STORE_HEAD, head + _number(raw, head + 16, 4)))


def load_option(description: str, path: bytes, attributes: int) -> bytes:
    """Encode an EFI_LOAD_OPTION (UEFI 2.10, 3.1.3) without optional data."""
    sizes = attributes.to_bytes(4, "little") + len(path).to_bytes(2, "little")
    return sizes + description.encode("utf-16-le") + b"\0\0" + path


def firmware_file_path(volume: bytes, file: bytes) -> bytes:
    """Encode the device path of a file in a firmware volume (two GUIDs in file order)."""
    volume_node = b"\x04\x07\x14\x00" + volume
    file_node = b"\x04\x06\x14\x00" + file
    return volume_node + file_node + b"\x7f\xff\x04\x00"


def _variables(raw: bytes, at: int, end: int) -> Iterator[Variable]:
    while at + _VARIABLE_HEAD <= min(end, len(raw)) and _number(raw, at, 2) == _START:
        name_size, data_size = _number(raw, at + 36, 4), _number(raw, at + 40, 4)
        name_at = at + _VARIABLE_HEAD
        data_at = name_at + name_size
        if data_at + data_size > min(end, len(raw)):
            raise _error(f"variable past the end at {at:#x}", "variables that fit")
        if raw[at + 2] == _ADDED:
            name = raw[name_at:data_at].decode("utf-16-le", errors="replace").rstrip("\0")
            yield Variable(raw[at + 44 : at + 60], name, raw[data_at : data_at + data_size])
        at = -(-(data_at + data_size) // 4) * 4


def _number(raw: bytes, at: int, size: int) -> int:
    return int.from_bytes(raw[at : at + size], "little")


def _error(got: str, want: str) -> InputError:
    return InputError("firmware variables", got=got, want=want, spec="edk2 variable store")
