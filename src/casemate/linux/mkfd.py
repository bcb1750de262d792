"""``/dev/mkfd``: reports of Hygon's accelerators (tee §11), little-endian."""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from casemate.errors import HostError
from casemate.linux.device import CharacterDevice, Memory, Open, Opened, iowr

DEVICE: Final = Path("/dev/mkfd")
NODES: Final = Path("/sys/devices/virtual/kfd/kfd/topology/nodes")
REQUEST: Final = struct.Struct("<III4xQQQQQ")
"""DCU, command, version; request: address, size; answer: address, size; error of the firmware."""
GET_REPORT: Final = iowr("M", 0x17, REQUEST.size)
PAGE: Final = 4096
ANSWER_HEAD: Final = struct.Struct("<I28x")  # size of the report
REPORT_SIZE: Final = 396
MOST_DEVICES: Final = 64

_VERSION: Final = 1
_SPEC: Final = "tee §11"


class Mkfd:
    """The accelerators of this machine."""

    def __init__(
        self, path: Path = DEVICE, nodes: Path = NODES, *, open_device: Open = CharacterDevice
    ) -> None:
        self._path = path
        self._nodes = nodes
        self._open = open_device

    def devices(self) -> tuple[int, ...]:
        """List accelerators by the driver's number, in the order of the topology.

        A node that is a processor has number 0, and is left out.
        """
        return tuple(self._numbers())[:MOST_DEVICES]

    def report(self, device: int, user_data: bytes) -> bytes:
        """Ask one accelerator for its report (396 bytes), bound to 64 bytes.

        Raises:
            HostError: the device is gone or refuses.
        """
        request, answer = Memory(user_data.ljust(PAGE, b"\0")), Memory.zeros(PAGE)
        argument = bytearray(
            REQUEST.pack(device, 0, _VERSION, request.address, PAGE, answer.address, PAGE, 0)
        )
        with Opened(self._open(self._path)) as opened:
            try:
                opened.ioctl(GET_REPORT, argument)
            except OSError as error:
                firmware = REQUEST.unpack(argument)[-1]
                raise HostError(
                    f"{self._path}, DCU {device}",
                    got=f"{error.strerror or error}, firmware error {firmware:#x}",
                    want="a report",
                    spec=_SPEC,
                ) from error
        (size,) = ANSWER_HEAD.unpack_from(answer.read())
        firmware = REQUEST.unpack(argument)[-1]
        if size != REPORT_SIZE or firmware:
            raise HostError(
                f"{self._path}, DCU {device}",
                got=f"{size} bytes, firmware error {firmware:#x}",
                want=f"a report of {REPORT_SIZE} bytes",
                spec=_SPEC,
            )
        return answer.read()[ANSWER_HEAD.size : ANSWER_HEAD.size + REPORT_SIZE]

    def _numbers(self) -> Iterator[int]:
        try:
            nodes = sorted(self._nodes.iterdir(), key=lambda node: (len(node.name), node.name))
        except OSError:  # no driver, no accelerators
            return
        for node in nodes:
            try:
                number = int((node / "gpu_id").read_text(encoding="ascii"))
            except (OSError, ValueError):  # a node that shows none is no accelerator
                continue
            if number:
                yield number
