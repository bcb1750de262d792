"""The steps of a verification: declared once as a table, recorded as they happen.

A verifier's ``CHECKS`` say what it looks at, in order; the same numbers stand in refusals, in
``casemate evidence verify`` and in docs/evidence.md. A step that was neither passed nor skipped
refuses the evidence: a check that somebody forgot to make must not look like one that was made.
"""

import hmac
from collections.abc import Iterable
from enum import StrEnum
from types import TracebackType
from typing import Final, Self

import msgspec

from casemate.errors import InputError, PeerError, Refusal, VerificationError, quote


class Topic(StrEnum):
    """What a check is about: the columns of the matrix in docs/evidence.md."""

    SHAPE = "shape"
    """Form, lengths, versions."""
    CHAIN = "chain"
    """Certificates up to a pinned root, their dates and kinds."""
    REVOCATION = "revocation"
    SIGNATURE = "signature"
    """What the hardware signed."""
    IDENTITY = "identity"
    """Certificate, chip and evidence belong together."""
    TCB = "tcb"
    """Versions of firmware and microcode."""
    MODE = "mode"
    """Debugging, migration, privilege level, life cycle."""
    FRESHNESS = "freshness"
    """Report data."""
    INIT_DATA = "init data"
    MEASUREMENTS = "measurements"
    """Registers, their selection, and the log that explains them."""


class Check(msgspec.Struct, frozen=True):
    """A step of a verifier."""

    number: int
    name: str
    topic: Topic
    what: str
    """What is compared, for the docs: one line."""
    spec: str
    """Section of the fact sheet, RFC or vendor's document."""
    ours: bool = False
    """Upstream does not make this check."""


class Result(StrEnum):
    """What became of a step."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


class StepResult(msgspec.Struct, frozen=True):
    """One line of a verification."""

    n: int
    name: str
    result: Result
    detail: str


class Trail:
    """Records the steps of one verification of evidence of ``tee``."""

    def __init__(self, tee: str, checks: Iterable[Check]) -> None:
        self.tee = tee
        self._checks = {check.number: check for check in checks}
        self._results: dict[int, tuple[Result, object]] = {}

    @property
    def results(self) -> tuple[StepResult, ...]:
        """What happened so far, by number."""
        return tuple(
            StepResult(number, self._checks[number].name, result, str(detail))
            for number, (result, detail) in sorted(self._results.items())
        )

    def step(self, number: int) -> "Step":
        """Begin a step: ``with trail.step(3) as step``. Leaving it without an error passes it.

        What is raised inside becomes the refusal of this step: VerificationError keeps its words,
        PeerError (unreadable bytes) is put into words.
        """
        return Step(self, self._checks[number])

    def skip(self, number: int, why: str) -> None:
        """Record that a step does not apply, or that the caller asked for it to be left out."""
        self.record(number, Result.SKIPPED, why)

    def record(self, number: int, result: Result, detail: object) -> None:
        """Record an outcome; steps alone call this. ``detail`` becomes text when somebody asks."""
        self._results[number] = result, detail

    def require_complete(self) -> None:
        """Refuse when a declared step was not made.

        Raises:
            VerificationError: naming the first such step.
        """
        for number, check in self._checks.items():
            if number not in self._results:
                raise refusal_of(self.tee, check, claim="verification", got="step not made")


_DEFAULT_EXPECTED: Final = "a step that passes"


class Step:
    """One step, while it is being made.

    ``detail`` says what was seen, for people: a text, or what never changes and has one (``str``).
    """

    __slots__ = ("_check", "_trail", "detail")

    def __init__(self, trail: Trail, check: Check) -> None:
        self._trail = trail
        self._check = check
        self.detail: object = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self._trail.record(self._check.number, Result.PASSED, self.detail)
            return
        named = self._named(error)
        if named is not None:
            self._trail.record(
                self._check.number,
                Result.FAILED,
                f"{named.refusal.claim}: got {named.refusal.got}, want {named.refusal.expected}",
            )
            raise named from error

    def refusal(
        self, *, claim: str, got: str, expected: str = _DEFAULT_EXPECTED, remedy: str = ""
    ) -> VerificationError:
        """Make the error that refuses the evidence at this step."""
        return refusal_of(
            self._trail.tee, self._check, claim=claim, got=got, expected=expected, remedy=remedy
        )

    def require_equal(self, claim: str, got: bytes, expected: bytes, *, remedy: str = "") -> None:
        """Compare in constant time.

        Raises:
            VerificationError: they differ.
        """
        if not hmac.compare_digest(got, expected):
            raise self.refusal(claim=claim, got=got.hex(), expected=expected.hex(), remedy=remedy)

    def require(
        self,
        condition: bool,  # noqa: FBT001  # reads as an assertion
        claim: str,
        got: object,
        expected: str,
        *,
        remedy: str = "",
    ) -> None:
        """Refuse unless ``condition`` holds.

        Raises:
            VerificationError: it does not.
        """
        if not condition:
            raise self.refusal(claim=claim, got=_told(got), expected=expected, remedy=remedy)

    def _named(self, error: BaseException) -> VerificationError | None:
        """Put this step's name on an error; None for what is no verdict and passes through."""
        check = self._check
        match error:
            case VerificationError():
                own = error.refusal
                return VerificationError(
                    msgspec.structs.replace(
                        own, step=step_name(self._trail.tee, check), rule=own.rule or check.spec
                    )
                )
            case PeerError():
                return refusal_of(
                    self._trail.tee,
                    check,
                    claim=error.where,
                    got=error.got,
                    expected=error.want,
                    remedy=error.remedy,
                )
            case _:
                return None


def step_name(tee: str, check: Check) -> str:
    """Name a step as refusals do: ``snp.5 chain``."""
    return f"{tee}.{check.number} {check.name}"


def refusal_of(
    tee: str,
    check: Check,
    *,
    claim: str,
    got: str,
    expected: str = _DEFAULT_EXPECTED,
    remedy: str = "",
) -> VerificationError:
    """Make the error that refuses evidence of ``tee`` at a step."""
    return VerificationError(
        Refusal(
            step=step_name(tee, check),
            claim=claim,
            got=got,
            expected=expected,
            rule=check.spec,
            remedy=remedy,
        )
    )


def table(*checks: Check) -> tuple[Check, ...]:
    """Make a verifier's table of checks; numbers run from 1.

    Raises:
        InputError: they do not (a mistake of the verifier's author).
    """
    if [check.number for check in checks] != list(range(1, len(checks) + 1)):
        raise InputError("table of checks", got=[c.number for c in checks], want="1, 2, 3, ...")
    return checks


def _told(got: object) -> str:
    try:
        return str(got)
    except (ValueError, RecursionError):  # a number, or nesting, that nobody would read
        return quote(got)
