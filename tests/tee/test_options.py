import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from casemate.errors import InputError
from casemate.tee.options import NoOptions, Options, parse
from casemate.tee.verifiers import VERIFIERS


class Own(msgspec.Struct, frozen=True):
    """strict true or false, level a number, name a text."""

    strict: bool = True
    level: int = 3
    name: str = ""


def own(*texts: str) -> Own:
    return Options(own=parse(texts)).of("tee", Own)


def test_nothing_given_is_strict() -> None:
    assert own() == Own()
    options = Options()
    assert not options.allow_debug
    assert not options.allow_migration
    assert options.own == {}


def test_values_are_read_as_their_kind() -> None:
    assert own("tee.strict=false", "tee.level=5", "tee.name=a=b") == Own(False, 5, "a=b")
    assert own(" tee.level = 7 ") == Own(level=7)


def test_options_of_another_tee_are_not_looked_at() -> None:
    assert own("other.level=x") == Own()


@pytest.mark.parametrize(
    "text", ["tee.level=x", "tee.strict=maybe", "tee.level=", "tee.level=1.5", "tee.unknown=1"]
)
def test_option_that_cannot_be_meant_is_the_callers_mistake(text: str) -> None:
    with pytest.raises(InputError):
        own(text)


def test_message_names_the_options_there_are() -> None:
    with pytest.raises(InputError, match=r"tee\.strict, tee\.level, tee\.name"):
        own("tee.levels=1")
    with pytest.raises(InputError, match="has none"):
        Options(own=parse(["tee.level=1"])).of("tee", NoOptions)


@pytest.mark.parametrize("text", ["", "tee", "tee.level", "level=1", ".level=1", "tee.=1", "=1"])
def test_other_forms_are_refused(text: str) -> None:
    with pytest.raises(InputError):
        parse([text])


def test_option_given_twice_is_refused() -> None:
    with pytest.raises(InputError, match="twice"):
        parse(["tee.level=1", "tee.level=1"])


def test_tee_may_have_dots() -> None:
    assert parse(["a.b.level=1"]) == {"a.b": {"level": "1"}}


@pytest.mark.parametrize("tee", sorted(VERIFIERS))
def test_every_tee_has_strict_defaults_that_need_no_writing(tee: str) -> None:
    kind = VERIFIERS[tee].options
    assert Options().of(tee, kind) == kind()


@given(st.lists(st.text(max_size=20), max_size=4))
def test_any_texts_raise_only_our_error(texts: list[str]) -> None:
    try:
        found = parse(texts)
    except InputError:
        return
    assert sum(len(one) for one in found.values()) == len(texts)


@given(st.sampled_from(["strict", "level", "name"]), st.text(max_size=20))
def test_any_value_raises_only_our_error(name: str, value: str) -> None:
    try:
        Options(own={"tee": {name: value}}).of("tee", Own)
    except InputError:
        return
