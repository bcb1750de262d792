"""NVIDIA's management library: reports of GPUs in confidential mode (nvml.h; tee §13)."""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from casemate.errors import HostError
from casemate.linux import shared_library

Library = ctypes.CDLL
LIBRARIES: Final = ("libnvidia-ml.so.1",)
NONCE_SIZE: Final = 32
LARGEST_REPORT: Final = 0x2000
LARGEST_CHAIN: Final = 0x1400
MOST_GPUS: Final = 64
ARCHITECTURES: Final = {9: "HOPPER", 10: "BLACKWELL"}
"""Those that can attest, by NVML's number."""

_SUCCESS: Final = 0
_UUID_SIZE: Final = 96
_FEATURE_ON: Final = 1
_SPEC: Final = "tee §13"
_REMEDY: Final = "needs NVIDIA's driver, 535 or later, in this guest"


class _State(ctypes.Structure):
    _fields_ = (
        ("environment", ctypes.c_uint),
        ("feature", ctypes.c_uint),
        ("developer_tools", ctypes.c_uint),
    )


class _Report(ctypes.Structure):
    _fields_ = (
        ("has_cec_report", ctypes.c_uint),
        ("size", ctypes.c_uint),
        ("cec_size", ctypes.c_uint),
        ("nonce", ctypes.c_ubyte * NONCE_SIZE),
        ("report", ctypes.c_ubyte * LARGEST_REPORT),
        ("cec_report", ctypes.c_ubyte * 0x1000),
    )


class _Certificates(ctypes.Structure):
    _fields_ = (
        ("identity_size", ctypes.c_uint),
        ("size", ctypes.c_uint),
        ("identity", ctypes.c_ubyte * 0x1000),
        ("chain", ctypes.c_ubyte * LARGEST_CHAIN),
    )


class Gpu:
    """One GPU, while the library is open."""

    def __init__(self, library: Library, handle: ctypes.c_void_p) -> None:
        self._library = library
        self._handle = handle

    @property
    def architecture(self) -> str | None:
        """``HOPPER``, ``BLACKWELL``; None for one that cannot attest.

        Raises:
            HostError: the driver refuses.
        """
        found = ctypes.c_uint()
        _call(self._library, "nvmlDeviceGetArchitecture", self._handle, ctypes.byref(found))
        return ARCHITECTURES.get(found.value)

    @property
    def uuid(self) -> str:
        """The driver's name for it.

        Raises:
            HostError: the driver refuses.
        """
        text = ctypes.create_string_buffer(_UUID_SIZE)
        _call(self._library, "nvmlDeviceGetUUID", self._handle, text, ctypes.c_uint(_UUID_SIZE))
        return text.value.decode("ascii", "replace")

    def report(self, nonce: bytes) -> bytes:
        """Ask for a report bound to 32 bytes.

        Raises:
            HostError: the driver refuses, or the GPU is not in confidential mode.
        """
        found = _Report()
        found.nonce[:] = nonce
        name = "nvmlDeviceGetConfComputeGpuAttestationReport"
        _call(self._library, name, self._handle, ctypes.byref(found))
        return _cut(found.report, found.size, name)

    def certificates(self) -> bytes:
        """Give the chain of the key that signs reports, PEM.

        Raises:
            HostError: the driver refuses.
        """
        found = _Certificates()
        name = "nvmlDeviceGetConfComputeGpuCertificate"
        _call(self._library, name, self._handle, ctypes.byref(found))
        return _cut(found.chain, found.size, name)


class Nvml:
    """The open library."""

    def __init__(self, library: Library) -> None:
        self._library = library

    @property
    def confidential(self) -> bool:
        """Whether the driver runs its GPUs in confidential mode.

        Raises:
            HostError: it refuses to say.
        """
        state = _State()
        _call(self._library, "nvmlSystemGetConfComputeState", ctypes.byref(state))
        return bool(state.feature == _FEATURE_ON)

    def gpus(self) -> tuple[Gpu, ...]:
        """List the GPUs, at most 64.

        Raises:
            HostError: the driver refuses.
        """
        count = ctypes.c_uint()
        _call(self._library, "nvmlDeviceGetCount_v2", ctypes.byref(count))
        return tuple(self._gpu(index) for index in range(min(count.value, MOST_GPUS)))

    def _gpu(self, index: int) -> Gpu:
        handle = ctypes.c_void_p()
        name = "nvmlDeviceGetHandleByIndex_v2"
        _call(self._library, name, ctypes.c_uint(index), ctypes.byref(handle))
        return Gpu(self._library, handle)


@contextmanager
def opened(library: Library | None = None) -> Iterator[Nvml]:
    """Open the library, the machine's unless one is given.

    Raises:
        HostError: it is not there, or finds no driver.
    """
    loaded = library or shared_library.load(LIBRARIES, remedy=_REMEDY)
    _call(loaded, "nvmlInit_v2")
    try:
        yield Nvml(loaded)
    finally:
        loaded.nvmlShutdown()


def _call(library: Library, name: str, *arguments: object) -> None:
    try:
        function = getattr(library, name)
    except AttributeError as error:
        raise HostError(
            "NVML", got=f"no {name}", want="a newer driver", spec=_SPEC, remedy=_REMEDY
        ) from error
    code = function(*arguments)
    if code != _SUCCESS:
        raise HostError(
            f"NVML {name}", got=f"error {code}", want="success", spec=_SPEC, remedy=_REMEDY
        )


def _cut(content: ctypes.Array[ctypes.c_ubyte], size: int, name: str) -> bytes:
    if not 0 < size <= len(content):
        raise HostError(f"NVML {name}", got=f"{size} bytes", want=f"1 to {len(content)} bytes")
    return bytes(content[:size])
