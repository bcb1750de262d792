"""``/dev/uv``: the Ultravisor of IBM Z (linux ``uapi/asm/uvdevice.h``; tee §12), big-endian."""

import struct
from pathlib import Path
from typing import Final, NamedTuple

from casemate.errors import HostError
from casemate.linux.device import CharacterDevice, Memory, Open, Opened

DEVICE: Final = Path("/dev/uv")
CONTROL_BLOCK: Final = struct.Struct(">IHHQI44x")  # flags, rc, reason, address, size
ATTEST: Final = 0xC0407501
"""The ioctl's number; its argument is a control block of 64 bytes."""
ATTESTATION: Final = struct.Struct(">QQQ256s16sIIIHH")
"""Addresses of request, measurement, additional; user data, configuration's id; sizes of request,
measurement, additional, user data; reserved. 0x138 bytes."""
USER_DATA_SIZE: Final = 256
SUCCESS: Final = 1
LARGEST_REQUEST: Final = 1 << 20
LARGEST_ANSWER: Final = 32 << 10
"""Bytes of measurement and of additional data that the kernel takes at most (0x8000)."""

_SPEC: Final = "tee §12"


class Attestation(NamedTuple):
    """What the Ultravisor answered."""

    measurement: bytes
    additional: bytes
    configuration_id: bytes
    """16 bytes."""


class Uv:
    """The Ultravisor's device."""

    def __init__(self, path: Path = DEVICE, *, open_device: Open = CharacterDevice) -> None:
        self._path = path
        self._open = open_device

    def attest(
        self, request: bytes, user_data: bytes, *, measurement_size: int, additional_size: int
    ) -> Attestation:
        """Have this VM measured for an attestation request control block.

        Raises:
            HostError: the device is gone, or the Ultravisor refuses the request.
        """
        arcb, measurement = Memory(request), Memory.zeros(measurement_size)
        additional = Memory.zeros(additional_size)
        block = Memory(
            ATTESTATION.pack(
                arcb.address,
                measurement.address,
                additional.address if additional.size else 0,
                user_data,
                bytes(16),
                arcb.size,
                measurement.size,
                additional.size,
                len(user_data),
                0,
            )
        )
        self._ask(block)
        answer = ATTESTATION.unpack(block.read())
        return Attestation(
            measurement.read(), additional.read(min(answer[7], additional_size)), answer[4]
        )

    def _ask(self, block: Memory) -> None:
        argument = bytearray(CONTROL_BLOCK.pack(0, 0, 0, block.address, block.size))
        with Opened(self._open(self._path)) as device:
            try:
                device.ioctl(ATTEST, argument)
            except OSError as error:
                raise HostError(
                    str(self._path), got=error.strerror or error, want="a measurement", spec=_SPEC
                ) from error
        _, code, reason, _, _ = CONTROL_BLOCK.unpack(argument)
        if code != SUCCESS:
            raise HostError(
                str(self._path),
                got=f"Ultravisor's code {code:#06x}, reason {reason:#06x}",
                want=f"code {SUCCESS:#06x}",
                spec=_SPEC,
                remedy="the request must be made for this machine's host key",
            )
