"""Broken, cut, overlong and mistyped input: our errors alone, in bounded time and memory."""

import json
from base64 import b64decode, b64encode
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casemate.crypto.keys import Kind, PrivateKey
from casemate.errors import CasemateError, InputError, PeerError, VerificationError
from casemate.secret import Secret
from casemate.tee.anchors import Anchors
from casemate.tee.evidence import Challenge, Expectation, Inputs
from casemate.tee.layouts import LAYOUTS
from casemate.tee.material import Material
from casemate.tee.se import names, request_block, sealing
from casemate.tee.se.challenge import challenge
from casemate.tee.se.claims import evidence_field
from casemate.tee.se.fake_vendor import FakeVendor
from casemate.tee.se.image_header import ImageHeader, ImageTags, encode_header
from casemate.tee.se.report import RESPONSE_SIZES
from casemate.tee.se.request_block import Asked, RequestBlock
from casemate.tee.se.sealing import Binding, Part
from casemate.tee.verifiers import verify
from tests.tee.se.test_simulated import NOW, inputs_of, made, verdict

ONE = made()
INPUTS = inputs_of(ONE)
PAIR: dict[str, Any] = json.loads(ONE.evidence)
BLOCK = b64decode(PAIR["request"]["request_blob"])
EXPECTED = Expectation(report_data=ONE.report_data)


def refused(raw: bytes, inputs: Inputs = INPUTS) -> str:
    with pytest.raises(VerificationError) as caught:
        verify("se", raw, EXPECTED, inputs)
    return caught.value.refusal.step


def pair_with(message: str, member: str, value: object) -> bytes:
    part = {**PAIR[message], member: value}
    if value is None:
        del part[member]
    return json.dumps({**PAIR, message: part}).encode()


def answering(response: bytes, text: str | None = None, session: str = "simulated") -> str:
    """Verify as a Trustee does: it has the challenge, and gets a response alone."""
    given_text = json.dumps(PAIR["request"]) if text is None else text
    inputs = inputs_of(ONE, challenge=Challenge(text=given_text, session=session))
    return refused(response, inputs)


RESPONSE = json.dumps(PAIR["response"]).encode()


def test_a_response_alone_is_accepted_by_who_has_its_challenge() -> None:
    text = json.dumps(PAIR["request"])
    inputs = inputs_of(ONE, challenge=Challenge(text=text, session="simulated"))
    assert verify("se", RESPONSE, EXPECTED, inputs)


def test_a_pair_without_a_session_leaves_it_open() -> None:
    bare = {name: value for name, value in PAIR.items() if name != "session"}
    assert verify("se", json.dumps(bare).encode(), EXPECTED, INPUTS)


def test_a_response_alone_is_refused_at_a_desk() -> None:
    assert refused(RESPONSE) == "se.2 request"


def test_a_pair_is_refused_where_there_is_a_challenge() -> None:
    assert answering(ONE.evidence) == "se.1 shape"


@pytest.mark.parametrize("text", ["", "{}", "null", '"\ud800"', "[" * 10_000, "x" * (5 << 20)])
def test_unreadable_challenges_are_refused(text: str) -> None:
    assert answering(RESPONSE, text) == "se.2 request"


def test_a_challenge_of_another_session_is_refused() -> None:
    assert answering(RESPONSE, session="another") == "se.5 session"
    assert answering(RESPONSE, session="\ud800") == "se.5 session"


@pytest.mark.parametrize("member", PAIR["response"])
@pytest.mark.parametrize(
    "value", [None, 1, [], {}, "", "AA==", "A", "%%%%", "-_-_", "QUJD\n", "\u00e9", "A" * 100_000]
)
def test_members_of_the_response_that_cannot_be_meant(member: str, value: object) -> None:
    assert refused(pair_with("response", member, value)).startswith(("se.1 ", "se.3 "))


@pytest.mark.parametrize("member", RESPONSE_SIZES)
@pytest.mark.parametrize("change", [-1, 1])
def test_members_have_their_sizes(member: str, change: int) -> None:
    data = bytes(RESPONSE_SIZES[member] + change)
    assert refused(pair_with("response", member, b64encode(data).decode())) == "se.1 shape"


@pytest.mark.parametrize("member", PAIR["request"])
@pytest.mark.parametrize("value", [None, [], {}, "", "AA==", "A", "-_-_", -1, 1.5, 1 << 64])
def test_members_of_the_request_that_cannot_be_meant(member: str, value: object) -> None:
    step = refused(pair_with("request", member, value))
    assert step.startswith(("se.1 ", "se.2 ", "se.3 "))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\0",
        b"{}",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"[" * 10_000,
        b'{"request":' * 10_000,
        b'{"request":{},"response":{}}',
        b'{"request":null,"response":null}',
        json.dumps({**PAIR, "more": 1}).encode(),
        json.dumps({**PAIR, "session": 1}).encode(),
        pytest.param(bytes(64 << 20), id="64 MiB of zeros"),
    ],
)
def test_other_shapes_are_refused(raw: bytes) -> None:
    assert refused(raw) in {"se.1 shape", "se.2 request"}


