"""Bytes that must not be seen: a type whose every textual form says nothing."""

from typing import Final, NoReturn, Self, final

_HIDDEN: Final = "Secret(…)"


@final
class Secret:
    """Key or secret bytes. ``reveal`` is the only way out, and easy to grep for.

    Equality is constant-time; hashing, pickling and copying into logs are refused or say nothing.
    ``wipe`` overwrites our copy (the interpreter may hold others: a courtesy, not a guarantee).
    """

    __slots__ = ("_bytes",)
    __hash__ = None  # type: ignore[assignment]  # a secret is no dictionary key

    def __init__(self, value: bytes | bytearray) -> None:
        self._bytes = bytearray(value)

    def reveal(self) -> bytes:
        """Give the bytes themselves."""
        return bytes(self._bytes)

    def wipe(self) -> None:
        """Overwrite our copy with zeros and empty it."""
        for i in range(len(self._bytes)):
            self._bytes[i] = 0
        self._bytes.clear()

    def __len__(self) -> int:
        return len(self._bytes)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        import hmac  # loads OpenSSL, which who only carries a key has no need of

        return hmac.compare_digest(self._bytes, other._bytes)

    def __repr__(self) -> str:
        return _HIDDEN

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return _HIDDEN

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is not pickled")

    def __copy__(self) -> Self:
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.wipe()
