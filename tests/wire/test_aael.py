import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casemate.crypto.digest import Algorithm, Digest
from casemate.errors import InputError
from casemate.wire import aael
from tests.vectors import vector


def test_events_and_entries_are_upstreams_bytes() -> None:
    for row in json.loads(vector("guest", "tables", "aael.json").read_text()):
        algorithm = Algorithm(row["alg"])
        event = aael.tagged_event(*row["event"].split(" ", 2))
        assert event.hex() == row["tagged_event_hex"]
        assert Digest.of(event, algorithm).hex == row["digest"]
        assert aael.entry(2, event, algorithm).hex() == row["entry_hex_mr2"]


def test_pulled_image_is_spelled_with_one_space_and_no_escapes() -> None:
    content = aael.pull_image_content("host:1/a:b", "sha256:00")
    assert content == '{"image":"host:1/a:b", "digest":"sha256:00"}'


@pytest.mark.parametrize(
    "words", [("a b", "o", "c"), ("d", "a b", "c"), ("d", "o", "a\nb"), ("d", "o", "c" * 70_000)]
)
def test_events_that_could_be_read_in_two_ways_are_refused(words: tuple[str, str, str]) -> None:
    with pytest.raises(InputError):
        aael.tagged_event(*words)


@settings(max_examples=100)
@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_any_words_are_an_event_or_an_input_error(domain: str, operation: str, text: str) -> None:
    try:
        event = aael.tagged_event(domain, operation, text)
    except InputError:
        return
    assert int.from_bytes(event[4:8], "little") == len(event) - 8
