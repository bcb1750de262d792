"""Both doors into the attestation service give the same: the handshake's and upstream's gRPC."""

import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casemate.crypto.jwk import EcTeeKey
from casemate.errors import CasemateError, InputError
from casemate.trustee.attestation.appraised import of_attestation, parse, parse_all, requests
from casemate.wire import kbs
from casemate.wire.initdata import build
from casemate.wire.pb import attestation_pb2 as pb

KEY = EcTeeKey(crv="P-256", alg="ECDH-ES+A256KW", x="x", y="y")
_INITDATA = build({"aa.toml": "a = 1\n", "cdh.toml": "not toml ["})


@settings(max_examples=100, deadline=None)
@given(st.text(), st.dictionaries(st.text(max_size=9), st.text(), max_size=3), st.booleans())
def test_both_doors_give_the_same(nonce: str, devices: dict[str, str], initdata: bool) -> None:  # noqa: FBT001 - hypothesis passes by position
    attestation = kbs.Attestation(
        kbs.RuntimeData(nonce, KEY),
        kbs.CompositeEvidence(msgspec.Raw(b'{"svn": "1"}'), json.dumps(devices) if devices else ""),
        kbs.InitDataField("toml", _INITDATA.raw.decode()) if initdata else None,
    )
    assert of_attestation("sample", attestation) == parse_all(requests("sample", attestation))


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=40), st.text(max_size=20))
def test_any_request_raises_only_our_error(
    evidence: str, algorithm: str, runtime: str, initdata: str
) -> None:
    for member in ("raw_runtime_data", "structured_runtime_data"):
        request = pb.IndividualAttestationRequest(
            tee="sample",
            evidence=evidence,
            runtime_data_hash_algorithm=algorithm,
            init_data_toml=initdata,
        )
        setattr(request, member, runtime)
        with pytest.raises(CasemateError):
            parse(request)


def test_runtime_data_must_be_there() -> None:
    with pytest.raises(InputError, match="runtime data"):
        parse(pb.IndividualAttestationRequest(tee="sample", evidence="e30"))


def test_devices_are_bounded() -> None:
    devices = json.dumps({str(n): 1 for n in range(17)})
    attestation = kbs.Attestation(
        kbs.RuntimeData("n", KEY), kbs.CompositeEvidence(msgspec.Raw(b"1"), devices)
    )
    for door in (of_attestation, requests):
        with pytest.raises(InputError, match="fewer than 17"):
            door("sample", attestation)
    many = pb.AttestationRequest(
        verification_requests=[pb.IndividualAttestationRequest() for _ in range(18)]
    )
    with pytest.raises(InputError, match="at most 17"):
        parse_all(many)
