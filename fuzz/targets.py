"""What is fuzzed: every parser that reads foreign bytes, and every verifier. Only our errors count.

A target takes bytes and returns; whatever else than CasemateError it raises is a finding.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Final

import msgspec

from casemate.crypto import jwt, pem
from casemate.crypto.certificate import Certificate
from casemate.crypto.revocation import RevocationList
from casemate.errors import MALFORMED_JSON, CasemateError, VerificationError
from casemate.tee import verifiers
from casemate.tee.cca import remote, veraison
from casemate.tee.dcap import publications, tcb_info
from casemate.tee.dcap.quote import Quote as DcapQuote
from casemate.tee.evidence import Expectation, Inputs
from casemate.tee.layouts import LAYOUTS
from casemate.tee.material import Material
from casemate.tee.se.image_header import ImageHeader, ImageTags, encode_header
from casemate.tee.se.report import SePair
from casemate.tee.se.request_block import RequestBlock
from casemate.tee.simulators import SIMULATORS
from casemate.tee.snp import certificate_table
from casemate.tee.snp.firmware import Firmware as SnpFirmware
from casemate.tee.tdx.tdreport import TdxReport
from casemate.tee.tdx.tdvf import Tdvf
from casemate.wire import attested_key, initdata
from casemate.wire.eventlog import EventLog, replay
from casemate.wire.eventlog_json import to_claims
from casemate.wire.tpm import Quote, Signature

NOW: Final = datetime(2026, 1, 1, tzinfo=UTC)
_EXPECTED: Final = Expectation(report_data=bytes(48))


def verify(tee: str, data: bytes) -> None:
    """Verify bytes as evidence: it must be refused, since no root is configured."""
    try:
        verifiers.verify(tee, data, _EXPECTED, Inputs(now=NOW))
    except VerificationError:
        return
    if tee not in {"sample", "sampledevice"}:
        message = f"{tee}: accepted without a root"
        raise AssertionError(message)


def certificate(data: bytes) -> None:
    """Read a certificate and everything that is read late."""
    found = Certificate.parse(data)
    _ = found.common_name, found.issuer_common_name, found.is_authority, found.path_length
    _ = found.key


def event_log(data: bytes) -> None:
    """Read an event log, replay it in each of its banks and put it into claims."""
    log = EventLog.parse(data)
    to_claims(log, strict=False)
    for algorithm, _ in log.algorithms:
        with suppress(CasemateError):
            replay(log.events, algorithm)
    to_claims(log)


def veraison_documents(data: bytes) -> None:
    """Read what a Veraison service says of itself and of a session, and the claims of a verdict."""
    with suppress(CasemateError):
        veraison.Discovery.parse(data, "discovery").new_session("discovery")
    with suppress(CasemateError):
        session = veraison.Session.parse(data, "session")
        session.require_open(NOW, "session")
        session.verdict("session")
        session.require_ours(bytes(64), "session")
    try:
        claims = msgspec.json.decode(data, type=dict[str, object])
    except MALFORMED_JSON:
        return
    for part in remote.Ear.parse(claims).submods.values():
        _ = part.tier, list(part.shortcomings())


def text(read: Callable[[str], object], data: bytes) -> None:
    """Give a parser of text what can be text."""
    read(data.decode("utf-8", "replace"))


PARSERS: Final[Mapping[str, Callable[[bytes], object]]] = {
    "attested-key": attested_key.parse,
    "certificate": certificate,
    "dcap-collateral": lambda data: publications.find(Material(files={"file": data})),
    "dcap-qe-identity": tcb_info.parse_qe_identity,
    "dcap-quote": DcapQuote.parse,
    "dcap-tcb-info": tcb_info.parse_tcb_info,
    "event-log": event_log,
    "initdata": initdata.parse,
    "jwt": partial(text, jwt.parse),
    "material": lambda data: Material.of_files({"file": data}),
    "pem": pem.blocks,
    "revocation-list": RevocationList.parse,
    "se-image-header": ImageHeader.find,
    "se-request-block": RequestBlock.parse,
    "snp-certificate-table": certificate_table.parse,
    "snp-firmware": SnpFirmware.parse,
    "tdx-firmware": Tdvf.parse,
    "tdx-report": TdxReport.parse,
    "tpm-quote": Quote.parse,
    "tpm-signature": Signature.parse,
    "veraison": veraison_documents,
    **{f"layout-{tee}": layout for tee, layout in LAYOUTS.items()},
    **{f"evidence-{tee}": partial(verify, tee) for tee in verifiers.VERIFIERS},
}
"""Name → target. Each is bounded by what the parser itself reads."""


_DOCUMENTS: Final[Mapping[str, tuple[bytes, ...]]] = {
    "veraison": tuple(
        msgspec.json.encode(one)
        for one in (
            {
                "service-state": "READY",
                "api-endpoints": {"newChallengeResponseSession": "/n"},
                "ear-verification-key": {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
            },
            {
                "nonce": "AAAA",
                "expiry": NOW,
                "status": "complete",
                "result": "a.b.c",
                "accept": [veraison.MEDIA_TYPE],
            },
            {
                "eat_profile": remote.PROFILE,
                "iat": 1,
                "eat_nonce": "AAAA",
                "ear.verifier-id": {},
                "submods": {
                    remote.REALM_PART: {
                        "ear.status": "affirming",
                        "ear.trustworthiness-vector": {"executables": 33},
                    }
                },
            },
        )
    )
}
"""What targets begin with that read no evidence."""


def run(name: str, data: bytes) -> None:
    """Run one target on one input; our errors are what it should give."""
    try:
        PARSERS[name](data)
    except CasemateError:
        return


def seeds(name: str) -> Iterator[bytes]:
    """Give inputs to begin with: correct evidence where the target reads evidence."""
    yield from _DOCUMENTS.get(name, ())
    kind, _, tee = name.partition("-")
    if kind in {"layout", "evidence"} and tee in SIMULATORS:
        made = SIMULATORS[tee].make({}, NOW)
        yield made.evidence
        if made.binary is not None:
            yield made.binary
    elif name == "se-image-header":
        yield encode_header(ImageTags(bytes(64), bytes(64), bytes(64), bytes(16)))
    elif name == "se-request-block":
        pair = msgspec.json.decode(SIMULATORS["se"].make({}, NOW).evidence, type=SePair)
        yield pair.request.request_blob
    elif name == "dcap-quote":
        quotes = (SIMULATORS[one].make({}, NOW).binary for one in ("sgx", "tdx"))
        yield from (quote for quote in quotes if quote is not None)
    elif name == "dcap-collateral":
        for form in ("export", "pcs", "client_tool"):
            yield from SIMULATORS["tdx"].make({"form": form}, NOW).collateral.values()
    elif name in {"certificate", "material", "revocation-list"}:
        for simulator in SIMULATORS.values():
            made = simulator.make({}, NOW)
            found = Material.of_files({**made.roots, **made.collateral})
            yield from (one.der for one in found.certificates)
            yield from (one.der for one in found.lists)
