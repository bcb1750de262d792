"""What to fetch of NVIDIA: lists and OCSP answers, reference manifests, its service's verdict.

Only what an option requires is asked for: by default a verification needs nothing but evidence.
"""

import itertools
from collections.abc import Iterator
from datetime import timedelta
from typing import Final
from urllib.parse import quote, urlsplit

from casemate.crypto import ocsp
from casemate.tee.evidence import Inputs
from casemate.tee.nvidia import remote
from casemate.tee.nvidia.architecture import BLACKWELL, GPU, chip_of
from casemate.tee.nvidia.evidence import TEE
from casemate.tee.nvidia.opened import Opened, open_all, questions
from casemate.tee.nvidia.options import NvidiaOptions
from casemate.tee.nvidia.verifier import CHECKS
from casemate.tee.trail import Trail
from casemate.tee.want import Want

_LIST: Final = timedelta(hours=12)
_ANSWER: Final = timedelta(hours=6)
_MANIFEST: Final = timedelta(days=7)
_VERDICT: Final = timedelta(minutes=10)
_JSON: Final = (("Content-Type", "application/json"),)
_QUESTION: Final = (("Content-Type", "application/ocsp-request"),)


def plan(raw: bytes, inputs: Inputs) -> tuple[Want, ...]:
    """Say what the options require. A chain that does not hold is refused before anything else.

    Raises:
        VerificationError: evidence that cannot be read, or a chain that does not hold.
        InputError: an option that cannot be meant.
    """
    options = inputs.options.of(TEE, NvidiaOptions)
    opened = open_all(raw, inputs, Trail(TEE, CHECKS))
    wanted: list[Want] = []
    for one in opened:
        if options.revocation == "required":
            wanted += _revocation(one, options)
        if options.manifests == "required":
            wanted += _manifests(one, options)
    if options.mode == "remote":
        wanted += _verdicts(opened, options)
    return tuple(dict.fromkeys(wanted))


def manifest_ids(one: Opened) -> dict[str, str]:
    """Give the names of a device's manifests at NVIDIA's service: part → name."""
    config = one.opaque.config
    kind = "GPU_VBIOS" if one.architecture.tee_class == GPU else "SWITCH_BIOS"
    parts = [config.get(name, "") for name in ("project", "project_sku", "chip_sku")]
    vbios = one.version("vbios").replace(".", "")
    found = {"vbios": "_".join(("NV", kind, *parts, vbios)).upper()}
    if one.architecture.tee_class == GPU:
        kind = "GPU_CC_DRIVER" if one.architecture == BLACKWELL else "GPU_DRIVER"
        found["driver"] = f"NV_{kind}_{one.chip}_{one.version('driver')}"
    return found


def _revocation(one: Opened, options: NvidiaOptions) -> Iterator[Want]:
    chip = next(filter(None, (chip_of(each.common_name) for each in reversed(one.path))), "")
    for name in ("l1-root", f"l2-{chip.lower()}"):
        yield Want(name=f"nvidia/crl/{name}.crl", url=f"{options.crl_url}/{name}.crl", keep=_LIST)
    for child, issuer in itertools.pairwise(one.path[1:]):
        yield Want(
            name=f"nvidia/ocsp/{child.fingerprint.hex()}.der",
            url=options.ocsp_url,
            headers=_QUESTION,
            body=ocsp.question(child, issuer),
            keep=_ANSWER,
            largest=ocsp.LARGEST,
        )


def _manifests(one: Opened, options: NvidiaOptions) -> Iterator[Want]:
    for name in manifest_ids(one).values():
        safe = quote(name, safe="")
        yield Want(name=f"nvidia/rim/{safe}.json", url=f"{options.rim_url}/{safe}", keep=_MANIFEST)


def _verdicts(opened: tuple[Opened, ...], options: NvidiaOptions) -> Iterator[Want]:
    parts = urlsplit(options.nras_url)
    yield Want(name=remote.JWKS_NAME, url=f"{parts.scheme}://{parts.netloc}/.well-known/jwks.json")
    for asked in questions(opened):
        yield Want(
            name=asked.name,
            url=f"{options.nras_url}/{asked.tee_class}",
            headers=_JSON,
            body=asked.body,
            keep=_VERDICT,
        )
