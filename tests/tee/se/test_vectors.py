"""Secure Execution against what s390-tools and upstream compute: every row of the vectors."""

import hashlib
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from casemate.crypto.agreement import coordinates
from casemate.crypto.certificate import Certificate
from casemate.crypto.keys import PrivateKey, PublicKey
from casemate.errors import PeerError, VerificationError
from casemate.secret import Secret
from casemate.tee.anchors import Anchors
from casemate.tee.evidence import Inputs
from casemate.tee.material import Material
from casemate.tee.se import host_key, request_block
from casemate.tee.se.challenge import challenge
from casemate.tee.se.image_header import ImageHeader, ImageTags
from casemate.tee.se.measurement import measure
from casemate.tee.se.report import SeRequest
from casemate.tee.se.request_block import Asked, KeySlot, RequestBlock
from tests.vectors import vector

NOW = datetime(2025, 6, 1, tzinfo=UTC)
REQUEST_KEY = Secret(b"\x17" * 32)
ASKED = Asked(
    request_key=REQUEST_KEY,
    iv=b"\x55" * 12,
    measurement_key=Secret(b"\x77" * 64),
    nonce=b"\xab" * 16,
)


def se(name: str) -> bytes:
    return vector("se", *name.split("/")).read_bytes()


def customer() -> PrivateKey:
    number = int.from_bytes(se("private_cust.bin"), "big")
    native: Any = ec.derive_private_key(number, ec.SECP521R1())
    return PrivateKey.from_pem(
        native.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


def host() -> PublicKey:
    (document,) = Material.of_files({"host": se("host.pem.crt")}).certificates
    return PublicKey.from_der(document.spki)


def test_customer_key_is_the_vectors() -> None:
    assert coordinates(customer().public, width=80) == se("public_cust.bin")


def test_key_slot_is_the_vectors() -> None:
    assert KeySlot.wrap(REQUEST_KEY, host(), customer()).encode() == se("keyslot.bin")


def test_request_is_built_byte_for_byte() -> None:
    assert request_block.encode(ASKED, [host()], customer()) == se("arcb.bin")


def test_request_is_read_and_opened() -> None:
    block = RequestBlock.parse(se("arcb.bin"))
    assert int(block.flags) == 0x7000000000000000
    assert block.additional_size == 64
    assert block.slots[0].encode() == se("keyslot.bin")
    key, nonce = block.open(REQUEST_KEY)
    assert (key.reveal(), nonce) == (b"\x77" * 64, b"\xab" * 16)


@pytest.mark.parametrize(
    ("offset", "words"),
    [(0, "this is no request"), (0x3B, "algorithm 17"), (0x3C, "tag")],
)
def test_tampered_requests_are_refused_for_their_reason(offset: int, words: str) -> None:
    raw = bytearray(se("arcb.bin"))
    raw[offset] = 17
    with pytest.raises((PeerError, VerificationError), match=words):
        RequestBlock.parse(bytes(raw)).open(REQUEST_KEY)


TAGS = ImageTags(b"\1" * 64, b"\2" * 64, b"\3" * 64, b"\4" * 16)
CUID = b"\5" * 16


def test_measurement_known_answers() -> None:
    key = Secret(b"\x41" * 64)
    user, nonce, additional = b"\7" * 256, b"\x08" * 16, b"\x09" * 128
    whole = measure(key, TAGS, CUID, user=user, nonce=nonce, additional=additional)
    assert whole.hex() == (
        "88794c62cce7bcf26216deb3f48f13fea6374b6d7e35bcc5c2ce68121db6f45d"
        "fc8c171856463549408bf8e7d1aca11efad0a878af97dc9e21a1fc2a32f3a675"
    )
    no_nonce = measure(key, TAGS, CUID, user=user, additional=additional)
    assert no_nonce.hex() == (
        "fbd4f738a390edd947cd4f11af3a2f3bab2fdf8bf89bf81beb495117f4382cf4"
        "2f0730c8c7d9e3ca27fb25adfceb21224f57fdb398dcf41a83c146e6a23db760"
    )
    assert measure(key, TAGS, CUID).hex() == (
        "c5c34c93835d1ec23f5c2d778dfa20129b11b305601742cb2f38e0ed9894dcdb"
        "73fc8695ab6a8dbad0744073ddc81a5eaafa52e4a15af8deb8d761091922847f"
    )


def require_expected(tags: ImageTags) -> None:
    assert tags.pld.hex().startswith("be94b5eab3c1b118")
    assert tags.ald.hex().startswith("2858c3368b2a0af0")
    assert tags.tld.hex().startswith("4860ebcf7b9d24eb")
    assert tags.tag.hex() == "92309d4589b9a85b427f8753171d1520"


def test_image_header_is_read() -> None:
    require_expected(ImageHeader.find(se("secure_guest.hdr")).tags)


def test_image_header_is_found_on_a_page_boundary() -> None:
    image = bytearray(0x13000)
    image[0x12000:0x12280] = se("secure_guest.hdr")
    found = ImageHeader.find(bytes(image))
    assert found.offset == 0x12000
    require_expected(found.tags)


@pytest.mark.parametrize("flaw", ["elsewhere", "magic", "cut front", "cut back"])
def test_image_headers_that_do_not_hold_are_refused(flaw: str) -> None:
    header = se("secure_guest.hdr")
    page = bytearray(4096)
    page[8 : 8 + len(header)] = header
    image = {
        "elsewhere": bytes(page),
        "magic": header[1::-1] + header[2:],
        "cut front": header[1:],
        "cut back": header[:-1],
    }[flaw]
    with pytest.raises(PeerError):
        ImageHeader.find(image)


# ---- host key documents; root_ca.chained.crt is root_ca.crt and root_ca.crl ----

SIGNERS = ("ibm.crt", "ibm_armonk.crt")
LISTS = ("ibm.crl", "ibm_armonk.crl")
HOSTS = ("host.crt", "host_armonk.crt")


def verify(
    host_name: str,
    *,
    signers: tuple[str, ...] = ("ibm.crt",),
    lists: tuple[str, ...] = ("ibm.crl", "inter_ca.crl"),
    intermediates: tuple[str, ...] = ("inter_ca.crt",),
    root: str | None = "root_ca.chained.crt",
) -> None:
    names = (*signers, *lists, *intermediates, *([root] if root else []))
    files = {name: se(f"hkd/{name}") for name in names}
    material = Material.of_files(files)
    pins = frozenset(one.fingerprint for one in material.certificates if one.issuer == one.subject)
    (document,) = Material.of_files({"host": se(f"hkd/{host_name}")}).certificates
    signer = host_key.find_signer(material.certificates, NOW)
    host_key.verify_signer(signer, material.certificates, material.lists, pins=pins, at=NOW)
    host_key.verify_document(document, signer, NOW)
    host_key.verify_not_revoked(document, signer, material.lists, NOW)


@pytest.mark.parametrize("host_name", HOSTS)
@pytest.mark.parametrize("signer", SIGNERS)
@pytest.mark.parametrize("listed", LISTS)
def test_any_mix_of_towns_is_valid(host_name: str, signer: str, listed: str) -> None:
    verify(host_name, signers=(signer,), lists=(listed, "inter_ca.crl"))


@pytest.mark.parametrize(
    ("host_name", "words"),
    [
        ("host_rev.crt", "revoked"),
        ("host_crt_expired.crt", "after validity"),
        ("host_invalid_signing_key.crt", "not the signing certificate"),
        ("fake_host.crt", "signature that does not verify"),
    ],
)
def test_host_key_documents_that_do_not_hold_are_refused(host_name: str, words: str) -> None:
    with pytest.raises(VerificationError, match=words):
        verify(host_name)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"signers": ("ibm_expired.crt",)}, "no signing key"),
        ({"signers": ("ibm_wrong_subject.crt",)}, "no signing key"),
        ({"signers": ()}, "no signing key"),
        ({"signers": ("ibm.crt", "ibm_rev.crt")}, "more than one signing key"),
        ({"signers": ("ibm_rev.crt",)}, "revoked"),
        ({"lists": ()}, "no valid revocation list"),
        ({"lists": ("ibm.crl",)}, "no valid revocation list"),
        ({"root": "root_ca.crt"}, "no valid revocation list"),
        ({"lists": ("inter_ca.crl",)}, "revocation list missing"),
        (
            {"intermediates": ("fake_inter_ca.crt",), "lists": ("ibm.crl", "fake_inter_ca.crl")},
            "does not verify",
        ),
        ({"root": None}, "issuer not found"),
        ({"intermediates": ()}, "issuer not found"),
    ],
)
def test_chains_that_do_not_hold_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(VerificationError, match=words):
        verify("host.crt", **options)


