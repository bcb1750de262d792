"""Steps that bind evidence to session and pod, of every verifier that has a field for each."""

import pytest

from casemate.crypto.digest import Algorithm, Digest
from casemate.errors import VerificationError
from casemate.tee.binding import refuse_init_data, verify_init_data, verify_report_data
from casemate.tee.trail import Check, Result, StepResult, Topic, Trail

WANTED = b"\x0a" * 48


def trail() -> Trail:
    return Trail("tee", (Check(1, "binding", Topic.FRESHNESS, "what", "tee §1.2"),))


def result(made: Trail) -> StepResult:
    (found,) = made.results
    return found


def test_report_data_is_padded_to_the_field() -> None:
    made = trail()
    verify_report_data(made, 1, WANTED, "field", 64, WANTED + bytes(16))
    assert result(made).result is Result.PASSED


@pytest.mark.parametrize("found", [WANTED, WANTED + bytes(15) + b"\1", bytes(64), b""])
def test_every_field_must_hold_the_report_data(found: bytes) -> None:
    right = WANTED + bytes(16)
    for fields in ((found,), (right, found), (found, right)):
        made = trail()
        with pytest.raises(VerificationError, match=r"tee\.1 binding: field") as error:
            verify_report_data(made, 1, WANTED, "field", 64, *fields)
        assert error.value.refusal.got == found.hex()
        assert error.value.refusal.expected == right.hex()
        assert result(made).result is Result.FAILED


def test_report_data_that_no_field_holds_whole_is_refused() -> None:
    longer = bytes(65)
    with pytest.raises(VerificationError, match=r"tee\.1 binding"):
        verify_report_data(trail(), 1, longer, "field", 64, longer[:64])


def test_nothing_expected_is_said_to_be_skipped() -> None:
    made = [trail() for _ in range(3)]
    verify_report_data(made[0], 1, None, "field", 64, b"")
    verify_init_data(made[1], 1, None, "field", b"")
    refuse_init_data(made[2], 1, None, "no field", remedy="none")
    assert {result(one).result for one in made} == {Result.SKIPPED}


def test_initdata_is_padded_or_cut_to_the_field_and_a_cut_is_told() -> None:
    long = Digest.of(b"initdata", Algorithm.SHA512)
    made = trail()
    verify_init_data(made, 1, long, "field", long.value[:48])
    assert result(made).detail == f"first 48 bytes of {long}"
    short = Digest.of(b"initdata", Algorithm.SHA256)
    made = trail()
    verify_init_data(made, 1, short, "field", short.value.ljust(48, b"\0"))
    assert result(made).detail == ""


@pytest.mark.parametrize("found", [bytes(32), Digest.of(b"other", Algorithm.SHA256).value])
def test_initdata_that_the_machine_was_not_started_with_is_refused(found: bytes) -> None:
    with pytest.raises(VerificationError, match=r"tee\.1 binding: field"):
        verify_init_data(trail(), 1, Digest.of(b"initdata", Algorithm.SHA256), "field", found)


def test_initdata_for_a_tee_that_binds_none_is_refused() -> None:
    digest = Digest.of(b"initdata", Algorithm.SHA256)
    with pytest.raises(VerificationError) as error:
        refuse_init_data(trail(), 1, digest, "no field", remedy="use another")
    assert error.value.refusal.got == str(digest)
    assert error.value.refusal.expected == "none: no field"
    assert error.value.refusal.remedy == "use another"
