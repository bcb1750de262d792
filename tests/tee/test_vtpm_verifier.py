import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casemate.crypto.authority import CertificateAuthority
from casemate.crypto.digest import sha256
from casemate.crypto.x509 import Usage, split_pem
from casemate.errors import VerificationError
from casemate.tee.anchors import Anchors
from casemate.tee.evidence import Expectation, Inputs, VerifiedEvidence
from casemate.tee.verifiers import verify
from casemate.tee.vtpm.fake import SoftwareTpm
from casemate.wire.eventlog import LoggedEvent
from casemate.wire.tpm import ALG_SHA1, ALG_SHA256, ALL_PCRS, PcrSelection
from tests.vectors import vector

NOW = datetime(2025, 6, 1, tzinfo=UTC)
AUTHORITY = CertificateAuthority.create("platform", now=NOW)
ANCHORS = Anchors(ak_authorities=(AUTHORITY.certificate_pem,))
NONCE = bytes(range(48))
INIT_DATA = sha256(b"initdata")
EXPECTED = Expectation(report_data=NONCE, init_data=INIT_DATA)


@pytest.fixture(scope="module")
def machine() -> Callable[[], SoftwareTpm]:
    made = SoftwareTpm(AUTHORITY, now=NOW)
    made.bind_init_data(INIT_DATA)
    fields = dict(vars(made))

    def copy() -> SoftwareTpm:
        again = object.__new__(SoftwareTpm)
        vars(again).update(fields | {"pcrs": list(made.pcrs)})
        return again

    return copy


Machine = Callable[[], SoftwareTpm]


def verdict(
    evidence: bytes, expected: Expectation = EXPECTED, anchors: Anchors = ANCHORS
) -> VerifiedEvidence:
    (found,) = verify("tpm", evidence, expected, Inputs(now=NOW, anchors=anchors))
    return found


def refused_at(
    evidence: bytes, expected: Expectation = EXPECTED, anchors: Anchors = ANCHORS
) -> str:
    with pytest.raises(VerificationError) as caught:
        verdict(evidence, expected, anchors)
    return caught.value.refusal.step


def changed(evidence: bytes, **members: Any) -> bytes:
    return msgspec.json.encode(msgspec.json.decode(evidence) | members)


def test_certified_fresh_evidence_passes_with_its_claims(machine: Machine) -> None:
    tpm = machine()
    found = verdict(tpm.evidence(NONCE))
    assert found.report_data == NONCE[:32]
    assert found.init_data == tpm.pcrs[8]
    assert found.claims["pcr08"] == tpm.pcrs[8].hex()
    assert found.claims["ak_certified"] is True
    assert found.claims["uefi_event_logs"][0]["type_name"] == "EV_SEPARATOR"
    assert sum(name.startswith("pcr") for name in found.claims) == 24


def test_short_report_data_is_padded_to_the_nonce(machine: Machine) -> None:
    expected = Expectation(report_data=b"short", init_data=INIT_DATA)
    assert verdict(machine().evidence(b"short"), expected).report_data == b"short".ljust(32, b"\0")


def test_key_without_a_certificate_is_refused(machine: Machine) -> None:
    tpm = machine()
    tpm.ak_certificate = b""
    assert refused_at(tpm.evidence(NONCE)) == "tpm.2 certificate"


def test_key_certified_by_another_authority_is_refused(machine: Machine) -> None:
    other = CertificateAuthority.create("platform", now=NOW)
    anchors = Anchors(ak_authorities=(other.certificate_pem,))
    assert refused_at(machine().evidence(NONCE), anchors=anchors) == "tpm.2 certificate"


def test_without_any_configured_authority_nothing_passes(machine: Machine) -> None:
    assert refused_at(machine().evidence(NONCE), anchors=Anchors()) == "tpm.2 certificate"


def test_tls_certificate_of_the_platform_is_refused(machine: Machine) -> None:
    tpm = machine()
    pem = AUTHORITY.issue_for_public_key(tpm.ak_public, "tls", Usage.CLIENT, now=NOW)
    tpm.ak_certificate = split_pem(pem)[0]
    assert refused_at(tpm.evidence(NONCE)) == "tpm.2 certificate"


