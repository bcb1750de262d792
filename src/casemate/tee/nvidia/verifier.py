"""Verifier of NVIDIA evidence, in the numbered steps of CHECKS. Pure.

Every device is verified here whatever the mode: a service that vouches for it comes on top. What
nobody can compare: the uuid, which no device signs.
"""

from collections.abc import Sequence
from typing import Any, Final

from casemate.tee.binding import refuse_init_data, verify_report_data
from casemate.tee.evidence import Expectation, Inputs, VerifiedEvidence
from casemate.tee.nvidia import chain, manifest, ppcie, remote, revocation
from casemate.tee.nvidia.architecture import GPU, SWITCH
from casemate.tee.nvidia.claims import claims
from casemate.tee.nvidia.evidence import TEE
from casemate.tee.nvidia.opaque import FWID
from casemate.tee.nvidia.opened import Opened, open_all, questions
from casemate.tee.nvidia.options import NvidiaOptions
from casemate.tee.nvidia.spdm import NONCE_SIZE
from casemate.tee.trail import Check, Step, Topic, Trail, table

_T = Topic
CHECKS: Final = table(
    Check(1, "shape", _T.SHAPE, "members, hex or base64, known architecture", "tee §13"),
    Check(
        2,
        "messages",
        _T.SHAPE,
        "SPDM 1.1 request for all measurements, signed, and its response; every length fits",
        "tee §13",
        ours=True,
    ),
    Check(
        3,
        "opaque data",
        _T.SHAPE,
        "each field once and of its form; VBIOS and, of a GPU, driver version are there",
        "tee §13",
    ),
    Check(
        4,
        "chain",
        _T.CHAIN,
        "at least two certificates, each signed by the next, valid now, to the pinned root",
        "tee §13, §15",
    ),
    Check(
        5,
        "revocation",
        _T.REVOCATION,
        "no list and no OCSP answer revokes a certificate; all are covered, if required",
        "tee §13",
        ours=True,
    ),
    Check(
        6,
        "identity",
        _T.IDENTITY,
        "the leaf is of this firmware (FWID), its chip of this architecture; no device twice",
        "tee §13",
    ),
    Check(7, "signature", _T.SIGNATURE, "ECDSA P-384 over request and response", "tee §13"),
    Check(
        8,
        "nonce",
        _T.FRESHNESS,
        "the request's nonce is the report data, cut or padded to 32 bytes",
        "tee §13",
    ),
    Check(
        9, "initdata", _T.INIT_DATA, "none is expected: no device binds it", "tee §1.2", ours=True
    ),
    Check(
        10,
        "manifests",
        _T.MEASUREMENTS,
        "every active measurement is one of NVIDIA's reference manifests of driver and VBIOS",
        "tee §13",
        ours=True,
    ),
    Check(
        11,
        "attestation service",
        _T.MEASUREMENTS,
        "remote mode: NVIDIA's tokens are signed, issued by it, unexpired, and of this nonce",
        "tee §13",
    ),
    Check(
        12,
        "topology",
        _T.IDENTITY,
        "eight GPUs and four switches name each other",
        "tee §13",
    ),
)


def verify(
    raw: bytes, expected: Expectation, inputs: Inputs, trail: Trail
) -> tuple[VerifiedEvidence, ...]:
    """Verify evidence of one or several devices, JSON or a report alone, in the steps of CHECKS.

    Raises:
        VerificationError: with the number of the step, ``nvidia.7 signature`` for instance.
        InputError: an option that cannot be meant.
    """
    options = inputs.options.of(TEE, NvidiaOptions)
    opened = open_all(raw, inputs, trail)
    covered = _verify_revocation(trail, opened, inputs, options)
    with trail.step(6) as step:
        _verify_identity(step, opened)
    with trail.step(7) as step:
        for one in opened:
            key = chain.key_of(step, one.leaf)
            key.verify(one.report.signature, one.report.signed, "ES384")
    nonces = [one.report.request.nonce for one in opened]
    verify_report_data(trail, 8, expected.report_data, "nonce", NONCE_SIZE, *nonces)
    refuse_init_data(
        trail,
        9,
        expected.init_data,
        "these devices have no field that binds it",
        remedy="bind initdata by the pod's primary TEE",
    )
    manifests = _verify_manifests(trail, opened, inputs, options)
    vouched = _verify_service(trail, opened, inputs, options)
    found = vouched or [
        _verified(
            one,
            claims(
                one.architecture,
                one.device.uuid,
                one.report,
                one.opaque,
                {"revocation_checked": list(names), "manifests": list(compared)},
            ),
        )
        for one, names, compared in zip(opened, covered, manifests, strict=True)
    ]
    return (*found, *_verify_topology(trail, opened))


def _verify_revocation(
    trail: Trail, opened: Sequence[Opened], inputs: Inputs, options: NvidiaOptions
) -> list[tuple[str, ...]]:
    required = options.revocation == "required"
    with trail.step(5) as step:
        covered = [revocation.verify(step, one.path, inputs, required=required) for one in opened]
        names = sorted({name for one in covered for name in one})
        step.detail = f"good: {', '.join(names)}" if names else "nothing in the collateral says"
    return covered


