"""OCSP answers: read, verified, and refused; beside the cryptography library's reader."""

import base64
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509 import ocsp as oracle
from hypothesis import given, settings
from hypothesis import strategies as st

from casemate.crypto import der_encoding as der
from casemate.crypto import simulated
from casemate.crypto.certificate import Certificate
from casemate.crypto.keys import Kind, PrivateKey
from casemate.crypto.ocsp import LARGEST, Answer, Status, key_bits, question
from casemate.crypto.simulated import Period
from casemate.crypto.simulated_ocsp import OCSP_SIGNING, answer
from casemate.errors import PeerError

NOW = datetime(2025, 6, 1, tzinfo=UTC)
PERIOD = Period(NOW - timedelta(days=1), NOW + timedelta(days=1))
KEY, OTHER = PrivateKey.generate(Kind.P384), PrivateKey.generate(Kind.P384)


def certificate(
    name: str,
    serial: int,
    *,
    own: PrivateKey = KEY,
    delegate: bool = False,
    period: Period = PERIOD,
) -> Certificate:
    extensions = (OCSP_SIGNING,) if delegate else simulated.authority()
    return Certificate.parse(
        simulated.certificate(
            subject=simulated.name(name),
            spki=own.public.der(),
            issuer=simulated.name("issuer"),
            signer=KEY,
            period=period,
            serial=serial,
            extensions=extensions,
        )
    )


ISSUER = certificate("issuer", 1)
SUBJECT = certificate("subject", 77, own=OTHER)


def made(status: Status = Status.GOOD, signer: PrivateKey = KEY, delegate: bytes = b"") -> bytes:
    return answer(SUBJECT, ISSUER, signer=signer, period=PERIOD, status=status, delegate=delegate)


@pytest.mark.parametrize("status", list(Status))
def test_answer_says_what_it_was_made_to_say(status: Status) -> None:
    found = Answer.parse(made(status))
    (said,) = found.statements
    assert said.status is status
    assert said.is_about(SUBJECT, ISSUER)
    assert not said.is_about(ISSUER, ISSUER)
    assert not said.is_about(SUBJECT, SUBJECT)
    assert found.signed_for(ISSUER, NOW)


@pytest.mark.parametrize("status", list(Status))
def test_library_reads_the_same(status: Status) -> None:
    theirs = oracle.load_der_ocsp_response(made(status))
    (ours,) = Answer.parse(made(status)).statements
    assert theirs.certificate_status.name.lower() == ours.status
    assert theirs.serial_number == ours.serial
    assert theirs.issuer_name_hash == ours.issuer_name
    assert theirs.issuer_key_hash == ours.issuer_key
    assert theirs.this_update_utc == ours.this_update
    assert theirs.next_update_utc == ours.next_update


def test_question_is_the_librarys() -> None:
    subject = x509.load_der_x509_certificate(SUBJECT.der)
    issuer = x509.load_der_x509_certificate(ISSUER.der)
    theirs = oracle.OCSPRequestBuilder().add_certificate(subject, issuer, hashes.SHA256()).build()
    assert question(SUBJECT, ISSUER) == theirs.public_bytes(serialization.Encoding.DER)
    assert key_bits(ISSUER)[:1] == b"\x04"


def test_answer_holds_only_in_its_time() -> None:
    (said,) = Answer.parse(made()).statements
    assert said.holds(NOW)
    assert not said.holds(NOW - timedelta(days=2))
    assert not said.holds(NOW + timedelta(days=2))


def test_delegate_must_be_certified_for_it_and_valid() -> None:
    right = certificate("responder", 9, own=OTHER, delegate=True)
    stranger = certificate("responder", 9, own=OTHER)
    ended = certificate(
        "responder",
        9,
        own=OTHER,
        delegate=True,
        period=Period(NOW - timedelta(days=9), NOW - timedelta(days=8)),
    )
    for one, holds in ((right, True), (stranger, False), (ended, False)):
        found = Answer.parse(made(signer=OTHER, delegate=one.der))
        assert found.signed_for(ISSUER, NOW) is holds
    assert not Answer.parse(made(signer=OTHER)).signed_for(ISSUER, NOW)
    without = Certificate.parse(
        simulated.certificate(
            subject=simulated.name("responder"),
            spki=OTHER.public.der(),
            issuer=simulated.name("issuer"),
            signer=KEY,
            period=PERIOD,
            serial=9,
        )
    )
    assert not Answer.parse(made(signer=OTHER, delegate=without.der)).signed_for(ISSUER, NOW)


def test_flipped_bits_are_refused_or_do_not_verify() -> None:
    raw = made()
    for at in range(len(raw)):
        wrong = raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]
        try:
            found = Answer.parse(wrong)
        except PeerError:
            continue
        same = found.signed == Answer.parse(raw).signed
        assert same or not found.signed_for(ISSUER, NOW)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"0\0",
        der.sequence(der.element(0x0A, b"\1")),
        der.sequence(der.element(0x0A, b"\6"), der.element(0xA0, b"")),
        der.sequence(der.element(0x0A, b"\0"), der.element(0xA0, der.sequence())),
        der.sequence(
            der.element(0x0A, b"\0"),
            der.element(0xA0, der.sequence(der.oid("1.2.3"), der.octets(b""))),
        ),
        der.sequence(
            der.element(0x0A, b"\0"),
            der.element(
                0xA0,
                der.sequence(der.oid("1.3.6.1.5.5.7.48.1.1"), der.octets(der.sequence())),
            ),
        ),
        bytes(LARGEST + 1),
    ],
)
def test_what_is_no_answer_is_refused(raw: bytes) -> None:
    with pytest.raises(PeerError):
        Answer.parse(raw)


@settings(max_examples=200)
@given(st.integers(0, 600), st.integers(1, 255))
def test_any_changed_byte_raises_only_ours(at: int, change: int) -> None:
    raw = bytearray(made())
    raw[at % len(raw)] ^= change
    try:
        Answer.parse(bytes(raw))
    except PeerError:
        return


def test_key_that_cannot_be_read_signs_nothing() -> None:
    broken = Certificate.parse(
        simulated.certificate(
            subject=simulated.name("issuer"),
            spki=der.sequence(der.sequence(der.oid("1.2.3")), der.bits(b"x")),
            issuer=simulated.name("issuer"),
            signer=KEY,
            period=PERIOD,
            serial=1,
        )
    )
    assert not Answer.parse(made()).signed_for(broken, NOW)
    assert base64.b64encode(key_bits(broken)) == b"eA=="
