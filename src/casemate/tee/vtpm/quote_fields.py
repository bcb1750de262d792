"""Fields of a quote that simulators of every TEE with a TPM can set wrong, before it is signed."""

import hashlib
from collections.abc import Sequence
from types import MappingProxyType
from typing import Final

from casemate.crypto.digest import Algorithm, Digest
from casemate.errors import InputError
from casemate.tee.simulation import Changes
from casemate.wire.tpm import ALL_PCRS, PCR_COUNT, PcrSelection, Quote

_LARGEST_BITMAP: Final = 255
FIELDS: Final = MappingProxyType(
    {
        "quote.magic": "number of 4 bytes",
        "quote.type": "number of 2 bytes",
        "quote.qualified_signer": "hex; name of the key",
        "quote.extra_data": "hex; the nonce, whatever report_data says",
        "quote.clock": "number; milliseconds",
        "quote.reset_count": "number",
        "quote.restart_count": "number",
        "quote.safe": "true or false",
        "quote.firmware_version": "number",
        "quote.selection": "ALGORITHM:BITMAP in hex, comma between; 000b:ffffff is right",
        "quote.pcr_digest": "hex",
        "quote.tail": "hex; behind the quote, and signed",
        "pcr": "INDEX:HEX; a register's value, quoted and shown",
        "pcr_shown": "INDEX:HEX; shown instead of the value that was quoted",
        "pcr_count": "number of values shown",
        "signed_by": "another: the quote is signed by a key made for it",
    }
)


def init_data(changes: Changes) -> Digest | None:
    """Give the digest that was set, its algorithm by its size; None without one.

    Raises:
        InputError: of no algorithm's size.
    """
    value = changes.data("init_data", b"")
    if not value:
        return None
    for algorithm in Algorithm:
        if len(value) == algorithm.size:
            return Digest(algorithm, value)
    raise InputError("init_data", got=f"{len(value)} bytes", want="32, 48 or 64 bytes")


def registers(changes: Changes, pcrs: Sequence[bytes]) -> tuple[bytes, ...]:
    """Give the registers as they are quoted."""
    return _replaced(changes.text("pcr", ""), pcrs)


def shown(changes: Changes, pcrs: Sequence[bytes]) -> tuple[bytes, ...]:
    """Give the registers as the evidence shows them."""
    found = _replaced(changes.text("pcr_shown", ""), pcrs)
    count = number(changes, "pcr_count", PCR_COUNT, 1)
    return (*found, *[bytes(32)] * (count - len(found)))[:count]


def message(changes: Changes, *, signer: bytes, nonce: bytes, pcrs: Sequence[bytes]) -> bytes:
    """Give the TPMS_ATTEST to sign."""
    quote = Quote(
        qualified_signer=changes.data("quote.qualified_signer", signer),
        extra_data=changes.data("quote.extra_data", nonce),
        clock=number(changes, "quote.clock", 1234, 8),
        reset_count=number(changes, "quote.reset_count", 2, 4),
        restart_count=number(changes, "quote.restart_count", 0, 4),
        safe=changes.flag("quote.safe", default=True),
        firmware_version=number(changes, "quote.firmware_version", 1, 8),
        selections=_selections(changes.text("quote.selection", "")),
        pcr_digest=changes.data("quote.pcr_digest", hashlib.sha256(b"".join(pcrs)).digest()),
    ).encode()
    magic = number(changes, "quote.magic", int.from_bytes(quote[:4], "big"), 4)
    kind = number(changes, "quote.type", int.from_bytes(quote[4:6], "big"), 2)
    head = magic.to_bytes(4, "big") + kind.to_bytes(2, "big")
    return head + quote[6:] + changes.data("quote.tail", b"")


def number(changes: Changes, field: str, default: int, size: int) -> int:
    """Give a number that fits ``size`` bytes.

    Raises:
        InputError: it does not.
    """
    found = changes.number(field, default)
    if not 0 <= found < 1 << 8 * size:
        raise InputError(field, got=found, want=f"a number of {size} bytes")
    return found


def flipped(changes: Changes, field: str, data: bytes) -> bytes:
    """Flip the lowest bit of the byte whose number a field gives.

    Raises:
        InputError: there is no such byte.
    """
    if not changes.text(field, ""):
        return data
    at = changes.number(field, 0)
    if not 0 <= at < len(data):
        raise InputError(field, got=at, want=f"0 to {len(data) - 1}")
    return data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :]


def chosen(changes: Changes, field: str, choices: Sequence[str]) -> str:
    """Give one of ``choices``; empty when the field is not set.

    Raises:
        InputError: it is set to something else.
    """
    text = changes.text(field, "")
    if text and text not in choices:
        raise InputError(field, got=text, want=", ".join(choices))
    return text


def _replaced(text: str, pcrs: Sequence[bytes]) -> tuple[bytes, ...]:
    if not text:
        return tuple(pcrs)
    index, _, value = text.partition(":")
    found = list(pcrs)
    if not index.isdecimal() or int(index) >= len(found):
        raise InputError("register", got=text, want="INDEX:HEX, 0 to 23")
    try:
        found[int(index)] = bytes.fromhex(value)
    except ValueError as error:
        raise InputError("register", got=text, want="INDEX:HEX, 0 to 23") from error
    return tuple(found)


def _selections(text: str) -> tuple[PcrSelection, ...]:
    if not text:
        return (ALL_PCRS,)
    return tuple(_selection(one) for one in text.split(","))


def _selection(text: str) -> PcrSelection:
    algorithm, _, bitmap = text.partition(":")
    try:
        head, bits = bytes.fromhex(algorithm), bytes.fromhex(bitmap)
        if len(head) == 2 and len(bits) <= _LARGEST_BITMAP:
            return PcrSelection(int.from_bytes(head, "big"), bits)
    except ValueError as error:
        raise InputError("quote.selection", got=text, want="ALGORITHM:BITMAP") from error
    raise InputError("quote.selection", got=text, want="ALGORITHM of 2 bytes:BITMAP")
