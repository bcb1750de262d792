"""Verifier of Secure Execution, in the numbered steps of ``checks``. Pure.

The evidence is a response to a challenge that we made, so what answers it needs no memory of ours:
the measurement key comes back sealed. Upstream makes 1, 7 and 13, and 9 to 12 in the first round
alone; it takes the guest's word for the image, and a key that was encrypted to a public one.
"""

import hmac
from typing import Final

from casemate.crypto.vendor_chain import VerifiedChain
from casemate.errors import PeerError
from casemate.secret import Secret
from casemate.tee.binding import refuse_init_data, verify_report_data
from casemate.tee.evidence import (
    CPU,
    Expectation,
    Inputs,
    VerifiedEvidence,
    parse_json,
)
from casemate.tee.se import sealing
from casemate.tee.se.checks import CHECKS, verify_host_keys
from casemate.tee.se.claims import claims_of
from casemate.tee.se.host_key import HostKey
from casemate.tee.se.image_header import ImageTags
from casemate.tee.se.measurement import measure
from casemate.tee.se.report import (
    ADDITIONAL_SIZE,
    TEE,
    USER_DATA_SIZE,
    SePair,
    SeRequest,
    SeResponse,
    is_pair,
    require_sizes,
)
from casemate.tee.se.request_block import FLAGS, RequestBlock
from casemate.tee.se.sealing import Binding, Opened, Part
from casemate.tee.se.site import CHALLENGE_KEY, Site
from casemate.tee.trail import Step, Trail

__all__ = ["CHECKS", "verify"]

_ECHOED: Final = ("encr_measurement_key", "encr_request_nonce", "image_hdr_tags")


def verify(
    raw: bytes, expected: Expectation, inputs: Inputs, trail: Trail
) -> tuple[VerifiedEvidence, ...]:
    """Verify a response to the challenge in ``inputs``, or a kept pair of both (JSON).

    Raises:
        VerificationError: with the number of the step, ``se.7 measurement`` for instance.
        InputError: no challenge key or image header is configured, or an option cannot be meant.
    """
    with trail.step(1) as step:
        response, kept = _parse(raw, inputs)
    with trail.step(2) as step:
        request, session = _request(step, kept, inputs)
        block = _parse_block(step, request)
        site = Site.of(inputs)
    with trail.step(3) as step:
        for name in _ECHOED:
            step.require_equal(
                name,
                getattr(response, name),
                getattr(request, name),
                remedy="answer the challenge of this session",
            )
    with trail.step(4) as step:
        key, nonce = _unseal(step, request, site)
    _verify_session(trail, (key, nonce), session, inputs)
    with trail.step(6) as step:
        _verify_image(step, request, site)
    with trail.step(7) as step, key.secret, nonce.secret:
        tags = _verify_measurement(step, response, key.secret, nonce.secret, site)
    with trail.step(8) as step:
        host = _find_host(step, response, block, site)
        step.detail = host.name
    chain = verify_host_keys(trail, site, inputs, (host,))
    verify_report_data(
        trail, 13, expected.report_data, "user_data", USER_DATA_SIZE, response.user_data
    )
    refuse_init_data(
        trail,
        14,
        expected.init_data,
        "Secure Execution has no field for it",
        remedy="put the configuration into the image, or use a TEE that binds initdata",
    )
    return (
        VerifiedEvidence(
            tee=TEE,
            tee_class=CPU,
            claims=claims_of(response, tags),
            report_data=response.user_data,
            init_data=None,
            chain=_names(host, chain),
        ),
    )


def _parse(raw: bytes, inputs: Inputs) -> tuple[SeResponse, SePair | None]:
    """Read a response. A pair is for the desk: it must not bring its own challenge to a Trustee."""
    if inputs.challenge is None and is_pair(raw):
        pair = parse_json(raw, SePair, TEE)
        response, kept = pair.response, pair
    else:
        response, kept = parse_json(raw, SeResponse, TEE), None
    require_sizes(response)
    return response, kept


def _request(step: Step, kept: SePair | None, inputs: Inputs) -> tuple[SeRequest, str | None]:
    if kept is not None:
        return kept.request, kept.session
    if inputs.challenge is None:
        raise step.refusal(
            claim="challenge",
            got="none",
            expected="the request that this answers",
            remedy='keep both in one file: {"request": ..., "response": ...}',
        )
    text = inputs.challenge.text.encode("utf-8", "surrogatepass")
    return parse_json(text, SeRequest, "se (request)"), inputs.challenge.session


