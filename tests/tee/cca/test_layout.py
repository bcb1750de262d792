import pytest

from casemate.errors import PeerError
from casemate.tee.cca.platform import COMPONENT, PLATFORM
from casemate.tee.cca.realm import REALM
from casemate.tee.cca.report import Token
from casemate.tee.layouts import LAYOUTS
from tests.tee.cca.simulated import make

SHOW = LAYOUTS["cca"]


def test_every_claim_is_shown_with_its_place() -> None:
    made = make(form="2023", extra="7")
    assert made.binary is not None
    sections = {one.title: one.fields for one in SHOW(made.evidence)}
    assert SHOW(made.binary) == SHOW(made.evidence)
    shown = {field.name for fields in sections.values() for field in fields}
    assert shown >= {claim.name for claim in (*PLATFORM, *REALM, *COMPONENT)}
    assert {"protected header", "signature", "key 7"} <= shown
    (life,) = [f for f in sections["platform claims"] if f.name == "cca-platform-lifecycle"]
    assert "secured" in life.meaning


def test_places_hold_what_is_shown() -> None:
    made = make()
    assert made.binary is not None
    (whole, *_) = SHOW(made.binary)
    token = Token.parse(made.binary)
    for field, part in zip(whole.fields, (token.platform, token.realm), strict=True):
        assert field.offset is not None
        assert field.size is not None
        assert made.binary[field.offset : field.offset + field.size].endswith(part)


@pytest.mark.parametrize(
    "fields",
    [
        {"lifecycle": "0xffff"},
        {"retype": "2399"},
        {"retype": "2395"},
        {"platform_signer": "other"},
        {"drop": "10"},
        {"flip": "10"},
    ],
)
def test_refused_evidence_is_shown_all_the_same(fields: dict[str, str]) -> None:
    assert SHOW(make(**fields).evidence)


@pytest.mark.parametrize("raw", [b"", b"{}", b"\xff", b"\xd9\x01\x8f\xa0"])
def test_what_is_no_token_is_not_shown(raw: bytes) -> None:
    with pytest.raises(PeerError):
        SHOW(raw)


def test_component_that_is_no_map_is_shown_as_it_is() -> None:
    from casemate.crypto import cbor, cose
    from casemate.crypto.algorithms import Kind
    from casemate.crypto.keys import PrivateKey

    key = PrivateKey.generate(Kind.P256)
    odd = cose.sign(cbor.encode({2399: (1, {9: b"x", "k": 1})}), key)
    sections = {one.title: one.fields for one in SHOW(Token(odd, odd).encode())}
    assert sections["platform claims: component 0"][0].meaning == "no map"
    assert {f.name for f in sections["platform claims: component 1"]} == {"key 9", "key 'k'"}