def test_evidence_is_refused_wherever_it_is_cut() -> None:
    for size in range(0, len(ONE.evidence), 7):
        assert refused(ONE.evidence[:size]) in {"se.1 shape", "se.2 request"}


# ---- one bit, everywhere ----


@pytest.mark.parametrize("member", ["measurement", "additional_data", "user_data", "cuid"])
def test_every_byte_of_what_is_measured_counts(member: str) -> None:
    data = b64decode(PAIR["response"][member])
    for at in range(len(data)):
        changed = bytearray(data)
        changed[at] ^= 0x80
        text = b64encode(bytes(changed)).decode()
        assert refused(pair_with("response", member, text)) == "se.7 measurement"


def test_every_byte_of_the_request_counts() -> None:
    for at in range(len(BLOCK)):
        changed = bytearray(BLOCK)
        changed[at] ^= 1
        text = b64encode(bytes(changed)).decode()
        step = refused(pair_with("request", "request_blob", text))
        assert step in {"se.2 request", "se.4 seal"}


@pytest.mark.parametrize("member", ["encr_measurement_key", "encr_request_nonce"])
def test_every_byte_of_a_seal_counts(member: str) -> None:
    data = b64decode(PAIR["request"][member])
    for at in range(len(data)):
        changed = bytearray(data)
        changed[at] ^= 1
        text = b64encode(bytes(changed)).decode()
        both = {name: {**PAIR[name], member: text} for name in ("request", "response")}
        assert refused(json.dumps({**PAIR, **both}).encode()) == "se.4 seal"


@pytest.mark.parametrize("member", ["encr_measurement_key", "encr_request_nonce"])
def test_a_seal_does_not_stand_for_the_other(member: str) -> None:
    other = {"encr_measurement_key": "encr_request_nonce"}.get(member, "encr_measurement_key")
    both = {
        name: {**PAIR[name], member: PAIR["request"][other]} for name in ("request", "response")
    }
    assert refused(json.dumps({**PAIR, **both}).encode()) == "se.4 seal"


def test_seals_of_two_challenges_for_one_request_are_refused() -> None:
    key = Secret(ONE.roots["se-challenge.key"])
    tags = b64decode(PAIR["request"]["image_hdr_tags"])
    sealed = sealing.seal(
        key,
        Part.NONCE,
        Secret(bytes(16)),
        Binding(tags, BLOCK),
        session="another",
        expires=NOW + timedelta(hours=1),
        iv=bytes(12),
    )
    text = b64encode(sealed).decode()
    both = {name: {**PAIR[name], "encr_request_nonce": text} for name in ("request", "response")}
    assert refused(json.dumps({**PAIR, **both}).encode()) == "se.4 seal"


def test_certificates_of_the_same_name_from_somebody_else_are_refused() -> None:
    stranger = made().collateral
    for name in ONE.collateral:
        published = {**ONE.collateral, name: stranger[name]}
        inputs = inputs_of(ONE, collateral=Material.of_files(published))
        assert refused(ONE.evidence, inputs).startswith(("se.8 ", "se.10 ", "se.11 ", "se.12 "))


def test_each_piece_that_is_published_is_needed() -> None:
    for name in ONE.collateral:
        published = {one: body for one, body in ONE.collateral.items() if one != name}
        inputs = inputs_of(ONE, collateral=Material.of_files(published))
        assert refused(ONE.evidence, inputs).startswith(("se.8", "se.9", "se.10", "se.12"))


def test_a_certificate_that_only_resembles_a_host_key_is_said() -> None:
    """A P-521 key that is no point of the curve."""
    (document,) = Material.of_files({"x": ONE.collateral["host-key.pem"]}).certificates
    broken = document.der.replace(document.spki[-20:], bytes(20))
    published = Material.of_files({"x": broken, **_without("host-key.pem")})
    assert refused(ONE.evidence, inputs_of(ONE, collateral=published)) == "se.8 host key"


def _without(name: str) -> dict[str, bytes]:
    return {one: body for one, body in ONE.collateral.items() if one != name}


