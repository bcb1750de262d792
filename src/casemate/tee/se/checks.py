"""What is checked of Secure Execution, in both rounds: 9 to 12 before a challenge too."""

from typing import Final

from casemate.crypto.certificate import Certificate
from casemate.crypto.vendor_chain import VerifiedChain
from casemate.tee.evidence import Inputs
from casemate.tee.se import host_key
from casemate.tee.se.host_key import HostKey
from casemate.tee.se.options import SeOptions
from casemate.tee.se.report import TEE
from casemate.tee.se.site import Site
from casemate.tee.trail import Check, Topic, Trail, table

_T = Topic
CHECKS: Final = table(
    Check(1, "shape", _T.SHAPE, "members, base64, sizes of the response", "tee §12"),
    Check(
        2,
        "request",
        _T.SHAPE,
        "the challenge it answers: members, sizes, control block",
        "tee §12 ARCB",
        ours=True,
    ),
    Check(
        3,
        "echo",
        _T.IDENTITY,
        "what was to be sent back came back unchanged",
        "casemate: the response is this request's",
        ours=True,
    ),
    Check(
        4,
        "seal",
        _T.IDENTITY,
        "key and nonce were sealed by this Trustee, for this request and image",
        "casemate: the measurement key is known to its maker alone",
        ours=True,
    ),
    Check(
        5,
        "session",
        _T.FRESHNESS,
        "sealed for this session, which has not ended",
        "casemate: a challenge serves its session",
        ours=True,
    ),
    Check(
        6,
        "image",
        _T.MEASUREMENTS,
        "the tags are a configured image header's",
        "casemate: the guest does not say which image is right",
        ours=True,
    ),
    Check(7, "measurement", _T.SIGNATURE, "HMAC-SHA-512 under the request's key", "tee §12"),
    Check(
        8,
        "host key",
        _T.IDENTITY,
        "the host key that answered is one the request was made for, and is at hand",
        "casemate: the machine is one of those asked",
        ours=True,
    ),
    Check(
        9,
        "signing certificate",
        _T.CHAIN,
        "exactly one, of IBM's key signing service",
        "tee §12 host key documents",
    ),
    Check(
        10,
        "chain",
        _T.CHAIN,
        "to a configured root through one intermediate, with a list for each link",
        "tee §12 host key documents",
    ),
    Check(
        11,
        "host key document",
        _T.CHAIN,
        "issuer, signature, dates, kind and strength of the key",
        "tee §12 host key documents",
    ),
    Check(
        12,
        "revocation",
        _T.REVOCATION,
        "a list of the signer's counts, and none names the host key",
        "tee §12 host key documents",
    ),
    Check(13, "report data", _T.FRESHNESS, "user data is the session's report data", "tee §1.2"),
    Check(
        14,
        "init data",
        _T.INIT_DATA,
        "none is expected, since the machine binds none",
        "tee §1.2: not available",
        ours=True,
    ),
)


def verify_host_keys(
    trail: Trail, site: Site, inputs: Inputs, hosts: tuple[HostKey, ...]
) -> VerifiedChain | None:
    """Make steps 9 to 12 for these host keys; give the signer's chain, None if told to skip.

    Raises:
        VerificationError: naming the step.
    """
    if inputs.options.of(TEE, SeOptions).skip_host_key_verification:
        for number in range(9, 13):
            trail.skip(number, "option se.skip_host_key_verification")
        return None
    with trail.step(9) as step:
        signer = host_key.find_signer(site.certificates, inputs.now)
        step.detail = signer.fingerprint.hex()
    with trail.step(10) as step:
        chain = host_key.verify_signer(
            signer,
            site.certificates,
            site.lists,
            pins=site.pins,
            at=inputs.now,
            memory=inputs.memory,
        )
        step.detail = f"root {chain.root.fingerprint.hex()}"
    with trail.step(11) as step:
        for one in hosts:
            host_key.verify_document(one.document, signer, inputs.now)
        step.detail = ", ".join(one.name for one in hosts)
    with trail.step(12) as step:
        step.detail = _verify_lists(hosts, signer, site, inputs)
    return chain


def _verify_lists(
    hosts: tuple[HostKey, ...], signer: Certificate, site: Site, inputs: Inputs
) -> str:
    counts = [
        host_key.verify_not_revoked(one.document, signer, site.lists, inputs.now) for one in hosts
    ]
    return f"{min(counts)} lists of the signer count"
