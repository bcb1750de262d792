"""The steps that bind evidence to its session and pod, as most TEEs make them (tee §1.2).

For fields that hold report data or initdata's digest themselves, padded with zeros or cut. A TEE
that binds in another way (a signature over it, a register extended with it) has a step of its own.
"""

from casemate.crypto.digest import Digest
from casemate.tee.evidence import fitted
from casemate.tee.trail import Trail


def verify_report_data(  # a step: where, what is wanted, what was found
    trail: Trail, number: int, expected: bytes | None, claim: str, width: int, *found: bytes
) -> None:
    """Make the step of freshness: each field found, ``width`` bytes, holds the session's data.

    Raises:
        VerificationError: one does not.
    """
    if expected is None:
        trail.skip(number, "no report data was expected")
        return
    with trail.step(number) as step:
        for one in found:
            step.require_equal(
                claim,
                one,
                fitted(expected, width),
                remedy="evidence serves only the session whose nonce and key it was made for",
            )


def verify_init_data(
    trail: Trail, number: int, expected: Digest | None, claim: str, found: bytes
) -> None:
    """Make the step of initdata: the host started the machine with the one presented.

    Raises:
        VerificationError: it did not.
    """
    if expected is None:
        trail.skip(number, "no initdata was presented")
        return
    with trail.step(number) as step:
        step.require_equal(
            claim,
            found,
            fitted(expected.value, len(found)),
            remedy="the initdata presented is not what this machine was started with",
        )
        if len(expected.value) > len(found):
            step.detail = f"first {len(found)} bytes of {expected}"


def refuse_init_data(
    trail: Trail, number: int, expected: Digest | None, why: str, *, remedy: str
) -> None:
    """Make the step of initdata where no field holds any; ``why`` says so.

    Raises:
        VerificationError: initdata was presented.
    """
    if expected is None:
        trail.skip(number, "no initdata was presented")
        return
    with trail.step(number) as step:
        raise step.refusal(
            claim="initdata", got=str(expected), expected=f"none: {why}", remedy=remedy
        )