@pytest.mark.parametrize(
    "listed",
    [
        "ibm_outdated_early.crl",
        "ibm_outdated_late.crl",
        "ibm_wrong_issuer.crl",
        "ibm_wrong_subject.crl",
        "ibm_invalid_hash.crl",
    ],
)
def test_lists_of_the_signer_that_do_not_count_are_missing(listed: str) -> None:
    with pytest.raises(VerificationError, match="revocation list missing"):
        verify("host.crt", lists=(listed, "inter_ca.crl"))


@pytest.mark.parametrize("listed", ["inter_ca.invalid_date.crl", "inter_ca.invalid_signer.crl"])
def test_lists_of_the_intermediate_that_do_not_count_are_missing(listed: str) -> None:
    with pytest.raises(VerificationError, match="no valid revocation list"):
        verify("host.crt", lists=("ibm.crl", listed))


def test_every_vector_is_used() -> None:
    """The folder holds nothing that these tests do not look at."""
    text = Path(__file__).read_text()
    for file in vector("se", "hkd").iterdir():
        assert file.name in text, file.name


def test_host_key_hash_is_the_slots() -> None:
    digest = hashlib.sha256(coordinates(host(), width=80)).digest()
    assert se("keyslot.bin")[:32] == digest == request_block.hash_of(host())
    document = Material.of_files({"host": se("host.pem.crt")}).certificates
    assert isinstance(document[0], Certificate)
    assert host_key.host_keys(document)[0].hash == digest


