"""Output of a process, always drained; and its input.

Whoever reads gets everything, and holds the process back while slower than it. When nobody reads,
the oldest output goes: a container is never stuck because its host does not look.
"""

import asyncio
import os
from collections import deque
from contextlib import suppress
from typing import Final

CAPACITY: Final = 256 << 10
"""Bytes of output kept for a reader."""

PATIENCE: Final = 5.0
"""Seconds a full buffer waits for its reader before old output is dropped."""

_CHUNK: Final = 32 << 10


class Output:
    """The reading end of a pipe or terminal, with what came out of it and was not yet taken."""

    def __init__(
        self, descriptor: int, *, capacity: int = CAPACITY, patience: float = PATIENCE
    ) -> None:
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor
        self._capacity = capacity
        self._patience = patience
        self._waits = patience
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self._filled = 0
        self._ended = False
        self._changed = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self.dropped = 0
        """Bytes of output that nobody came for."""
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(descriptor, self._fill)

    @property
    def ended(self) -> bool:
        """Whether the last writer has closed its end."""
        return self._ended

    async def read(self, limit: int) -> bytes:
        """Take up to ``limit`` bytes, waiting for some; empty at the end of the stream."""
        while not self._chunks and not self._ended:
            self._changed.clear()
            await self._changed.wait()
        return self._take(max(limit, 1))

    async def finish(self, grace: float) -> None:
        """Let the stream end by itself, or once it has been silent for ``grace`` seconds.

        Its process has ended; what that left behind may hold the other end open for ever.
        """
        while not self._ended:
            before = self._filled
            await asyncio.sleep(grace)
            if self._filled == before and self._timer is None:
                self.close()

    def close(self) -> None:
        """Stop reading; what is buffered can still be taken."""
        if self._ended:
            return
        self._ended = True
        self._cancel_timer()
        self._loop.remove_reader(self._descriptor)
        os.close(self._descriptor)
        self._changed.set()

    def _fill(self) -> None:
        try:
            data = os.read(self._descriptor, _CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""  # EIO: the other side of a terminal is gone
        if not data:
            self.close()
            return
        self._chunks.append(data)
        self._size += len(data)
        self._filled += 1
        self._changed.set()
        if self._size >= self._capacity:
            self._hold()

    def _hold(self) -> None:
        self._loop.remove_reader(self._descriptor)
        self._timer = self._loop.call_later(self._waits, self._drop)

    def _drop(self) -> None:
        self._timer = None
        while self._size > self._capacity // 2:
            lost = self._chunks.popleft()
            self._size -= len(lost)
            self.dropped += len(lost)
        self._waits = 0.0  # nobody reads: do not hold the process back again
        self._loop.add_reader(self._descriptor, self._fill)

    def _take(self, limit: int) -> bytes:
        self._waits = self._patience
        taken = bytearray()
        while self._chunks and len(taken) < limit:
            chunk = self._chunks.popleft()
            room = limit - len(taken)
            taken += chunk[:room]
            if len(chunk) > room:
                self._chunks.appendleft(chunk[room:])
        self._size -= len(taken)
        if self._timer is not None and self._size < self._capacity:
            self._cancel_timer()
            self._loop.add_reader(self._descriptor, self._fill)
        return bytes(taken)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class Input:
    """The writing end of a pipe or terminal."""

    def __init__(self, descriptor: int) -> None:
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor
        self._open = True
        self._lock = asyncio.Lock()

    async def write(self, data: bytes) -> int:
        """Write as much as the process takes now, at least one byte; gives how many were taken.

        Raises:
            OSError: the process has closed its input.
        """
        async with self._lock:
            while self._open:
                try:
                    return os.write(self._descriptor, data)
                except BlockingIOError:
                    await self._writable()
        return 0

    def close(self) -> None:
        """Tell the process that no more comes."""
        if self._open:
            self._open = False
            os.close(self._descriptor)

    async def _writable(self) -> None:
        loop = asyncio.get_running_loop()
        ready: asyncio.Future[None] = loop.create_future()
        loop.add_writer(self._descriptor, _settle, ready)
        try:
            await ready
        finally:
            with suppress(OSError, ValueError):
                loop.remove_writer(self._descriptor)


def _settle(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)
