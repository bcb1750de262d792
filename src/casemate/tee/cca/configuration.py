"""Upstream's configuration of this verifier, as far as it says what we do not do.

    {"cca-verifier": {"type": "local", "ta-store": path, "rv-store": path}}
    {"cca-verifier": {"type": "remote", "address": url, "ca-cert"?: path}}             (tee §9)

The local form's stores are read from the operator's folder, whatever they are called. The remote
form asks a Veraison service, which must itself choose the session's nonce: a conversation, not a
document that could be fetched before and verified later. Nobody here holds it.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from casemate.errors import InputError

_MARK: Final = b'"cca-verifier"'


class _Choice(msgspec.Struct, frozen=True):
    type: str
    address: str = ""


class _Configuration(msgspec.Struct, frozen=True, rename={"verifier": "cca-verifier"}):
    verifier: _Choice


def require_local(files: Iterable[bytes]) -> None:
    """Refuse a configuration that wants a remote verifier, rather than verify in another way.

    Raises:
        InputError: it does, or cannot be read.
    """
    for file in files:
        if _MARK not in file:
            continue
        try:
            choice = msgspec.json.decode(file, type=_Configuration).verifier
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise InputError("cca-verifier", got=error, want="local or remote") from error
        if choice.type != "local":
            raise InputError(
                "cca-verifier.type",
                got=f"{choice.type} {choice.address}".strip(),
                want="local: CCA tokens are verified here, no Veraison service is asked",
                remedy="Put the service's tastore.json and rvstore.json into the folder of roots.",
            )
