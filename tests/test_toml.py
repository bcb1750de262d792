import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casemate import toml

DEEP = "k" + ".k" * 20_000
ELLIPSIS = f"\n# {'.' * 100}"
"""What makes a document worth a second look."""


@pytest.mark.parametrize(
    "text",
    [
        f"{DEEP} = 1",
        f"a = 1\n[{DEEP}]",
        f"x = {{{DEEP} = 1}}",
        f'x = {{a = """ " """, {DEEP} = 1}}',
        f"x = {{a = ''' ' ''', {DEEP} = 1}}",
        '"="' + '. "="' * 100 + " = 1",
        "'='" + ".'='" * 100 + " = 1",
    ],
)
def test_key_of_too_many_parts_is_refused_wherever_it_stands(text: str) -> None:
    with pytest.raises(ValueError, match="more than 64 parts"):
        toml.loads(text)


@pytest.mark.parametrize(
    "text",
    [
        "".join(f"a{n} = 1\n" for n in range(20_000)),
        "".join(f"[a{n}]\n" for n in range(20_000)),
        "x = [" + "1," * 20_000 + "]",
        "".join(f"a{n}.b.c = 1\n" for n in range(6_000)),
        "[[a.b]]\n" * 9_000,
    ],
)
def test_document_of_too_many_parts_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="more than 16384"):
        toml.loads(text)


@pytest.mark.parametrize(
    "text",
    [
        "x = '''" + "a.b = [1, {}]\n" * 20_000 + "'''\n# " + "=" * 20_000,
        "".join(f"a{n} = 1\n" for n in range(16_000)),
        f"x = '{DEEP}'",
        f'x = "{DEEP}\\"{DEEP}"',
        f"x = '''\n{DEEP}'''",
        f'x = """\n{DEEP} "" \\""" {DEEP}"""',
        f"x = \"\"\"a\"\"\"\"\"\ny = '''b'''''\nz = \"\"\nw = ''\nv = '\"'{ELLIPSIS}",
        f"x = 1 # {DEEP}",
        "x = '" + "." * 1000 + "'",
        "k" + ".k" * 60 + " = 1.5",
    ],
)
def test_what_only_looks_like_a_key_is_left_alone(text: str) -> None:
    assert toml.loads(text) == tomllib.loads(text)


@pytest.mark.parametrize(
    "text", ["x = ", "x = " + "[" * 5000, "x = " + "9" * 5000, 'x = "' + ELLIPSIS, '\\"""' * 1000]
)
def test_what_is_no_document_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # each in its own words
        toml.loads(text + ELLIPSIS)


WORDS = st.sampled_from(
    [
        "'",
        '"',
        "'''",
        '"""',
        "\\",
        ".",
        "a",
        "=",
        "\n",
        "#",
        " ",
        "[",
        "]",
        "{",
        "}",
        ",",
        "1",
        "\r",
    ]
)


@given(st.lists(WORDS, max_size=60).map("".join))
def test_any_text_means_what_it_means_to_the_standard_parser(text: str) -> None:
    text += ELLIPSIS
    try:
        expected = tomllib.loads(text)
    except ValueError:
        with pytest.raises(ValueError):  # noqa: PT011
            toml.loads(text)
    else:
        assert toml.loads(text) == expected
