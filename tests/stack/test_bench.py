"""The benchmarks run and compare as they say; how fast they are is nobody's business here."""

import pytest

from casemate.stack.bench import pull, verify


async def test_pull_is_compared_with_its_peers() -> None:
    said: list[str] = []
    result = await pull.run(said.append, megabytes=3, rounds=1)
    assert result.ours > 0
    assert result.ratio == pytest.approx(result.ours / result.floor)
    assert said


async def test_every_verification_is_compared_with_its_bare_signatures() -> None:
    result = await verify.run(lambda _text: None, rounds=1)
    assert result.ratio == pytest.approx(result.ours / result.floor)
    for tee in verify.SIGNATURES:
        assert result.details[f"{tee}_cold_ms"] > 0
        assert result.details[f"{tee}_cached_ms"] > 0
    assert result.details["event_log_100_ms"] > 0