def _verify_identity(step: Step, opened: Sequence[Opened]) -> None:
    seen: set[bytes] = set()
    for one in opened:
        fwid = chain.fwid_of(one.leaf)
        if fwid is None:
            raise step.refusal(
                claim=f"certificate of {one.leaf.common_name}",
                got="no FWID extension (2.23.133.5.4.1)",
                expected="the device's own certificate first, with the digest of its firmware",
            )
        step.require_equal("fwid", one.opaque.fields.get(FWID, b""), fwid)
        wanted = one.device.architecture
        step.require(
            wanted is None or wanted == one.architecture,
            "arch",
            wanted.wire if wanted else "",
            f"that of {one.leaf.common_name}",
        )
        step.require(one.leaf.spki not in seen, "device", "one twice", "each once")
        seen.add(one.leaf.spki)


def _verify_manifests(
    trail: Trail, opened: Sequence[Opened], inputs: Inputs, options: NvidiaOptions
) -> list[tuple[str, ...]]:
    given = tuple(manifest.all_of(inputs))
    required = options.manifests == "required"
    if not required and not any(
        _manifests_of(one, given, part) for one in opened for part in _parts(one)
    ):
        trail.skip(10, "no reference manifest of these versions is in the collateral")
        return [() for _ in opened]
    with trail.step(10) as step:
        compared = [_compare(step, one, given, inputs, required=required) for one in opened]
        step.detail = "; ".join(sorted({part for parts in compared for part in parts}))
    return compared


def _compare(
    step: Step,
    one: Opened,
    given: Sequence[manifest.Manifest],
    inputs: Inputs,
    *,
    required: bool,
) -> tuple[str, ...]:
    measurements = {each.index: each for each in one.report.response.measurements}
    done = []
    for part in _parts(one):
        found = _manifests_of(one, given, part)
        step.require(
            bool(found) or not required,
            f"reference manifest of {part} {one.version(part)}",
            "none",
            f"NVIDIA's, of chip {one.chip}",
            remedy="fetch NVIDIA's reference manifests as collateral",
        )
        for reference in found:
            reference.verify(inputs)
            reference.compare(step, part, measurements, one.opaque)
        if found:
            done.append(f"{part} {one.version(part)}")
    return tuple(done)


def _parts(one: Opened) -> tuple[str, ...]:
    return ("driver", "vbios") if one.architecture.tee_class == GPU else ("vbios",)


def _manifests_of(
    one: Opened, given: Sequence[manifest.Manifest], part: str
) -> list[manifest.Manifest]:
    version = one.version(part).lower()
    return [each for each in given if each.version == version and each.product == one.chip]


def _verify_service(
    trail: Trail, opened: Sequence[Opened], inputs: Inputs, options: NvidiaOptions
) -> list[VerifiedEvidence]:
    """Give what the service vouches for, with its claims; nothing in local mode."""
    if options.mode == "local":
        trail.skip(11, "local mode")
        return []
    with trail.step(11) as step:
        found = [
            _verified(one, token | {"report_data": one.report.request.nonce.hex()})
            for asked, members in questions(opened).items()
            for one, token in zip(members, remote.verify(step, asked, inputs, options), strict=True)
        ]
        step.detail = f"{len(found)} devices"
    return found


def _verified(one: Opened, own: dict[str, Any]) -> VerifiedEvidence:
    return VerifiedEvidence(
        tee=TEE,
        tee_class=one.architecture.tee_class,
        claims=own,
        report_data=one.report.request.nonce,
        init_data=None,
        chain=tuple(f"{each.common_name} {each.fingerprint.hex()}" for each in one.path),
    )


def _verify_topology(trail: Trail, opened: Sequence[Opened]) -> tuple[VerifiedEvidence, ...]:
    gpus = [one.opaque for one in opened if one.architecture.tee_class == GPU]
    switches = [one.opaque for one in opened if one.architecture.tee_class == SWITCH]
    if (len(gpus), len(switches)) != (ppcie.GPUS, ppcie.SWITCHES):
        trail.skip(12, f"{len(gpus)} GPUs and {len(switches)} switches, not 8 and 4")
        return ()
    if not ppcie.agree(gpus, switches):
        trail.skip(12, "GPUs and switches do not name each other: no claims of class ppcie")
        return ()
    with trail.step(12) as step:
        step.detail = "8 GPUs and 4 switches"
    return (
        VerifiedEvidence(
            tee=TEE,
            tee_class=ppcie.CLASS,
            claims={
                "switch_count": ppcie.SWITCHES,
                "gpu_count": ppcie.GPUS,
                "report_data": opened[0].report.request.nonce.hex(),
            },
            report_data=opened[0].report.request.nonce,
            init_data=None,
        ),
    )
