"""The first round: a request that only a verified host's firmware can open (tee §12).

Steps 9 to 12 of the table of checks hold for every host key document given, before a key is made
for it; one that does not hold refuses the challenge.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Final

import msgspec

from casemate.crypto.keys import Kind, PrivateKey
from casemate.errors import InputError
from casemate.secret import Secret
from casemate.tee.evidence import Inputs
from casemate.tee.se import request_block, sealing
from casemate.tee.se.checks import CHECKS, verify_host_keys
from casemate.tee.se.measurement import SIZE as MEASUREMENT_SIZE
from casemate.tee.se.report import ADDITIONAL_SIZE, TEE, SeRequest
from casemate.tee.se.request_block import Asked
from casemate.tee.se.sealing import Binding, Part
from casemate.tee.se.site import CHALLENGE_KEY, Site
from casemate.tee.trail import Trail

_IV: Final = 12


def challenge(
    session: str, expires: datetime, inputs: Inputs, random: Callable[[int], bytes]
) -> str:
    """Make the challenge of a session: the JSON text that is its nonce.

    Args:
        session: name of the session; what answers serves no other.
        expires: when the answer comes too late.
        inputs: the operator's folders, and the time.
        random: source of random bytes.

    Raises:
        VerificationError: a host key document does not hold; its step is ``se.<9 to 12>``.
        InputError: no host key, image header or challenge key.
        PeerError: a document or header that cannot be read.
    """
    site = Site.of(inputs)
    key, hosts = site.challenge_key, site.host_keys()
    if key is None:
        raise _missing(CHALLENGE_KEY, "32 random bytes", "let the Trustee make it")
    if not site.images:
        raise _missing(
            "image headers",
            "the header of each image that may run",
            "put them (pvextract-hdr gives them) into the folder of roots",
        )
    if not hosts:
        raise _missing(
            "host key documents",
            "one for each machine that may start the image",
            "fetch them from IBM and name their folder",
        )
    verify_host_keys(Trail(TEE, CHECKS), site, inputs, hosts)
    asked = Asked(
        request_key=Secret(random(32)),
        iv=random(_IV),
        measurement_key=Secret(random(request_block.KEY_SIZE)),
        nonce=random(request_block.NONCE_SIZE),
    )
    customer = site.customer_key or PrivateKey.generate(Kind.P521)
    block = request_block.encode(asked, [one.key for one in hosts], customer)
    tags = site.images[0].encode()

    def sealed(part: Part, secret: Secret) -> bytes:
        return sealing.seal(
            key,
            part,
            secret,
            Binding(tags, block),
            session=session,
            expires=expires,
            iv=random(_IV),
        )

    with asked.request_key, asked.measurement_key:
        request = SeRequest(
            request_blob=block,
            measurement_size=MEASUREMENT_SIZE,
            additional_size=ADDITIONAL_SIZE,
            encr_measurement_key=sealed(Part.MEASUREMENT_KEY, asked.measurement_key),
            encr_request_nonce=sealed(Part.NONCE, Secret(asked.nonce)),
            image_hdr_tags=tags,
        )
    return msgspec.json.encode(request).decode("ascii")


def _missing(what: str, want: str, remedy: str) -> InputError:
    return InputError(what, got="none", want=want, spec="tee §12", remedy=remedy)