def test_a_challenge_is_made_for_a_real_host_key_document() -> None:
    names = ("host.crt", "ibm_armonk.crt", "ibm.crl", "inter_ca.crt", "inter_ca.crl")
    trusted = {
        "root.crt": se("hkd/root_ca.chained.crt"),
        "header": se("secure_guest.hdr"),
        "se-challenge.key": bytes(32),
    }
    inputs = Inputs(
        now=NOW,
        anchors=Anchors.of_folder(trusted),
        collateral=Material.of_files({name: se(f"hkd/{name}") for name in names}),
    )
    text = challenge("session", NOW + timedelta(minutes=5), inputs, os.urandom)
    request = msgspec.json.decode(text, type=SeRequest)
    require_expected(ImageTags.parse(request.image_hdr_tags))
    (slot,) = RequestBlock.parse(request.request_blob).slots
    (host_document,) = Material.of_files({"host": se("hkd/host.crt")}).certificates
    assert slot.host_key_hash == request_block.hash_of(PublicKey.from_der(host_document.spki))
    revoked = {name: se(f"hkd/{name}") for name in (*names[1:], "host_rev.crt")}
    with pytest.raises(VerificationError, match=r"se\.12 revocation"):
        challenge(
            "session",
            NOW,
            msgspec.structs.replace(inputs, collateral=Material.of_files(revoked)),
            os.urandom,
        )
