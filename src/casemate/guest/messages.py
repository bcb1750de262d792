"""Protobuf messages at the guest's sockets: what cannot be read is the caller's mistake."""

from typing import TypeVar

from google.protobuf.message import DecodeError, Message

from casemate.errors import InputError

_Message = TypeVar("_Message", bound=Message)


def parse(kind: type[_Message], payload: bytes) -> _Message:
    """Read a message of ``kind``.

    Raises:
        InputError: the bytes are no such message.
    """
    message = kind()
    try:
        message.ParseFromString(payload)
    except DecodeError as error:
        raise InputError(kind.__name__, got=str(error), want="a protobuf message") from error
    return message