# ---- the operator's own mistakes ----


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("se-challenge.key", b"short"),
        ("se-image-header.bin", b"IBMSecEx" + bytes(100)),
        ("other.bin", b"\0IBMSecEx"),
        ("se-customer-key.pem", b"no key"),
        ("se-customer-key.pem", PrivateKey.generate(Kind.P256).pem().reveal()),
    ],
)
def test_operators_files_that_cannot_be_meant(name: str, body: bytes) -> None:
    anchors = Anchors.of_folder({**ONE.roots, name: body})
    with pytest.raises(InputError):
        verify("se", ONE.evidence, EXPECTED, inputs_of(ONE, anchors=anchors))


def test_nothing_is_accepted_without_a_header_or_with_another() -> None:
    bare = {name: body for name, body in ONE.roots.items() if "header" not in name}
    assert refused(ONE.evidence, inputs_of(ONE, anchors=Anchors.of_folder(bare))) == "se.6 image"


@pytest.mark.parametrize("gone", ["se-challenge.key", "se-image-header.bin"])
def test_no_challenge_without_key_or_header(gone: str) -> None:
    roots = {name: body for name, body in ONE.roots.items() if name != gone}
    inputs = inputs_of(ONE, anchors=Anchors.of_folder(roots))
    with pytest.raises(InputError):
        challenge("s", NOW, inputs, bytes)


def test_no_challenge_without_a_host() -> None:
    inputs = inputs_of(ONE, collateral=Material.of_files(_without("host-key.pem")))
    with pytest.raises(InputError, match="host key documents"):
        challenge("s", NOW, inputs, bytes)


def test_a_challenge_serves_every_host_given() -> None:
    hosts = [PrivateKey.generate(Kind.P521) for _ in range(3)]
    vendor = FakeVendor(NOW)
    roots, published = vendor.publishes({f"host-{n}.pem": h.public for n, h in enumerate(hosts)})
    trusted = {**roots, "k/se-challenge.key": bytes(32), "header": encode_header(TAGS)}
    inputs = Inputs(
        now=NOW, anchors=Anchors.of_folder(trusted), collateral=Material.of_files(published)
    )
    text = challenge("s", NOW + timedelta(minutes=5), inputs, lambda size: b"r" * size)
    block = RequestBlock.parse(b64decode(json.loads(text)["request_blob"]))
    assert [block.open_as(host)[1] for host in hosts] == [b"r" * 16] * 3
    with pytest.raises(InputError, match="other hosts"):
        block.open_as(PrivateKey.generate(Kind.P521))


# ---- any bytes, and back ----

TAGS = ImageTags(b"\1" * 64, b"\2" * 64, b"\3" * 64, b"\4" * 16)


@given(st.binary(max_size=600))
def test_any_bytes_raise_only_our_errors(raw: bytes) -> None:
    for parse in (
        RequestBlock.parse,
        ImageHeader.find,
        ImageTags.parse,
        names.entries,
        LAYOUTS["se"],
    ):
        for data in (raw, b"IBMSecEx" + raw, bytes(8) + raw):
            try:
                parse(data)
            except CasemateError:
                continue
    with pytest.raises(CasemateError):
        verify("se", raw, EXPECTED, INPUTS)
    with pytest.raises(CasemateError):
        sealing.unseal(Secret(bytes(32)), Part.NONCE, b"\1" + raw, Binding(bytes(208), b""))


@given(st.integers(0, 399), st.integers(0, 255))
def test_a_changed_block_is_refused_or_read(at: int, value: int) -> None:
    changed = bytearray(BLOCK)
    changed[at] = value
    try:
        assert RequestBlock.parse(bytes(changed)).raw == changed
    except PeerError:
        return


def test_a_block_is_refused_at_any_other_length() -> None:
    for size in range(len(BLOCK)):
        with pytest.raises(PeerError):
            RequestBlock.parse(BLOCK[:size])
    for more in (b"\0", bytes(1 << 16)):
        with pytest.raises(PeerError):
            RequestBlock.parse(BLOCK + more)


@pytest.mark.parametrize(("offset", "size"), [(12, 4), (39, 1), (44, 4)])
@pytest.mark.parametrize("change", ["zero", "less", "more", "most"])
def test_lengths_of_a_block_agree(offset: int, size: int, change: str) -> None:
    old = int.from_bytes(BLOCK[offset : offset + size], "big")
    most = (1 << 8 * size) - 1
    new = {"zero": 0, "less": old - 1, "more": old + 1, "most": most}[change]
    changed = bytearray(BLOCK)
    changed[offset : offset + size] = new.to_bytes(size, "big")
    with pytest.raises(PeerError):
        RequestBlock.parse(bytes(changed))


