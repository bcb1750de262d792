"""The benchmarks run and compare as they say; how fast they are is nobody's business here."""

import pytest

from casemate.stack.bench import pull


async def test_pull_is_compared_with_its_peers() -> None:
    said: list[str] = []
    result = await pull.run(said.append, megabytes=3, rounds=1)
    assert result.ours > 0
    assert result.ratio == pytest.approx(result.ours / result.floor)
    assert said
