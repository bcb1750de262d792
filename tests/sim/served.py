"""A simulated service on a loop of its own in a thread, for callers that have no loop."""

import asyncio
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from threading import Thread
from typing import Protocol, TypeVar


class Service(Protocol):
    """What runs while somebody is inside."""

    def running(self) -> AbstractAsyncContextManager[object]: ...


S = TypeVar("S", bound=Service)


@contextmanager
def served(service: S) -> Iterator[S]:
    """Run it until the caller is done."""
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever)
    thread.start()
    running = service.running()
    try:
        asyncio.run_coroutine_threadsafe(running.__aenter__(), loop).result()
        try:
            yield service
        finally:
            ended = asyncio.run_coroutine_threadsafe(running.__aexit__(None, None, None), loop)
            ended.result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