def _parse_block(step: Step, request: SeRequest) -> RequestBlock:
    block = RequestBlock.parse(request.request_blob)
    step.require(block.flags == FLAGS, "flags", f"{int(block.flags):#x}", f"{int(FLAGS):#x}")
    sizes = (request.measurement_size, request.additional_size)
    wanted = (64, ADDITIONAL_SIZE)
    step.require(sizes == wanted, "measurement_size, additional_size", sizes, str(wanted))
    step.detail = f"request for {len(block.slots)} hosts"
    return block


def _unseal(step: Step, request: SeRequest, site: Site) -> tuple[Opened, Opened]:
    binding = Binding(request.image_hdr_tags, request.request_blob)
    if site.challenge_key is None:
        raise step.refusal(
            claim=CHALLENGE_KEY,
            got="none",
            expected="the key of the Trustee that made the challenge",
            remedy="only the Trustee that made a challenge can verify what answers it",
        )
    key = site.challenge_key
    parts = (
        (Part.MEASUREMENT_KEY, request.encr_measurement_key),
        (Part.NONCE, request.encr_request_nonce),
    )
    try:
        measurement_key, nonce = (
            sealing.unseal(key, part, sealed, binding) for part, sealed in parts
        )
    except PeerError as error:
        raise step.refusal(
            claim="seal", got=error.got, expected="one that this Trustee made"
        ) from error
    step.require(
        (measurement_key.session_hash, measurement_key.expires)
        == (nonce.session_hash, nonce.expires),
        "seals",
        "of two challenges",
        "of one",
    )
    return measurement_key, nonce


def _verify_session(
    trail: Trail, opened: tuple[Opened, Opened], session: str | None, inputs: Inputs
) -> None:
    key, _ = opened
    with trail.step(5) as step:
        step.require(
            inputs.now <= key.expires,
            "challenge",
            f"time {inputs.now.isoformat()}",
            f"at most {key.expires.isoformat()}",
            remedy="begin a new handshake",
        )
        if session is None:
            step.detail = "not ended; which session was not looked at"
        else:
            step.require(
                key.is_of(session),
                "session",
                "a challenge of another session",
                "this session's",
                remedy="answer the challenge of this session",
            )


def _verify_image(step: Step, request: SeRequest, site: Site) -> None:
    tags = ImageTags.parse(request.image_hdr_tags)
    step.require(
        tags in site.images,
        "image_hdr_tags",
        f"tag {tags.tag.hex()}",
        "one of " + (", ".join(one.tag.hex() for one in site.images) or "none"),
        remedy="configure the header of each image that may run",
    )


def _verify_measurement(
    step: Step, response: SeResponse, key: Secret, nonce: Secret, site: Site
) -> ImageTags:
    """Compute it for each configured image; give the one that runs."""
    for tags in site.images:
        wanted = measure(
            key,
            tags,
            response.cuid,
            user=response.user_data,
            nonce=nonce.reveal(),
            additional=response.additional_data,
        )
        if hmac.compare_digest(wanted, response.measurement):
            step.detail = f"image {tags.tag.hex()}"
            return tags
    raise step.refusal(
        claim="measurement",
        got=response.measurement.hex(),
        expected=f"the HMAC for one of {len(site.images)} configured images",
        remedy="another image runs, or the response was changed after the machine made it",
    )


def _find_host(step: Step, response: SeResponse, block: RequestBlock, site: Site) -> HostKey:
    got = response.attestation_key_hash
    step.require(
        any(slot.host_key_hash == got for slot in block.slots),
        "attestation key",
        got.hex(),
        "one that the request was made for",
    )
    found = next((one for one in site.host_keys() if one.hash == got), None)
    if found is None:
        raise step.refusal(
            claim="attestation key",
            got=got.hex(),
            expected="that of a host key document at hand",
            remedy="give the host key documents that the challenge was made for",
        )
    return found


def _names(host: HostKey, chain: VerifiedChain | None) -> tuple[str, ...]:
    path = () if chain is None else chain.path
    return (host.name, *(f"{one.common_name} {one.fingerprint.hex()}" for one in path))
