"""What is foretold of an Azure VM depends on the image alone, and on every part of it."""

import hashlib

import pytest

from casemate.errors import InputError
from casemate.tee.azure.launch import FORETOLD, predict
from tests.sim.uki import portable_executable, tiny_uki

ZEROS = bytes(32)


def test_registers_that_follow_from_the_image_are_foretold() -> None:
    found = predict(tiny_uki())
    assert tuple(found) == FORETOLD
    assert all(found[number] == ZEROS for number in (12, 13, 14, 15))


def test_register_9_is_the_command_line_then_the_initrd() -> None:
    line = hashlib.sha256("quiet".encode("utf-16-le") + b"\0\0").digest()
    initrd = hashlib.sha256(b"initrd").digest()
    expected = hashlib.sha256(hashlib.sha256(ZEROS + line).digest() + initrd).digest()
    assert predict(tiny_uki())[9] == expected


@pytest.mark.parametrize(
    ("changed", "registers"),
    [
        ({"command_line": "quiet debug"}, {4, 9, 11}),
        ({"initrd": b"another"}, {4, 9, 11}),
        ({"kernel": portable_executable({".text": b"other"})}, {4, 11}),
    ],
)
def test_a_changed_part_shows_where_it_is_measured(
    changed: dict[str, object], registers: set[int]
) -> None:
    before, after = predict(tiny_uki()), predict(tiny_uki(**changed))  # type: ignore[arg-type]
    assert {number for number in before if before[number] != after[number]} == registers


def test_something_else_than_a_uki_is_the_callers_mistake() -> None:
    with pytest.raises(InputError):
        predict(b"MZ")
