"""Whose mistake it is: the four errors of the project, and the refusal that travels.

    CasemateError
    ├── InputError          the caller: which field, what came, what is allowed
    ├── PeerError           the other side broke its protocol
    ├── HostError           this machine lacks something: what to do
    └── VerificationError   a proof failed or a policy said no: carries a Refusal

Message grammar: ``where: got X, want Y (spec ref)``. The command line maps VerificationError to
exit 1 (refused) and every other one to exit 2.
"""

from typing import Final

import msgspec

MALFORMED_JSON: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)  # noqa: TID251
"""What msgspec's decoder raises for bytes that are not the document it was asked for.

The first alone is not enough: strings that are no UTF-8 and a thousand brackets are the others.
"""

_LONGEST_QUOTE: Final = 200


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """Why something was refused, as a value that reaches the person who needs it.

    The same object travels in an HTTP body, a ttrpc status detail, a pod event and a table.
    """

    step: str
    """Station of the road or numbered step, e.g. ``attest`` or ``tpm.4 pcr digest``."""
    claim: str
    """Whose claim was looked at, e.g. ``pcr11`` or ``signature of localhost:5443/demo:1``."""
    got: str
    expected: str
    rule: str
    """The rule that refused: a policy rule, or a section of a specification."""
    remedy: str
    """What the reader can do about it."""

    def __str__(self) -> str:
        text = f"{self.step}: {self.claim}: got {self.got}, want {self.expected} ({self.rule})"
        return f"{text}. {self.remedy}" if self.remedy else text


def quote(value: object) -> str:
    """Render a foreign value for a message: one line, at most 200 characters."""
    text = value if isinstance(value, str) else _shown(value)
    text = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    return text if len(text) <= _LONGEST_QUOTE else text[: _LONGEST_QUOTE - 1] + "…"


def _shown(value: object) -> str:
    try:
        return repr(value)
    except (ValueError, RecursionError):  # a number of 4300 digits, a thousand brackets
        return f"{type(value).__name__} too large to show"


class CasemateError(Exception):
    """Base of every error this project raises on purpose."""

    def __init__(
        self, where: str, *, got: object, want: str, spec: str = "", remedy: str = ""
    ) -> None:
        self.where = where
        self.got = quote(got)
        self.want = want
        self.spec = spec
        self.remedy = remedy
        super().__init__(where)

    def __str__(self) -> str:
        text = f"{self.where}: got {self.got}, want {self.want}"
        if self.spec:
            text += f" ({self.spec})"
        return f"{text}. {self.remedy}" if self.remedy else text


class InputError(CasemateError):
    """The caller's mistake: an option, a file, a document that cannot be meant."""


class PeerError(CasemateError):
    """The other side broke a protocol, or cannot be reached."""


class HostError(CasemateError):
    """This machine lacks something; the remedy says how to mend it."""


class VerificationError(CasemateError):
    """A proof failed or a policy said no. ``refusal`` is what the person concerned must see."""

    def __init__(self, refusal: Refusal) -> None:
        self.refusal = refusal
        super().__init__(
            f"{refusal.step}: {refusal.claim}",
            got=refusal.got,
            want=refusal.expected,
            spec=refusal.rule,
            remedy=refusal.remedy,
        )
