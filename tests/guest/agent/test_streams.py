import asyncio
import os
from contextlib import suppress

from casemate.guest.agent.streams import Input, Output


async def test_reader_gets_everything_in_order_and_then_the_end() -> None:
    read, write = os.pipe()
    output = Output(read)
    os.write(write, b"one")
    assert await output.read(2) == b"on"
    assert await output.read(10) == b"e"
    waiting = asyncio.ensure_future(output.read(10))
    await asyncio.sleep(0)
    os.write(write, b"two")
    assert await waiting == b"two"
    os.close(write)
    assert await output.read(10) == b""
    assert await output.read(10) == b""


async def test_nobody_reading_does_not_hold_the_process_back() -> None:
    read, write = os.pipe()
    output = Output(read, capacity=4096, patience=0.01)
    os.set_blocking(write, False)
    written = 0
    for _ in range(200):
        try:
            written += os.write(write, b"x" * 4096)
        except BlockingIOError:
            await asyncio.sleep(0.005)
    assert output.dropped > 0
    assert written > 20 * 4096
    output.close()
    os.close(write)


async def test_slow_reader_loses_nothing() -> None:
    read, write = os.pipe()
    output = Output(read, capacity=4096, patience=5)
    os.set_blocking(write, False)
    sent, got = 0, 0
    while got < 200_000:
        try:
            if sent < 200_000:
                sent += os.write(write, b"x" * min(4096, 200_000 - sent))
        except BlockingIOError:
            got += len(await output.read(1000))
        await asyncio.sleep(0)
        if sent == 200_000:
            got += len(await output.read(1000))
    assert (sent, got, output.dropped) == (200_000, 200_000, 0)
    output.close()
    os.close(write)


async def test_silence_after_the_process_ends_the_stream() -> None:
    read, write = os.pipe()
    output = Output(read)
    os.write(write, b"last")
    await output.finish(0.01)
    assert await output.read(10) == b"last"
    assert await output.read(10) == b""
    os.close(write)


async def test_input_waits_until_the_process_takes_it() -> None:
    read, write = os.pipe()
    os.set_blocking(read, False)
    input_ = Input(write)
    data = b"y" * 300_000
    taken = 0
    drained = bytearray()
    while taken < len(data):
        writing = asyncio.ensure_future(input_.write(data[taken:]))
        await asyncio.sleep(0)
        while not writing.done():
            with suppress(BlockingIOError):
                drained += os.read(read, 65536)
            await asyncio.sleep(0)
        taken += await writing
    input_.close()
    while chunk := os.read(read, 65536):
        drained += chunk
    assert bytes(drained) == data
    os.close(read)
