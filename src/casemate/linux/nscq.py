"""NVIDIA's switch library: reports of NVSwitches (nscq.h; tee §13).

Values are observed: for a path the library calls back, once for each switch.
"""

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from casemate.errors import HostError
from casemate.linux import shared_library

Library = ctypes.CDLL
LIBRARIES: Final = ("libnvidia-nscq.so.2", "libnvidia-nscq.so.1", "libnvidia-nscq.so")
NONCE_SIZE: Final = 32
LARGEST_REPORT: Final = 0x2000
LARGEST_CHAIN: Final = 0x1400
MOST_SWITCHES: Final = 64
LS10: Final = 2

_MOUNT_DEVICES: Final = 1
_UUIDS: Final = b"/drv/nvswitch/{device}/uuid"
_SPEC: Final = "tee §13"
_REMEDY: Final = "needs NVIDIA's libnvidia-nscq of the driver's own version in this guest"


class _Uuid(ctypes.Structure):
    _fields_ = (("content", ctypes.c_ubyte * 16),)


class _Label(ctypes.Structure):
    _fields_ = (("text", ctypes.c_char * 64),)


class _Session(ctypes.Structure):
    _fields_ = (("code", ctypes.c_int8), ("session", ctypes.c_void_p))


class _Report(ctypes.Structure):
    _fields_ = (("size", ctypes.c_uint32), ("content", ctypes.c_ubyte * LARGEST_REPORT))


class _Certificates(ctypes.Structure):
    _fields_ = (("content", ctypes.c_ubyte * LARGEST_CHAIN), ("size", ctypes.c_uint32))


_UUID = ctypes.POINTER(_Uuid)
_ON_UUID = ctypes.CFUNCTYPE(None, _UUID, ctypes.c_int8, _UUID, ctypes.c_void_p)
_ON_ARCHITECTURE = ctypes.CFUNCTYPE(None, _UUID, ctypes.c_int8, ctypes.c_int8, ctypes.c_void_p)
_ON_REPORT = ctypes.CFUNCTYPE(None, _UUID, ctypes.c_int8, _Report, ctypes.c_void_p)
_ON_CERTIFICATES = ctypes.CFUNCTYPE(None, _UUID, ctypes.c_int8, _Certificates, ctypes.c_void_p)


class Nscq:
    """An open session."""

    def __init__(self, library: Library, session: ctypes.c_void_p) -> None:
        self._library = library
        self._session = session

    def switches(self) -> tuple[str, ...]:
        """List switches by their labels, at most 64.

        Raises:
            HostError: the library refuses.
        """
        found = self._observe(_UUIDS, _ON_UUID, lambda uuid: bytes(uuid.contents.content))
        return tuple(self._label(uuid) for uuid in dict.fromkeys(found[:MOST_SWITCHES]))

    def is_ls10(self, switch: str) -> bool:
        """Say whether it is of the one generation that attests.

        Raises:
            HostError: the library refuses.
        """
        return bool(self._one(switch, b"/id/arch", _ON_ARCHITECTURE, int) == LS10)

    def report(self, switch: str, nonce: bytes) -> bytes:
        """Ask for a report bound to 32 bytes.

        Raises:
            HostError: the library refuses.
        """
        set_input = self._library.nscq_session_set_input
        set_input.restype = ctypes.c_int8
        code = set_input(
            self._session, ctypes.c_uint32(0), ctypes.c_char_p(nonce), ctypes.c_uint32(NONCE_SIZE)
        )
        _require(code, "nscq_session_set_input")
        return bytes(self._one(switch, b"/config/attestation_report", _ON_REPORT, _content))

    def certificates(self, switch: str) -> bytes:
        """Give the chain of the key that signs reports, PEM.

        Raises:
            HostError: the library refuses.
        """
        return bytes(self._one(switch, b"/config/certificate", _ON_CERTIFICATES, _content))

    def _one(self, switch: str, path: bytes, form: Any, read: Callable[[Any], Any]) -> Any:
        whole = b"/" + switch.encode() + path
        found = self._observe(whole, form, read)
        if len(found) != 1:
            raise HostError(
                f"NSCQ {whole.decode()}", got=f"{len(found)} answers", want="one", spec=_SPEC
            )
        return found[0]

    def _observe(self, path: bytes, form: Any, read: Callable[[Any], Any]) -> list[Any]:
        found: list[Any] = []
        codes: list[int] = []

        def observed(_device: Any, code: int, value: Any, _data: Any) -> None:
            """Keep what came; an error raised here would be lost, so none may be."""
            codes.append(code)
            if code >= 0:
                found.append(read(value))

        observe = self._library.nscq_session_path_observe
        observe.restype = ctypes.c_int8
        code = observe(
            self._session, ctypes.c_char_p(path), form(observed), None, ctypes.c_uint32(0)
        )
        for one in (code, *codes):
            _require(one, f"observing {path.decode()}")
        return found

    def _label(self, content: bytes) -> str:
        uuid, label = _Uuid.from_buffer_copy(content), _Label()
        name = self._library.nscq_uuid_to_label
        name.restype = ctypes.c_int8
        code = name(ctypes.byref(uuid), ctypes.byref(label), ctypes.c_uint32(0))
        _require(code, "nscq_uuid_to_label")
        return bytes(label.text).decode("ascii", "replace")


@contextmanager
def opened(library: Library | None = None) -> Iterator[Nscq]:
    """Open a session with the machine's library, unless one is given.

    Raises:
        HostError: it is not there, or finds no driver.
    """
    loaded = library or shared_library.load(LIBRARIES, remedy=_REMEDY)
    create = loaded.nscq_session_create
    create.restype = _Session
    made = create(ctypes.c_uint32(_MOUNT_DEVICES))
    _require(made.code, "nscq_session_create")
    session = ctypes.c_void_p(made.session)
    try:
        yield Nscq(loaded, session)
    finally:
        destroy = loaded.nscq_session_destroy
        destroy.restype = None
        destroy(session)


def _content(value: Any) -> bytes:
    """Cut a report or chain to its size; an impossible size gives nothing, which nobody takes."""
    size = value.size if value.size <= len(value.content) else 0
    return bytes(value.content[:size])


def _require(code: int, what: str) -> None:
    """Refuse errors, which are below zero; above are warnings."""
    if code < 0:
        raise HostError(f"NSCQ {what}", got=f"error {code}", want="success", spec=_SPEC)