def test_expired_certificate_is_refused(machine: Machine) -> None:
    with pytest.raises(VerificationError) as caught:
        verify(
            "tpm",
            machine().evidence(NONCE),
            EXPECTED,
            Inputs(now=NOW + timedelta(days=400), anchors=ANCHORS),
        )
    assert caught.value.refusal.step == "tpm.2 certificate"


def test_certificate_of_another_machine_is_refused(machine: Machine) -> None:
    tpm = machine()
    tpm.ak_certificate = SoftwareTpm(AUTHORITY, now=NOW).ak_certificate
    assert refused_at(tpm.evidence(NONCE)) == "tpm.3 key"


def test_quote_with_trailing_bytes_is_refused(machine: Machine) -> None:
    tpm = machine()
    message = tpm.quote(NONCE).encode() + b"\0"
    assert refused_at(tpm.present(message, tpm.sign(message))) == "tpm.4 quote"


@pytest.mark.parametrize(("offset", "flaw"), [(0, "magic"), (5, "type")])
def test_other_attestation_structures_are_refused(machine: Machine, offset: int, flaw: str) -> None:
    tpm = machine()
    message = bytearray(tpm.quote(NONCE).encode())
    message[offset] ^= 1
    with pytest.raises(VerificationError) as caught:
        verdict(tpm.present(bytes(message), tpm.sign(bytes(message))))
    assert (caught.value.refusal.step, flaw in caught.value.refusal.got) == ("tpm.4 quote", True)


def test_signature_of_another_key_is_refused(machine: Machine) -> None:
    message = machine().quote(NONCE).encode()
    stranger = SoftwareTpm(AUTHORITY, now=NOW)
    assert refused_at(machine().present(message, stranger.sign(message))) == "tpm.5 signature"


@pytest.mark.parametrize(
    "selections",
    [
        (PcrSelection.of((*range(8), 16)),),
        (PcrSelection(ALG_SHA1, b"\xff\xff\xff"),),
        (PcrSelection(ALG_SHA256, b"\xff\xff\xff\x01"),),
        (ALL_PCRS, ALL_PCRS),
        (),
    ],
)
def test_quote_over_other_registers_is_refused(
    machine: Machine, selections: tuple[PcrSelection, ...]
) -> None:
    tpm = machine()
    tpm.selections = selections
    assert refused_at(tpm.evidence(NONCE)) == "tpm.6 selection"


@pytest.mark.parametrize("pcrs", [[], ["00" * 32] * 23, ["00" * 31] * 24, ["zz" * 32] * 24])
def test_other_than_24_pcr_values_are_refused(machine: Machine, pcrs: list[str]) -> None:
    evidence = machine().evidence(NONCE)
    quote = msgspec.json.decode(evidence)["tpm_quote"] | {"pcrs": pcrs}
    assert refused_at(changed(evidence, tpm_quote=quote)) == "tpm.7 pcr values"


def test_stale_nonce_is_refused(machine: Machine) -> None:
    assert refused_at(machine().evidence(b"an older session")) == "tpm.8 nonce"


def test_changed_pcr_value_is_refused(machine: Machine) -> None:
    evidence = machine().evidence(NONCE)
    quote = msgspec.json.decode(evidence)["tpm_quote"]
    quote["pcrs"][11] = "11" * 32
    assert refused_at(changed(evidence, tpm_quote=quote)) == "tpm.9 pcr digest"


def test_log_without_an_entry_is_refused(machine: Machine) -> None:
    tpm = machine()
    tpm.events = tpm.events[1:]
    with pytest.raises(VerificationError) as caught:
        verdict(tpm.evidence(NONCE))
    assert caught.value.refusal.step == "tpm.10 event log"
    assert caught.value.refusal.claim == "pcr00"


