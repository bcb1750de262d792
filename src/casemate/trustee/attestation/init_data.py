"""Initdata as claims that policies read (trustee spec §6)."""

from typing import Any, Final

import msgspec

from casemate import toml
from casemate.errors import MALFORMED_JSON, InputError
from casemate.wire.initdata import Initdata

_TOML_FILES: Final = ("cdh.toml", "aa.toml")
_POLICY: Final = "policy.rego"
_POLICY_DATA: Final = "policy_data := {"


def claims(initdata: Initdata) -> dict[str, Any]:
    """Give the ``[data]`` table: TOML files as objects where they parse, policy data too."""
    found: dict[str, Any] = dict(initdata.data)
    for name in _TOML_FILES:
        if isinstance(text := found.get(name), str):
            found[name] = _toml_or_text(text)
    policy = found.get(_POLICY)
    if isinstance(policy, str) and (data := _policy_data(policy)) is not None:
        del found[_POLICY]
        found["agent_policy_claims"] = data
    return found


def _toml_or_text(text: str) -> Any:
    try:
        found = msgspec.to_builtins(toml.loads(text), str_keys=True)
        msgspec.json.encode(found)  # policies are given JSON, which has no number of all sizes
    except (ValueError, RecursionError, TypeError, OverflowError):
        return text
    return found


def _policy_data(policy: str) -> Any:
    _, marker, rest = policy.partition(_POLICY_DATA)
    if not marker:
        return None
    try:
        return msgspec.json.decode("{" + rest)
    except MALFORMED_JSON:
        return None


def require_toml(form: str) -> None:
    """Refuse any other form of initdata (§3.3).

    Raises:
        InputError: ``form`` is not ``toml``.
    """
    if form != "toml":
        raise InputError("init-data.format", got=form, want="toml", spec="trustee spec §3.3")
