"""What the pod's agent asks of its vault, and the answers: one JSON document in each frame.

Both ends are ours and of one image, so this form is nobody's standard. A frame is its length (4
bytes, big-endian) and a JSON text of at most 1 MiB. It is not ttrpc, which the two speak with
others: the vault would load protobuf before it pulls anything (docs/decisions/0018).
"""

from typing import Final, TypeAlias, TypeVar

import msgspec

from casemate.errors import (
    MALFORMED_JSON,
    CasemateError,
    HostError,
    InputError,
    PeerError,
    Refusal,
    VerificationError,
)

LARGEST: Final = 1 << 20
"""Bytes of one frame, without its length."""

_LENGTH: Final = 4
_LONGEST_TEXT: Final = 4096
_WHERE: Final = "agent and vault"
_KINDS: Final[dict[str, type[CasemateError]]] = {
    "input": InputError,
    "peer": PeerError,
    "host": HostError,
}


class PullImage(msgspec.Struct, frozen=True, tag="pull"):
    """Pull ``image`` into the folder ``bundle``."""

    image: str
    bundle: str


class DropImage(msgspec.Struct, frozen=True, tag="drop"):
    """Delete the tree of ``bundle``; a pull into it that goes on is given up first."""

    bundle: str


class ServeContainers(msgspec.Struct, frozen=True, tag="serve"):
    """Listen on all sockets that a container may use."""


Order: TypeAlias = PullImage | DropImage | ServeContainers


class Call(msgspec.Struct, frozen=True):
    """An order with the number that its answer will have."""

    number: int
    order: Order


class Failure(msgspec.Struct, frozen=True):
    """An error of ours, member by member; ``refusal`` alone counts where there is one."""

    kind: str
    where: str = ""
    got: str = ""
    want: str = ""
    spec: str = ""
    remedy: str = ""
    refusal: Refusal | None = None

    def error(self) -> CasemateError:
        """Give the error anew; of a kind that we do not know, a HostError."""
        if self.refusal is not None:
            return VerificationError(self.refusal)
        kind = _KINDS.get(self.kind, HostError)
        return kind(self.where, got=self.got, want=self.want, spec=self.spec, remedy=self.remedy)


class Answer(msgspec.Struct, frozen=True):
    """That the order of ``number`` is carried out, or why it is not."""

    number: int
    failure: Failure | None = None


_Message = TypeVar("_Message", Call, Answer)


def failure(error: CasemateError) -> Failure:
    """Write an error of ours down; one of a subclass as the class of the four that it is of.

    Each text up to 4096 characters, so that any error fits into a frame.
    """
    if isinstance(error, VerificationError):
        told = {name: _told(text) for name, text in msgspec.structs.asdict(error.refusal).items()}
        return Failure("refused", refusal=Refusal(**told))
    kind = next((name for name, of in _KINDS.items() if isinstance(error, of)), "")
    where, got, want, spec, remedy = map(
        _told, (error.where, error.got, error.want, error.spec, error.remedy)
    )
    return Failure(kind, where, got, want, spec, remedy)


def encode(message: Call | Answer) -> bytes:
    """Give the frame.

    Raises:
        InputError: it is larger than 1 MiB.
    """
    text = msgspec.json.encode(message)
    if len(text) > LARGEST:
        raise InputError(_WHERE, got=f"{len(text)} bytes", want=f"at most {LARGEST}")
    return len(text).to_bytes(_LENGTH, "big") + text


class Frames:
    """Cuts what comes into the JSON texts of frames."""

    def __init__(self) -> None:
        self._held = bytearray()

    def receive(self, data: bytes) -> list[bytes]:
        """Take some bytes; gives the texts that are whole by now.

        Raises:
            PeerError: a frame of more than 1 MiB.
        """
        self._held += data
        texts = []
        while len(self._held) >= _LENGTH:
            end = _LENGTH + int.from_bytes(self._held[:_LENGTH], "big")
            if end > _LENGTH + LARGEST:
                raise PeerError(_WHERE, got=f"a frame of {end - _LENGTH} bytes", want="1 MiB")
            if len(self._held) < end:
                break
            texts.append(bytes(self._held[_LENGTH:end]))
            del self._held[:end]
        return texts


def parse_call(text: bytes) -> Call:
    """Read an order.

    Raises:
        PeerError: it is none.
    """
    return _parse(text, Call)


def parse_answer(text: bytes) -> Answer:
    """Read an answer.

    Raises:
        PeerError: it is none.
    """
    return _parse(text, Answer)


def _parse(text: bytes, kind: type[_Message]) -> _Message:
    try:
        return msgspec.json.decode(text, type=kind)
    except MALFORMED_JSON as error:
        raise PeerError(_WHERE, got=error, want=f"a frame with one {kind.__name__}") from error


def _told(text: str) -> str:
    """Cut a text, and make it one that JSON can carry: names in an image may be no Unicode."""
    return text[:_LONGEST_TEXT].encode(errors="replace").decode()
