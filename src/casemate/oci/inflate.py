"""Decompression in bounded steps: whatever comes in, at most 1 MiB goes out at a time."""

from collections.abc import Iterator
from typing import Final, Protocol, cast

from casemate.errors import PeerError
from casemate.oci.mediatype import Packing

_STEP: Final = 1 << 20
_ZSTD_BITE: Final = 512  # bytes; a zstd block of 4 bytes can mean 128 KiB
_ZSTD_WINDOW: Final = 8 << 20  # bytes; what RFC 8878 asks every decoder to have


class Inflater(Protocol):
    """Packed bytes in, plain pieces out; ``finish`` says whether the stream was whole."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield the plain bytes of ``data``; PeerError when it is not of the format."""
        ...

    def finish(self) -> None:
        """Raise PeerError if the stream ended early."""
        ...


def inflater(packing: Packing) -> Inflater:
    """Make the decompressor for ``packing``."""
    match packing:
        case Packing.GZIP:
            return _Gzip()
        case Packing.ZSTD:
            return _Zstd()
        case Packing.PLAIN:
            return _Plain()


class _Plain:
    def feed(self, data: bytes) -> Iterator[bytes]:
        if data:
            yield data

    def finish(self) -> None:
        """Nothing can be missing."""


class _Gzip:
    """Several members may follow each other; zeros may follow the last."""

    def __init__(self) -> None:
        from isal import igzip_lib

        self._lib = igzip_lib
        self._errors = cast("tuple[type[Exception], ...]", (igzip_lib.IsalError, EOFError))
        self._member = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)
        self._begun = False
        self._between = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        self._begun = self._begun or bool(data)
        while data or not self._member.needs_input:
            if self._between and not (data := data.lstrip(b"\0")):
                return
            self._between = False
            try:
                plain = self._member.decompress(data, _STEP)
            except self._errors as error:
                raise _broken("gzip", error) from error
            data = b""
            if plain:
                yield plain
            if self._member.eof:
                data = self._member.unused_data
                self._member = self._lib.IgzipDecompressor(flag=self._lib.DECOMP_GZIP)
                self._between = True
                if not data:
                    return

    def finish(self) -> None:
        if not self._between or not self._begun:
            raise _broken("gzip", "a stream that ends early")


class _Zstd:
    def __init__(self) -> None:
        import zstandard

        self._error: type[Exception] = zstandard.ZstdError
        self._stream = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW).decompressobj(
            read_across_frames=True
        )

    def feed(self, data: bytes) -> Iterator[bytes]:
        for start in range(0, len(data), _ZSTD_BITE):
            try:
                plain = self._stream.decompress(data[start : start + _ZSTD_BITE])
            except self._error as error:
                raise _broken("zstd", error) from error
            if plain:
                yield plain

    def finish(self) -> None:
        """A frame cut short is found by the digest of the plain bytes."""


def _broken(what: str, why: object) -> PeerError:
    return PeerError(f"{what} layer", got=why, want=f"a whole {what} stream")
