"""Keys of a bare TPM that an operator trusts by hash: upstream's plain evidence (tee §8)."""

import hashlib
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from casemate.crypto.authority import CertificateAuthority
from casemate.crypto.digest import sha256
from casemate.errors import InputError, VerificationError
from casemate.tee.anchors import Anchors
from casemate.tee.evidence import Expectation, Inputs, VerifiedEvidence
from casemate.tee.options import Options, parse
from casemate.tee.trail import Result
from casemate.tee.verifiers import trail_of, verify
from casemate.tee.vtpm.fake import SoftwareTpm
from tests.vectors import vector

NOW = datetime(2025, 6, 1, tzinfo=UTC)
NONCE = bytes(range(48))
AUTHORITY = CertificateAuthority.create("platform", now=NOW)
TPM = SoftwareTpm(AUTHORITY, now=NOW)
HASH = hashlib.sha256(TPM.ak_public).hexdigest()
OPTIONAL = "tpm.event_log=optional"


def trusting(*hashes: str) -> str:
    return "tpm.trusted_aks=" + ",".join(hashes)


def verdict(
    evidence: bytes,
    *options: str,
    report_data: bytes | None = NONCE,
    anchors: Anchors = Anchors(),  # noqa: B008  # it is frozen
    trail: Any = None,
) -> VerifiedEvidence:
    given = Inputs(now=NOW, anchors=anchors, options=Options(own=parse(options)))
    (found,) = verify("tpm", evidence, Expectation(report_data=report_data), given, trail)
    return found


def refused_at(evidence: bytes, *options: str, report_data: bytes | None = NONCE) -> str:
    with pytest.raises(VerificationError) as caught:
        verdict(evidence, *options, report_data=report_data)
    return caught.value.refusal.step


def plain(evidence: bytes, *left_out: str) -> bytes:
    found = msgspec.json.decode(evidence)
    return msgspec.json.encode({k: v for k, v in found.items() if k not in left_out})


def test_key_trusted_by_its_hash_needs_no_certificate() -> None:
    evidence = plain(TPM.evidence(NONCE), "ak_certificate")
    found = verdict(evidence, trusting("00" * 32, HASH.upper()))
    assert found.claims["ak_certified"] is False
    assert found.claims["uefi_event_logs"]
    assert found.chain == (f"key {HASH}",)


@pytest.mark.check("tpm", 3)
@pytest.mark.parametrize("options", [(), (OPTIONAL,), (trusting("00" * 32),), (trusting(""),)])
def test_key_that_nobody_trusts_is_refused(options: tuple[str, ...]) -> None:
    evidence = plain(TPM.evidence(NONCE), "ak_certificate")
    assert refused_at(evidence, *options) == "tpm.2 certificate"


def test_certificate_of_a_key_trusted_by_its_hash_is_not_looked_at() -> None:
    other = SoftwareTpm(CertificateAuthority.create("other", now=NOW), now=NOW)
    found = msgspec.json.decode(TPM.evidence(NONCE))
    found["ak_certificate"] = msgspec.to_builtins(other.ak_certificate)
    trail = trail_of("tpm")
    assert verdict(msgspec.json.encode(found), trusting(HASH), trail=trail).tee == "tpm"
    assert trail.results[1].result is Result.SKIPPED


@pytest.mark.check("tpm", 5)
def test_trusted_bytes_that_are_no_key_verify_nothing() -> None:
    found = msgspec.json.decode(TPM.evidence(NONCE))
    found["ak_public"] = msgspec.to_builtins(b"no key")
    trusted = trusting(hashlib.sha256(b"no key").hexdigest())
    assert refused_at(msgspec.json.encode(found), trusted) == "tpm.5 signature"


def test_trusted_key_does_not_vouch_for_another() -> None:
    other = SoftwareTpm(AUTHORITY, now=NOW)
    found = msgspec.json.decode(other.evidence(NONCE))
    found["ak_public"] = msgspec.to_builtins(TPM.ak_public)
    assert refused_at(msgspec.json.encode(found), trusting(HASH)) == "tpm.5 signature"


@pytest.mark.check("tpm", 10)
def test_log_may_be_absent_only_of_a_trusted_key_and_by_option() -> None:
    evidence = plain(TPM.evidence(NONCE), "ak_certificate", "event_log")
    assert refused_at(evidence, trusting(HASH)) == "tpm.10 event log"
    found = verdict(evidence, trusting(HASH), OPTIONAL)
    assert "uefi_event_logs" not in found.claims
    certified = plain(TPM.evidence(NONCE), "event_log")
    anchors = Anchors(ak_authorities=(AUTHORITY.certificate_pem,))
    with pytest.raises(VerificationError, match=r"tpm\.10 event log"):
        verdict(certified, OPTIONAL, anchors=anchors)


def test_log_that_is_there_must_replay_even_where_it_is_optional() -> None:
    tpm = SoftwareTpm(AUTHORITY, now=NOW)
    tpm.events = tpm.events[1:]
    trusted = trusting(hashlib.sha256(tpm.ak_public).hexdigest())
    assert refused_at(tpm.evidence(NONCE), trusted, OPTIONAL) == "tpm.10 event log"


def test_upstreams_evidence_passes_with_its_key_trusted_and_freshness_left_open() -> None:
    raw = vector("tpm", "tpm_evidence.json").read_bytes()
    public = msgspec.convert(msgspec.json.decode(raw)["ak_public"], bytes)
    options = (trusting(hashlib.sha256(public).hexdigest()), OPTIONAL)
    trail = trail_of("tpm")
    found = verdict(raw, *options, report_data=None, trail=trail)
    assert [one.n for one in trail.results if one.result is Result.SKIPPED] == [2, 8, 10]
    assert found.claims["init_data"] == bytes(32).hex()
    assert len(found.claims["report_data"]) == 128
    assert found.claims["report_data"].startswith("a04182b5")
    assert sum(name.startswith("pcr") for name in found.claims) == 24
    assert refused_at(raw, *options, report_data=found.report_data[:32]) == "tpm.8 nonce"
    assert refused_at(raw, *options, report_data=found.report_data) == "tpm.8 nonce"
    assert refused_at(raw, options[0], report_data=None) == "tpm.10 event log"
    assert refused_at(raw, OPTIONAL, report_data=None) == "tpm.2 certificate"


def test_initdata_of_a_trusted_key_is_still_bound() -> None:
    given = Inputs(now=NOW, options=Options(own=parse([trusting(HASH)])))
    expected = Expectation(report_data=NONCE, init_data=sha256(b"initdata"))
    with pytest.raises(VerificationError, match=r"tpm\.11 initdata"):
        verify("tpm", TPM.evidence(NONCE), expected, given)


@pytest.mark.parametrize(
    "option", [trusting("zz"), trusting("00" * 31), trusting("00" * 32, "0"), "tpm.event_log=maybe"]
)
def test_option_that_cannot_be_meant_is_the_callers_mistake(option: str) -> None:
    with pytest.raises(InputError, match="tpm"):
        verdict(TPM.evidence(NONCE), option)


def test_authority_out_of_the_operators_folder_is_trusted() -> None:
    anchors = Anchors.of_folder({"ca.pem": AUTHORITY.certificate_pem})
    assert verdict(TPM.evidence(NONCE), anchors=anchors).claims["ak_certified"] is True
    leaf = Anchors(material=anchors.material, pins=frozenset({hashlib.sha256(b"another").digest()}))
    with pytest.raises(VerificationError, match=r"tpm\.2 certificate"):
        verdict(TPM.evidence(NONCE), anchors=leaf)
