"""Quotes of an enclave by its library OS: Gramine's files, Occlum's device (tee §4.7)."""

import struct
from pathlib import Path
from typing import Final

from casemate.errors import HostError
from casemate.linux.device import CharacterDevice, Memory, Open, Opened, ior, iowr

GRAMINE: Final = Path("/dev/attestation")
OCCLUM: Final = Path("/dev/sgx")
REPORT_DATA_SIZE: Final = 64
LARGEST_QUOTE: Final = 64 << 10
QUOTE_SIZE: Final = ior("s", 7, 4)
QUOTE: Final = struct.Struct("<QQQ")  # addresses of report data, of the quote's size, of the quote
MAKE_QUOTE: Final = iowr("s", 8, QUOTE.size)

_SPEC: Final = "tee §4.7"
_SIZE: Final = struct.Struct("<I")


def gramine_quote(report_data: bytes, folder: Path = GRAMINE) -> bytes:
    """Have Gramine make a quote bound to 64 bytes.

    Raises:
        HostError: its files are not there, or no quote comes.
    """
    try:
        (folder / "user_report_data").write_bytes(report_data)
        with (folder / "quote").open("rb") as file:
            quote = file.read(LARGEST_QUOTE)
    except OSError as error:
        raise HostError(
            str(folder),
            got=error.strerror or error,
            want="a quote",
            spec=_SPEC,
            remedy="the manifest needs sgx.remote_attestation = 'dcap', the host a running AESM",
        ) from error
    if not quote:
        raise HostError(str(folder), got="an empty quote", want="a quote", spec=_SPEC)
    return quote


def occlum_quote(
    report_data: bytes, path: Path = OCCLUM, *, open_device: Open = CharacterDevice
) -> bytes:
    """Have Occlum make a quote bound to 64 bytes.

    Raises:
        HostError: its device is not there, or refuses.
    """
    with Opened(open_device(path)) as device:
        try:
            wanted = bytearray(_SIZE.size)
            device.ioctl(QUOTE_SIZE, wanted)
            (room,) = _SIZE.unpack(wanted)
            if not 0 < room <= LARGEST_QUOTE:
                raise HostError(str(path), got=f"a quote of {room} bytes", want="at most 64 KiB")
            data, size, quote = Memory(report_data), Memory(bytes(wanted)), Memory.zeros(room)
            argument = bytearray(QUOTE.pack(data.address, size.address, quote.address))
            device.ioctl(MAKE_QUOTE, argument)
        except OSError as error:
            raise HostError(
                str(path), got=error.strerror or error, want="a quote", spec=_SPEC
            ) from error
    return quote.read(_SIZE.unpack(size.read())[0])
