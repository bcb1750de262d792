from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casemate.crypto import der_encoding as der
from casemate.crypto.der import Element, Tag
from casemate.errors import PeerError

WHERE = "test"


def parse(text: str) -> Element:
    return Element.parse(bytes.fromhex(text), WHERE)


def test_element_is_tag_content_and_all_of_its_bytes() -> None:
    found = parse("0403616263")
    assert tuple(found) == (Tag.OCTET_STRING, b"abc", b"\x04\x03abc")
    assert found.expect(Tag.OCTET_STRING, WHERE) is found
    with pytest.raises(PeerError):
        found.expect(Tag.SEQUENCE, WHERE)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "30",
        "3001",
        "300100" + "00",
        "1f8100",  # a tag of several bytes
        "0480",  # an indefinite length
        "04817f" + "00" * 127,  # a length in more bytes than it needs
        "0482008000",
        "048500000001" + "00",
        "04ff00",
        "04840fffffff",
    ],
)
def test_other_than_der_is_refused(text: str) -> None:
    with pytest.raises(PeerError):
        parse(text)


@pytest.mark.parametrize("size", [0, 1, 127, 128, 255, 256, 65535, 65536])
def test_lengths_are_in_their_shortest_form(size: int) -> None:
    raw = der.octets(bytes(size))
    assert Element.parse(raw, WHERE).content == bytes(size)
    for cut in {raw[:-1], raw[: len(raw) - size - 1], raw + b"\0"} - {raw}:
        with pytest.raises(PeerError):
            Element.parse(cut, WHERE)


def test_children_are_read_to_the_end() -> None:
    found = parse("30060101ff020103").children(WHERE)
    assert [one.tag for one in found] == [Tag.BOOLEAN, Tag.INTEGER]
    assert parse("3000").children(WHERE) == []
    with pytest.raises(PeerError):
        parse("3003020203").children(WHERE)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("020100", 0),
        ("02017f", 127),
        ("02020080", 128),
        ("020180", -128),
        ("0201ff", -1),
        ("0202ff7f", -129),
        ("0a0105", 5),
        ("0209008000000000000000", 1 << 63),
    ],
)
def test_integers_may_be_negative(text: str, value: int) -> None:
    assert parse(text).integer(WHERE) == value
    if text.startswith("02"):
        assert der.integer(value).hex() == text


def test_integer_that_no_format_has_is_refused() -> None:
    assert Element.parse(der.integer(1 << 1022), WHERE).integer(WHERE) == 1 << 1022
    for value in (1 << 1023, -(1 << 1024)):
        with pytest.raises(PeerError, match="at most 128"):
            Element.parse(der.integer(value), WHERE).integer(WHERE)


@pytest.mark.parametrize("text", ["0200", "02020001", "0202ffff", "0202ff80", "040100", "010100"])
def test_integer_in_another_form_is_refused(text: str) -> None:
    with pytest.raises(PeerError):
        parse(text).integer(WHERE)


def test_booleans_have_two_values() -> None:
    assert parse("0101ff").boolean(WHERE) is True
    assert parse("010100").boolean(WHERE) is False
    for text in ("010101", "0100", "0102ffff", "0201ff"):
        with pytest.raises(PeerError):
            parse(text).boolean(WHERE)


def test_bit_strings_are_of_whole_bytes() -> None:
    assert parse("030300abcd").bits(WHERE) == b"\xab\xcd"
    for text in ("0300", "030207ab", "0402abcd", "03020100"):
        with pytest.raises(PeerError):
            parse(text).bits(WHERE)


@pytest.mark.parametrize(
    "dotted",
    ["2.5.4.3", "1.3.6.1.4.1.3704.1.3.1", "0.9", "1.2.840.113549.1.1.10", "2.999.1", "2.39"],
)
def test_object_identifiers_are_dotted(dotted: str) -> None:
    assert Element.parse(der.oid(dotted), WHERE).oid(WHERE) == dotted


def test_uuid_below_2_25_is_an_object_identifier() -> None:
    dotted = f"2.25.{(1 << 128) - 1}"
    assert Element.parse(der.oid(dotted), WHERE).oid(WHERE) == dotted
    with pytest.raises(PeerError):
        Element.parse(der.oid(f"2.25.{1 << 128}"), WHERE).oid(WHERE)


