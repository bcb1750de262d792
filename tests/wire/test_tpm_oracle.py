"""tpm2-pytss as a second opinion on our codec: we read nothing that it refuses, nor otherwise.

It needs the headers of libtss2-dev to be built, so it is no development dependency: where somebody
installed it (``pip install tpm2-pytss``), these tests run.
"""

import random
from collections.abc import Iterator
from typing import Any

import pytest

from casemate.errors import PeerError
from casemate.wire.tpm import ALL_PCRS, PcrSelection, Quote, RsaPublic, Signature

pytss = pytest.importorskip("tpm2_pytss", reason="no tpm2-pytss: pip install tpm2-pytss")

MUTATIONS = 2000
QUOTE = Quote(
    qualified_signer=b"\0\x0b" + bytes(range(32)),
    extra_data=bytes(range(48)),
    clock=861327613,
    reset_count=2,
    restart_count=1,
    firmware_version=0x2020031200120003,
    selections=(ALL_PCRS,),
    pcr_digest=bytes(range(32)),
)
SIGNATURE = Signature(bytes(range(256)))
PUBLIC = RsaPublic(modulus=b"\xc5" + bytes(255))


def mutations(raw: bytes, count: int = MUTATIONS) -> Iterator[bytes]:
    """Flip bits, write bytes and lengths anywhere, cut and lengthen: the same each time."""
    chosen = random.Random(0)
    for _ in range(count):
        data = bytearray(raw)
        for _ in range(chosen.randint(1, 3)):
            at = chosen.randrange(len(data))
            match chosen.randrange(4):
                case 0:
                    data[at] ^= 1 << chosen.randrange(8)
                case 1:
                    data[at] = chosen.choice([0, 1, 0x7F, 0x80, 0xFF])
                case 2:
                    del data[at:]
                    data = data or bytearray(1)
                case _:
                    data[at:at] = chosen.randbytes(chosen.randint(1, 4))
        yield bytes(data)


def unmarshal(kind: Any, raw: bytes) -> Any:
    """Give what the oracle reads; None where it refuses, or leaves something over."""
    try:
        found, size = kind.unmarshal(raw)
    except (pytss.TSS2_Exception, ValueError, RuntimeError):
        return None
    return found if size == len(raw) else None


def same_quote(ours: Quote, theirs: Any) -> bool:
    quote = theirs.attested.quote
    selections = tuple(
        PcrSelection(int(one.hash), bytes(one.pcrSelect)[: one.sizeofSelect])
        for one in (quote.pcrSelect.pcrSelections[i] for i in range(quote.pcrSelect.count))
    )
    return (
        bytes(theirs.qualifiedSigner) == ours.qualified_signer
        and bytes(theirs.extraData) == ours.extra_data
        and theirs.clockInfo.clock == ours.clock
        and theirs.clockInfo.resetCount == ours.reset_count
        and theirs.clockInfo.restartCount == ours.restart_count
        and bool(theirs.clockInfo.safe) is ours.safe
        and theirs.firmwareVersion == ours.firmware_version
        and selections == ours.selections
        and bytes(quote.pcrDigest) == ours.pcr_digest
    )


def disputed_quotes(count: int) -> list[bytes]:
    """Give mutations that we read, and the oracle refuses or reads otherwise."""
    found = []
    for raw in (QUOTE.encode(), *mutations(QUOTE.encode(), count)):
        try:
            ours = Quote.parse(raw)
        except PeerError:
            continue
        theirs = unmarshal(pytss.TPMS_ATTEST, raw)
        if theirs is None or not same_quote(ours, theirs):
            found.append(raw)
    return found


def disputed_signatures(count: int) -> list[bytes]:
    found = []
    for raw in (SIGNATURE.encode(), *mutations(SIGNATURE.encode(), count)):
        try:
            ours = Signature.parse(raw)
        except PeerError:
            continue
        theirs = unmarshal(pytss.TPMT_SIGNATURE, raw)
        if theirs is None or bytes(theirs.signature.rsassa.sig) != ours.signature:
            found.append(raw)
    return found


def disputed_keys(count: int) -> list[bytes]:
    found = []
    for raw in (PUBLIC.encode(), *mutations(PUBLIC.encode(), count)):
        try:
            ours = RsaPublic.parse(raw)
        except PeerError:
            continue
        theirs = unmarshal(pytss.TPMT_PUBLIC, raw)
        if theirs is None or bytes(theirs.unique.rsa) != ours.modulus:
            found.append(raw)
    return found


def test_no_quote_is_read_that_the_oracle_refuses() -> None:
    assert disputed_quotes(MUTATIONS) == []


def test_no_signature_is_read_that_the_oracle_refuses() -> None:
    assert disputed_signatures(MUTATIONS) == []


def test_no_key_is_read_that_the_oracle_refuses() -> None:
    assert disputed_keys(MUTATIONS) == []


def test_names_of_keys_are_the_oracles() -> None:
    theirs = unmarshal(pytss.TPMT_PUBLIC, PUBLIC.encode())
    assert bytes(pytss.TPM2B_PUBLIC(theirs).get_name()) == PUBLIC.name
