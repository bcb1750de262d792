"""A CCA token as a person reads it: envelopes and claims with their places.

Offsets count from the begin of the part that a section shows: the token, a token's COSE_Sign1, a
payload.
"""

from collections.abc import Mapping
from typing import Final

from casemate.crypto import cbor
from casemate.crypto.cose import SignedMessage
from casemate.tee.cca.claim import Claim
from casemate.tee.cca.platform import COMPONENT, PLATFORM, name_of
from casemate.tee.cca.realm import REALM
from casemate.tee.cca.report import PLATFORM_KEY, REALM_KEY, Token, token_of
from casemate.tee.layout import Field, Section

_TOKEN: Final = {PLATFORM_KEY: "platform token", REALM_KEY: "realm token"}
_ENVELOPE: Final = (
    ("protected header", "algorithm; signed"),
    ("unprotected header", "not signed, not used"),
    ("payload", "the claims; signed"),
    ("signature", "r || s"),
)


def layout(raw: bytes) -> tuple[Section, ...]:
    """Draw it; PeerError where it is no token of two COSE_Sign1 around claims."""
    token_bytes = token_of(raw)
    token = Token.parse(token_bytes)
    return (
        Section(
            "CCA token, tag 399",
            tuple(
                _field(span, _TOKEN.get(_number(span), ""), "COSE_Sign1")
                for span in cbor.spans(token_bytes, "CCA token")
            ),
        ),
        *_message("platform", token.platform, PLATFORM),
        *_message("realm", token.realm, REALM),
    )


def _message(name: str, raw: bytes, table: tuple[Claim, ...]) -> tuple[Section, ...]:
    message = SignedMessage.parse(raw, f"{name} token")
    spans = cbor.spans(message.payload, f"{name} token")
    parts = zip(cbor.spans(raw, f"{name} token"), _ENVELOPE, strict=True)
    return (
        Section(
            f"{name} token, {message.algorithm}",
            tuple(_field(span, label, meaning) for span, (label, meaning) in parts),
        ),
        Section(f"{name} claims", tuple(_claim(span, table) for span in spans)),
        *(
            Section(f"{name} claims: component {at}", _component(one))
            for span in spans
            if span.key == 2399 and isinstance(span.value, tuple)
            for at, one in enumerate(span.value)
        ),
    )


def _component(members: cbor.Value) -> tuple[Field, ...]:
    if not isinstance(members, Mapping):
        return (Field(name="component", value=_written(members), meaning="no map"),)
    names = {claim.key: claim for claim in COMPONENT}
    return tuple(
        Field(
            name=names[key].name if key in names else f"key {key!r}",
            value=_written(value),
            meaning=names[key].meaning if key in names else "",
        )
        for key, value in members.items()
    )


def _claim(span: cbor.Span, table: tuple[Claim, ...]) -> Field:
    known = {claim.key: claim for claim in table}
    claim = known.get(_number(span))
    if claim is None:
        return _field(span, f"key {span.key!r}", "unknown, passed over")
    meaning = f"{claim.meaning} (key {claim.key})"
    if claim.field == "lifecycle" and type(span.value) is int:
        meaning += f": {name_of(span.value)}"
    return _field(span, claim.name, meaning)


def _number(span: cbor.Span) -> int:
    return span.key if isinstance(span.key, int) else -1


def _field(span: cbor.Span, name: str, meaning: str) -> Field:
    return Field(
        name=name,
        value=_written(span.value),
        meaning=meaning,
        offset=span.offset,
        size=span.size,
    )


def _written(value: cbor.Value) -> str:
    match value:
        case bytes():
            return value.hex()
        case tuple() if any(isinstance(one, Mapping) for one in value):
            return f"{len(value)} components"
        case tuple():
            return ", ".join(_written(one) for one in value)
        case _:
            return str(value)
