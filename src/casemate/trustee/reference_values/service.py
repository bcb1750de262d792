"""Reference values by name (trustee spec §13): registered by message, asked for by policies."""

import base64
import binascii
import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

import msgspec

from casemate.errors import MALFORMED_JSON, InputError
from casemate.trustee.storage import REFERENCE_VALUES, Storage

_VERSION: Final = "0.1.0"
_LIFETIME: Final = timedelta(days=365)
_TIME: Final = "%Y-%m-%dT%H:%M:%SZ"
_LONGEST_NAME: Final = 512


class Message(msgspec.Struct, frozen=True):
    """A registration; ``payload`` is base64 of what the extractor ``type`` reads (§13.2)."""

    type: Literal["sample"]
    payload: str
    version: str = _VERSION


class Record(msgspec.Struct, frozen=True):
    """A reference value as stored (§13.3)."""

    version: str
    name: str
    expiration: str
    value: Any


class ReferenceValues:
    """Reference values over a storage. ``revision`` changes with every registration."""

    def __init__(self, storage: Storage, *, clock: Callable[[], float]) -> None:
        self._storage = storage
        self._clock = clock
        self.revision = 0

    def register(self, message: bytes) -> tuple[str, ...]:
        """Take a message, over older values; give the names it registered.

        Unlike upstream the values' expiry is heeded: an expired value is no value.

        Raises:
            InputError: not a message of version 0.1.0, or its payload is no JSON object.
        """
        values = _extract(_decode(message))
        ends = datetime.fromtimestamp(self._clock(), UTC) + _LIFETIME
        for name, value in values.items():
            record = Record(_VERSION, name, ends.strftime(_TIME), value)
            self._storage.put(REFERENCE_VALUES, name, msgspec.json.encode(record))
        self.revision += 1
        return tuple(values)

    def query(self, name: str) -> Any:
        """Give a value, or None when there is none that holds."""
        found = self._storage.get(REFERENCE_VALUES, name)
        return None if found is None else self._current(found)

    def delete(self, name: str) -> bool:
        """Remove a value; tell whether there was one."""
        self.revision += 1
        return self._storage.delete(REFERENCE_VALUES, name)

    def all(self) -> Mapping[str, Any]:
        """Give every value that holds, by name."""
        found = self._storage.items(REFERENCE_VALUES)
        values = {name: self._current(text) for name, text in found}
        return {name: value for name, value in values.items() if value is not None}

    def good_until(self) -> float:
        """Give the time (seconds since the epoch) at which ``all`` gives less by itself."""
        now = self._clock()
        ends = [_end(_record(text)) for _, text in self._storage.items(REFERENCE_VALUES)]
        return min((end for end in ends if end > now), default=math.inf)

    def _current(self, text: bytes) -> Any:
        record = _record(text)
        return record.value if _end(record) > self._clock() else None


def _record(text: bytes) -> Record:
    return msgspec.json.decode(text, type=Record)


def _end(record: Record) -> float:
    return datetime.strptime(record.expiration, _TIME).replace(tzinfo=UTC).timestamp()


def _decode(message: bytes) -> Message:
    try:
        decoded = msgspec.json.decode(message, type=Message)
    except MALFORMED_JSON as error:
        raise InputError(
            "reference value message",
            got=error,
            want='{"version":"0.1.0","type":"sample","payload":"<base64>"}',
            spec="trustee spec §13.2",
        ) from error
    if decoded.version != _VERSION:
        raise InputError("reference value version", got=decoded.version, want=_VERSION)
    return decoded


def _extract(message: Message) -> dict[str, Any]:
    try:
        payload = base64.b64decode(message.payload, validate=True)
        values = msgspec.json.decode(payload, type=dict[str, Any])
    except (binascii.Error, *MALFORMED_JSON) as error:
        raise InputError("reference values", got=error, want="base64 of a JSON object") from error
    for name in values:
        if not 0 < len(name) <= _LONGEST_NAME:
            raise InputError("reference value name", got=name, want="1 to 512 characters")
    return values


def encode_message(values: Mapping[str, Any]) -> bytes:
    """Write the message that registers ``values``."""
    payload = base64.b64encode(msgspec.json.encode(dict(values))).decode("ascii")
    return msgspec.json.encode({"version": _VERSION, "type": "sample", "payload": payload})