@pytest.mark.parametrize(
    "text", ["0600", "060180", "06028001", "0603558001", "0603550481", "0641" + "01" * 65, "040155"]
)
def test_object_identifier_in_another_form_is_refused(text: str) -> None:
    with pytest.raises(PeerError):
        parse(text).oid(WHERE)


@pytest.mark.parametrize(
    ("tag", "text", "value"),
    [
        (Tag.UTC_TIME, b"491231235959Z", datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC)),
        (Tag.UTC_TIME, b"500101000000Z", datetime(1950, 1, 1, tzinfo=UTC)),
        (Tag.GENERALIZED_TIME, b"99991231235959Z", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
        (Tag.GENERALIZED_TIME, b"20240229000000Z", datetime(2024, 2, 29, tzinfo=UTC)),
    ],
)
def test_times_are_in_utc_to_the_second(tag: int, text: bytes, value: datetime) -> None:
    assert Element.parse(der.element(tag, text), WHERE).time(WHERE) == value
    if text not in {b"20240229000000Z", b"500101000000Z"}:
        assert der.time(value) == der.element(tag, text)


@pytest.mark.parametrize(
    ("tag", "text"),
    [
        (Tag.UTC_TIME, b"20240229000000Z"),
        (Tag.UTC_TIME, b"4912312359Z"),
        (Tag.UTC_TIME, b"491231235959+"),
        (Tag.UTC_TIME, b"49123123595 Z"),
        (Tag.UTC_TIME, b"4912312359-1Z"),
        (Tag.UTC_TIME, b"491232235959Z"),
        (Tag.UTC_TIME, b"490230235959Z"),
        (Tag.UTC_TIME, b"491231235960Z"),
        (Tag.UTC_TIME, b"\xb2" * 12 + b"Z"),
        (Tag.GENERALIZED_TIME, b"00000101000000Z"),
        (Tag.GENERALIZED_TIME, b"20240229000000z"),
        (Tag.GENERALIZED_TIME, b"2024022900000.Z"),
        (Tag.OCTET_STRING, b"491231235959Z"),
        (Tag.UTC_TIME, b""),
    ],
)
def test_time_in_another_form_is_refused(tag: int, text: bytes) -> None:
    with pytest.raises(PeerError):
        Element.parse(der.element(tag, text), WHERE).time(WHERE)


@given(st.integers(-(1 << 200), 1 << 200))
def test_integer_reads_as_it_was_written(value: int) -> None:
    assert Element.parse(der.integer(value), WHERE).integer(WHERE) == value


@given(st.lists(st.integers(0, (1 << 128) - 1), max_size=3), st.integers(0, 39))
def test_object_identifier_reads_as_it_was_written(rest: list[int], second: int) -> None:
    dotted = ".".join(map(str, (1, second, *rest)))
    assert Element.parse(der.oid(dotted), WHERE).oid(WHERE) == dotted


@given(st.lists(st.binary(max_size=300), max_size=6))
def test_elements_read_as_they_were_written(contents: list[bytes]) -> None:
    raw = der.sequence(*(der.octets(content) for content in contents))
    found = Element.parse(raw, WHERE).children(WHERE)
    assert [one.content for one in found] == contents
    assert b"".join(one.whole for one in found) == Element.parse(raw, WHERE).content


def read_all(raw: bytes) -> None:
    """Read bytes in every way; any other error than ours goes through."""
    try:
        element = Element.parse(raw, WHERE)
    except PeerError:
        return
    assert element.whole == raw
    assert der.element(element.tag, element.content) == raw
    for read in (
        element.children,
        element.integer,
        element.boolean,
        element.bits,
        element.oid,
        element.time,
    ):
        try:
            read(WHERE)
        except PeerError:
            continue


@given(st.binary(max_size=200))
def test_any_bytes_raise_only_our_error(raw: bytes) -> None:
    read_all(raw)


@given(st.sampled_from([0x01, 0x02, 0x03, 0x06, 0x17, 0x18, 0x30]), st.binary(max_size=40))
def test_any_content_raises_only_our_error(tag: int, content: bytes) -> None:
    read_all(der.element(tag, content))
