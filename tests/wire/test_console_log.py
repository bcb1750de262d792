import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casemate.errors import PeerError
from casemate.wire import console_log
from casemate.wire.console_log import ConsoleLine


@settings(max_examples=100)
@given(st.integers(0, 2**40), st.binary(max_size=80))
def test_a_line_comes_back_with_its_time(milliseconds: int, text: bytes) -> None:
    line = console_log.encode(ConsoleLine(milliseconds / 1000, text))
    assert line.count(b"\n") == 1
    back = console_log.parse(line)
    assert back.time == pytest.approx(milliseconds / 1000)
    assert back.text == text.replace(b"\r", b"").replace(b"\n", b" ")


@settings(max_examples=100)
@given(st.binary(max_size=60))
def test_any_bytes_raise_only_our_error(raw: bytes) -> None:
    try:
        console_log.parse(raw)
    except PeerError:
        return
