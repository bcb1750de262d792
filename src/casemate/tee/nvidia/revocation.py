"""Revocation of a device's certificates: lists, and OCSP answers, as they are among the collateral.

NVIDIA answers for every certificate that an authority of its own issued, and publishes lists of
the two authorities on top. For the leaf, which the device's boot ROM issued, nobody answers: it
holds as long as the boot ROM's certificate does.
"""

import itertools
from collections.abc import Iterator, Sequence

from casemate.crypto.certificate import Certificate
from casemate.crypto.ocsp import Answer, Status
from casemate.crypto.revocation import RevocationList
from casemate.errors import PeerError
from casemate.tee.evidence import Inputs
from casemate.tee.nvidia import chain
from casemate.tee.trail import Step


def verify(
    step: Step, path: Sequence[Certificate], inputs: Inputs, *, required: bool
) -> tuple[str, ...]:
    """Refuse a chain of which a certificate is revoked; give the names of those that are covered.

    Raises:
        VerificationError: one is revoked, or is not covered although it is required.
    """
    names = {one.subject for one in path}
    given = (*inputs.collateral.lists, *inputs.anchors.material.lists)
    lists = [one for one in given if one.issuer in names]
    used = chain.verify_not_revoked(path, lists, inputs) if lists else ()
    answers = tuple(_answers(inputs))
    covered = []
    for child, issuer in itertools.pairwise(path):
        is_covered = any(_is_of(one, issuer) for one in used) or _says_good(
            step, child, issuer, answers, inputs
        )
        if is_covered:
            covered.append(child.common_name)
        step.require(
            is_covered or not required or child == path[0],
            f"revocation of {child.common_name}",
            "no list and no OCSP answer that is valid",
            "one that says it is good",
            remedy="fetch NVIDIA's lists and OCSP answers as collateral",
        )
    return tuple(covered)


def _answers(inputs: Inputs) -> Iterator[Answer]:
    for body in inputs.collateral.files.values():
        if body[:1] != b"\x30":
            continue
        try:
            yield inputs.memory.read_once(Answer.parse, body) if inputs.memory else Answer(body)
        except PeerError:
            continue  # some other file


def _is_of(one: RevocationList, issuer: Certificate) -> bool:
    return one.issuer == issuer.subject and one.signed_by(issuer)


def _says_good(
    step: Step,
    child: Certificate,
    issuer: Certificate,
    answers: Sequence[Answer],
    inputs: Inputs,
) -> bool:
    """Say whether an answer clears the certificate; an outdated one can still accuse."""
    cleared = False
    for answer in answers:
        for said in answer.statements:
            if not said.is_about(child, issuer) or not answer.signed_for(issuer, inputs.now):
                continue
            step.require(
                said.status is not Status.REVOKED,
                f"OCSP status of {child.common_name}",
                "revoked",
                "good",
                remedy="do not trust this device; ask its vendor",
            )
            cleared = cleared or (said.status is Status.GOOD and said.holds(inputs.now))
    return cleared
