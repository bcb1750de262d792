"""What fuzzing once found, and what it keeps, gives our errors or a value; nothing else."""

import pytest

from fuzz.run import CORPUS
from fuzz.targets import PARSERS, run, seeds


@pytest.mark.parametrize("target", PARSERS)
def test_kept_inputs_and_seeds_raise_only_our_errors(target: str) -> None:
    for file in sorted((CORPUS / target).glob("*")):
        run(target, file.read_bytes())
    for seed in seeds(target):
        run(target, seed)


def test_every_kept_folder_has_a_target() -> None:
    assert {folder.name for folder in CORPUS.glob("*")} <= set(PARSERS)