def test_register_the_log_does_not_explain_is_refused(machine: Machine) -> None:
    tpm = machine()
    tpm.pcrs[12] = hashlib.sha256(b"a command line of the host").digest()
    with pytest.raises(VerificationError) as caught:
        verdict(tpm.evidence(NONCE))
    assert caught.value.refusal.claim == "pcr12"


def test_register_10_other_than_the_boot_aggregate_is_refused(machine: Machine) -> None:
    tpm = machine()
    tpm.pcrs[10] = bytes(range(32))
    assert refused_at(tpm.evidence(NONCE)) == "tpm.10 event log"


def test_log_with_an_entry_for_no_register_is_refused(machine: Machine) -> None:
    tpm = machine()
    tpm.events += (LoggedEvent(24, 4, ((ALG_SHA256, bytes(32)),), b""),)
    assert refused_at(tpm.evidence(NONCE)) == "tpm.10 event log"


def test_missing_event_log_is_refused(machine: Machine) -> None:
    assert refused_at(changed(machine().evidence(NONCE), event_log="")) == "tpm.10 event log"


@pytest.mark.parametrize("digest", [None, sha256(b"other initdata")])
def test_other_initdata_than_bound_is_refused(machine: Machine, digest: Any) -> None:
    expected = Expectation(report_data=NONCE, init_data=digest)
    assert refused_at(machine().evidence(NONCE), expected) == "tpm.11 initdata"


def test_initdata_absent_on_both_sides_passes() -> None:
    tpm = SoftwareTpm(AUTHORITY, now=NOW)
    expected = Expectation(report_data=NONCE, init_data=None)
    assert verdict(tpm.evidence(NONCE), expected).init_data == bytes(32)


def test_runtime_extension_travels_with_its_event(machine: Machine) -> None:
    tpm = machine()
    tpm.extend(14, hashlib.sha256(b"event").digest(), b"event")
    assert verdict(tpm.evidence(NONCE)).claims["uefi_event_logs"][-1]["index"] == 14


def test_known_answer_of_the_initdata_register() -> None:
    digest = bytes.fromhex("8505e4e25e50a27c5dc8147af88efbece627fbea55291911eff832d9ee127781")
    assert hashlib.sha256(bytes(32) + digest).hexdigest() == (
        "bddaccb9c52249e97a31baea61b7d91be8221a16e703d92148d04fb8e9c1dfdd"
    )


def test_upstream_evidence_has_no_certificate_and_is_refused() -> None:
    raw = vector("tpm", "tpm_evidence.json").read_bytes()
    assert refused_at(raw) == "tpm.2 certificate"


def test_upstream_evidence_with_our_members_fails_only_on_freshness() -> None:
    raw = vector("tpm", "tpm_evidence.json").read_bytes()
    public = msgspec.json.decode(raw)["ak_public"]
    spki = msgspec.convert(public, bytes)
    pem = AUTHORITY.issue_for_public_key(spki, "ak", Usage.ATTESTATION_KEY, now=NOW)
    with_certificate = changed(raw, ak_certificate=msgspec.to_builtins(split_pem(pem)[0]))
    assert refused_at(with_certificate) == "tpm.8 nonce"


def test_unknown_tee_is_refused() -> None:
    with pytest.raises(VerificationError):
        verify("tdx9", b"{}", EXPECTED, Inputs(now=NOW, anchors=ANCHORS))


@pytest.mark.check("tpm", 1)
@given(st.binary(max_size=512))
@settings(max_examples=50)
def test_any_bytes_at_all_are_refused(data: bytes) -> None:
    assert refused_at(data) == "tpm.1 shape"


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_any_changed_quote_is_refused(data: st.DataObject) -> None:
    message = bytearray(_MACHINE.quote(NONCE).encode())
    at = data.draw(st.integers(0, len(message) - 1))
    message[at] ^= data.draw(st.integers(1, 255))
    signature = _MACHINE.sign(_MACHINE.quote(NONCE).encode())
    assert refused_at(_MACHINE.present(bytes(message), signature)) in {
        "tpm.4 quote",
        "tpm.5 signature",
    }


_MACHINE = SoftwareTpm(AUTHORITY, now=NOW)
