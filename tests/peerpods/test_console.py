import asyncio
from pathlib import Path

import pytest

from casemate.errors import PeerError, Refusal, VerificationError
from casemate.peerpods.clouds.qemu.console import Console
from casemate.trace import Station
from casemate.wire import console, console_log
from casemate.wire.console import ConsoleEvent, EventKind

REFUSAL = Refusal(step="boot", claim="root", got="a", expected="b", rule="dm-verity", remedy="")


async def _read(tmp_path: Path, *chunks: bytes) -> Console:
    stream = asyncio.StreamReader()
    for chunk in chunks:
        stream.feed_data(chunk)
    stream.feed_eof()
    read = Console(tmp_path / "console.log")
    await read.read(stream)
    return read


def _line(kind: EventKind, refusal: Refusal | None = None, note: str = "") -> bytes:
    event = ConsoleEvent(kind=kind, station=Station.BOOT, refusal=refusal, note=note)
    return console.encode(event)


async def test_every_line_is_kept_with_its_time(tmp_path: Path) -> None:
    await _read(tmp_path, b"first\r\nsec", b"ond\nlast")
    lines = (tmp_path / "console.log").read_bytes().splitlines()
    assert [console_log.parse(line).text for line in lines[1:]] == [b"first", b"second", b"last"]


async def test_the_first_line_says_when_the_vm_was_switched_on(tmp_path: Path) -> None:
    await _read(tmp_path)
    (line,) = (tmp_path / "console.log").read_bytes().splitlines()
    event = console.parse(console_log.parse(line).text)
    assert event is not None
    assert (event.kind, event.station) == (EventKind.BEGIN, Station.BOOT)


async def test_a_refusal_becomes_the_reason(tmp_path: Path) -> None:
    read = await _read(tmp_path, b"noise" + _line(EventKind.REFUSED, REFUSAL))
    failure = await read.failure()
    assert isinstance(failure, VerificationError)
    assert failure.refusal == REFUSAL


async def test_a_failure_is_told_in_the_guests_words(tmp_path: Path) -> None:
    read = await _read(tmp_path, _line(EventKind.FAILED, note="no TPM"))
    failure = await read.failure()
    assert isinstance(failure, PeerError)
    assert "no TPM" in str(failure)


async def test_ready_is_heard(tmp_path: Path) -> None:
    read = await _read(tmp_path, _line(EventKind.READY))
    assert read.ready.is_set()
    assert read.told_failure is None


@pytest.mark.parametrize("flood", [b"x" * (1 << 20), b"y" * 200 + b"\n", b"casemate-event {\n"])
async def test_a_guest_that_floods_its_console_fills_no_disk(tmp_path: Path, flood: bytes) -> None:
    await _read(tmp_path, *([flood * (1 if len(flood) > 1000 else 5000)] * 8))
    assert (tmp_path / "console.log").stat().st_size <= console_log.LARGEST
