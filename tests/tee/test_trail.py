import pytest

from casemate.errors import HostError, InputError, PeerError, Refusal, VerificationError
from casemate.tee.trail import Check, Result, StepResult, Topic, Trail, step_name, table

CHECKS = table(
    Check(1, "shape", Topic.SHAPE, "members", "spec 1"),
    Check(2, "chain", Topic.CHAIN, "links", "spec 2", ours=True),
)


@pytest.fixture
def trail() -> Trail:
    return Trail("tee", CHECKS)


def refused(trail: Trail, error: Exception, number: int = 1) -> Refusal:
    with pytest.raises(VerificationError) as caught, trail.step(number):
        raise error
    assert caught.value.__cause__ is error
    return caught.value.refusal


def test_step_left_without_an_error_is_passed(trail: Trail) -> None:
    with trail.step(1) as step:
        step.detail = "seen"
    assert trail.results == (StepResult(1, "shape", Result.PASSED, "seen"),)


def test_results_are_in_order_of_their_numbers(trail: Trail) -> None:
    trail.skip(2, "not wanted")
    with trail.step(1):
        pass
    assert [one.n for one in trail.results] == [1, 2]
    assert trail.results[1].result is Result.SKIPPED


def test_unreadable_bytes_become_the_steps_refusal(trail: Trail) -> None:
    error = PeerError("report", got="5 bytes", want="6", spec="own", remedy="send more")
    found = refused(trail, error)
    assert found == Refusal(
        step="tee.1 shape",
        claim="report",
        got="5 bytes",
        expected="6",
        rule="spec 1",
        remedy="send more",
    )
    assert trail.results == (StepResult(1, "shape", Result.FAILED, "report: got 5 bytes, want 6"),)


def test_refusal_from_below_keeps_its_words_and_gets_the_steps_name(trail: Trail) -> None:
    own = Refusal(step="certificate", claim="c", got="g", expected="e", rule="RFC", remedy="r")
    found = refused(trail, VerificationError(own), number=2)
    assert found.step == "tee.2 chain"
    assert (found.claim, found.got, found.expected, found.rule, found.remedy) == (
        "c",
        "g",
        "e",
        "RFC",
        "r",
    )


def test_refusal_without_a_rule_gets_the_steps(trail: Trail) -> None:
    own = Refusal(step="", claim="c", got="g", expected="e", rule="", remedy="")
    assert refused(trail, VerificationError(own), number=2).rule == "spec 2"


@pytest.mark.parametrize(
    "error",
    [
        InputError("option", got=1, want="2"),
        HostError("host", got=1, want="2"),
        ValueError("mistake"),
        KeyboardInterrupt(),
    ],
    ids=lambda one: type(one).__name__,
)
def test_what_is_no_verdict_passes_through(trail: Trail, error: BaseException) -> None:
    with pytest.raises(type(error)), trail.step(1):
        raise error
    assert trail.results == ()
    with pytest.raises(VerificationError):
        trail.require_complete()


def test_step_that_nobody_made_refuses(trail: Trail) -> None:
    with trail.step(1):
        pass
    with pytest.raises(VerificationError) as caught:
        trail.require_complete()
    assert caught.value.refusal.step == "tee.2 chain"
    trail.skip(2, "does not apply")
    trail.require_complete()


def test_step_that_is_not_declared_cannot_be_made(trail: Trail) -> None:
    with pytest.raises(KeyError):
        trail.step(3)


def test_values_are_compared_whole(trail: Trail) -> None:
    with trail.step(1) as step:
        step.require_equal("nonce", b"abc", b"abc")
    for other in (b"", b"ab", b"abcd", b"abd"):
        with pytest.raises(VerificationError) as caught, trail.step(1) as step:
            step.require_equal("nonce", other, b"abc", remedy="again")
        found = caught.value.refusal
        assert (found.got, found.expected, found.remedy) == (other.hex(), b"abc".hex(), "again")
    assert trail.results[0].result is Result.FAILED


def test_conditions_are_required(trail: Trail) -> None:
    with trail.step(1) as step:
        step.require(True, "bit", 1, "1")
    with pytest.raises(VerificationError) as caught, trail.step(1) as step:
        step.require(False, "bit", 0, "1", remedy="set it")
    found = caught.value.refusal
    assert (found.claim, found.got, found.expected, found.remedy) == ("bit", "0", "1", "set it")


def test_steps_are_named_as_refusals_name_them() -> None:
    assert step_name("tee", CHECKS[1]) == "tee.2 chain"


def test_numbers_of_a_table_run_from_one() -> None:
    assert table() == ()
    for numbers in ((2,), (1, 3), (1, 1), (0, 1)):
        with pytest.raises(InputError):
            table(*(Check(n, "x", Topic.SHAPE, "", "") for n in numbers))
