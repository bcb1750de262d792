"""Requests as policies see them: JSON as serde prints upstream's generated structs (§12).

Every field is present; a message that is not set is null; ``type`` is called ``type_``; enums are
numbers and bytes are lists of numbers.
"""

import stat
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from google.protobuf.message import Message

from casemate.wire.pb import agent_pb2

_RENAMED: Final = MappingProxyType({"type": "type_"})
_KINDS: Final = MappingProxyType(
    {stat.S_IFREG: "Regular", stat.S_IFDIR: "Directory", stat.S_IFLNK: "Symlink"}
)
_COPIED: Final = ("path", "file_size", "file_mode", "dir_mode", "uid", "gid", "offset")


def render(request: Message) -> dict[str, Any]:
    """Give the ``input`` of a policy for a request."""
    if isinstance(request, agent_pb2.CopyFileRequest):
        return _copy_file(request)
    return _message(request)


def _message(message: Message) -> dict[str, Any]:
    fields = {}
    for field in message.DESCRIPTOR.fields:
        oneof = field.containing_oneof
        if oneof is None or oneof.name.startswith("_"):
            fields[_RENAMED.get(field.name, field.name)] = _field(message, field)
    for oneof in message.DESCRIPTOR.oneofs:
        if not oneof.name.startswith("_"):
            chosen = message.WhichOneof(oneof.name)
            fields[oneof.name] = None if chosen is None else {chosen: getattr(message, chosen)}
    return fields


def _field(message: Message, field: Any) -> Any:
    if field.has_presence and not message.HasField(field.name):
        return None
    value = getattr(message, field.name)
    if isinstance(value, Mapping):  # to ask for the field's options loads the messages of protobuf
        return {key: _value(item) for key, item in value.items()}
    if field.is_repeated:
        return [_value(item) for item in value]
    return _value(value)


def _value(value: Any) -> Any:
    if isinstance(value, Message):
        return _message(value)
    return list(value) if isinstance(value, bytes) else value


def _copy_file(request: agent_pb2.CopyFileRequest) -> dict[str, Any]:
    """The one request that policies see in another form: without its data."""
    kind = _KINDS.get(stat.S_IFMT(request.file_mode), "Unknown")
    target = request.data.decode(errors="replace") if kind == "Symlink" else ""
    plain = {name: getattr(request, name) for name in _COPIED}
    return {**plain, "file_type": kind, "symlink_target": target}