@given(st.binary(min_size=16, max_size=16), st.integers(1, 4))
def test_what_is_built_is_read(nonce: bytes, count: int) -> None:
    hosts = [HOSTS[n] for n in range(count)]
    asked = Asked(
        request_key=Secret(b"k" * 32),
        iv=bytes(12),
        measurement_key=Secret(b"m" * 64),
        nonce=nonce,
    )
    block = RequestBlock.parse(request_block.encode(asked, [h.public for h in hosts], HOSTS[0]))
    assert len(block.slots) == count
    for host in hosts:
        key, found = block.open_as(host)
        assert (key.reveal(), found) == (b"m" * 64, nonce)


HOSTS = [PrivateKey.generate(Kind.P521) for _ in range(4)]


@pytest.mark.parametrize("count", [0, 256])
def test_a_block_is_for_some_hosts(count: int) -> None:
    asked = Asked(
        request_key=Secret(bytes(32)), iv=bytes(12), measurement_key=Secret(b""), nonce=b""
    )
    with pytest.raises(InputError, match="host keys"):
        request_block.encode(asked, [HOSTS[0].public] * count, HOSTS[0])


def test_a_host_key_is_on_p521() -> None:
    asked = Asked(
        request_key=Secret(bytes(32)), iv=bytes(12), measurement_key=Secret(b""), nonce=b""
    )
    for kind in (Kind.P256, Kind.ED25519):
        other = PrivateKey.generate(kind)
        with pytest.raises(InputError):
            request_block.encode(asked, [other.public], HOSTS[0])
        with pytest.raises(InputError):
            request_block.encode(asked, [HOSTS[0].public], other)


# ---- image headers ----

HEADER = encode_header(TAGS)


def test_a_header_is_found_where_metadata_says() -> None:
    image = bytearray(0x20000)
    image[0x1A008 : 0x1A008 + len(HEADER)] = HEADER
    image[0xC000:0xC01C] = b"SeImgLnx" + (0x1A008).to_bytes(8, "big") + b"\0\0\0\1" + bytes(8)
    found = ImageHeader.find(bytes(image))
    assert (found.offset, found.tags) == (0x1A008, TAGS)
    image[0xC013] = 2
    with pytest.raises(PeerError, match="version 2"):
        ImageHeader.find(bytes(image))
    image[0xC013] = 1
    image[0xC00F] ^= 1
    with pytest.raises(PeerError):
        ImageHeader.find(bytes(image))
    with pytest.raises(PeerError, match="cut metadata"):
        ImageHeader.find(bytes(image[:0xC010]))


@pytest.mark.parametrize(("page", "found"), [(0, True), (0x14, True), (0x15, False)])
def test_a_header_is_on_one_of_the_first_pages(page: int, *, found: bool) -> None:
    image = bytes(page * 4096) + HEADER
    if found:
        assert ImageHeader.find(image).offset == page * 4096
    else:
        with pytest.raises(PeerError):
            ImageHeader.find(image)


@pytest.mark.parametrize("offset", [11, 15, 39, 47])
@pytest.mark.parametrize("value", [1, 0xFF])
def test_numbers_of_a_header_agree(offset: int, value: int) -> None:
    changed = bytearray(HEADER)
    changed[offset] ^= value
    with pytest.raises(PeerError):
        ImageHeader.find(bytes(changed))


def test_a_header_is_refused_at_any_shorter_length() -> None:
    for size in range(len(HEADER)):
        with pytest.raises(PeerError):
            ImageHeader.find(HEADER[:size])


# ---- layout and provenance ----


def test_layout_covers_every_byte_of_a_block_and_a_header() -> None:
    for raw in (BLOCK, HEADER):
        (section,) = LAYOUTS["se"](raw)
        at = 0
        for field in section.fields:
            assert field.offset == at
            assert field.size is not None
            at += field.size
        assert at == len(raw)


@pytest.mark.parametrize(
    ("raw", "titles"),
    [
        (ONE.evidence, ["response", "additional data", "request", "image header tags"]),
        (RESPONSE, ["response", "additional data"]),
        (json.dumps(PAIR["request"], separators=(",", ":")).encode(), ["request"]),
    ],
)
def test_layout_of_each_message(raw: bytes, titles: list[str]) -> None:
    shown = [section.title for section in LAYOUTS["se"](raw)]
    assert shown[: len(titles)] == titles


def test_layout_says_what_flags_ask_for() -> None:
    (section,) = LAYOUTS["se"](BLOCK)
    (flags,) = (field for field in section.fields if field.name == "flags")
    assert flags.meaning == "nonce, image_key_hash, attestation_key_hash"


def test_every_claim_names_its_field() -> None:
    assert all(evidence_field(claim) for claim in verdict(ONE).claims)
    assert evidence_field("nosuch") == ""
