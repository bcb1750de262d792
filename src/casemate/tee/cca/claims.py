"""Claims of a CCA token as upstream writes them, and ours beside them.

Upstream's are five of the realm and two of the platform, hyphenated, base64 (tee §9), and hex for
``report_data`` and ``init_data``. Of ours, those read from the token carry Veraison's names.
"""

from base64 import b64encode
from typing import Any, Final

from casemate.tee.cca.claim import Claim
from casemate.tee.cca.platform import COMPONENT, PLATFORM, Component, Platform
from casemate.tee.cca.realm import REALM, Realm

MATCHED: Final = "match"
NOT_COMPARED: Final = "not compared"


def claims_of(platform: Platform, realm: Realm, *, firmware: str, realms: str) -> dict[str, Any]:
    """Give the claims; ``firmware`` and ``realms`` say what became of the reference values."""
    return {
        "platform": _members(platform, PLATFORM)
        | {
            "cca-platform-lifecycle-state": platform.state_name,
            "cca-platform-trust-anchor": MATCHED,
            "cca-platform-reference-values": firmware,
        },
        "realm": _members(realm, REALM) | {"cca-realm-reference-values": realms},
        "report_data": realm.challenge.hex(),
        "init_data": realm.personalization.hex(),
    }


def evidence_field(claim: str) -> str:
    """Name the claim of the token that a claim (dotted) comes from; empty if none."""
    return _SOURCES.get(claim, "")


def _members(found: Platform | Realm | Component, table: tuple[Claim, ...]) -> dict[str, Any]:
    members = ((claim.name, getattr(found, claim.field)) for claim in table)
    return {name: _written(value) for name, value in members if value is not None}


def _written(value: object) -> object:
    match value:
        case bytes():
            return b64encode(value).decode("ascii")
        case tuple():
            return [_written(one) for one in value]
        case Component():
            return _members(value, COMPONENT)
        case _:
            return value


def _sources() -> dict[str, str]:
    parts = (("platform", "44234", PLATFORM), ("realm", "44241", REALM))
    found = {
        f"{part}.{claim.name}": f"token[{key}] payload[{claim.key}]"
        for part, key, table in parts
        for claim in table
    }
    return found | {
        "platform.cca-platform-lifecycle-state": found["platform.cca-platform-lifecycle"],
        "report_data": found["realm.cca-realm-challenge"],
        "init_data": found["realm.cca-realm-personalization-value"],
    }


_SOURCES: Final = _sources()
