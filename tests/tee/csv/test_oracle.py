"""Mutated evidence, verified beside gmssl: nothing is accepted whose signatures it refuses."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casemate.errors import VerificationError
from casemate.tee.anchors import Anchors
from casemate.tee.evidence import Expectation, Inputs
from casemate.tee.material import Material
from casemate.tee.verifiers import verify
from tests.tee.simulated import NOW, simulated

MADE = simulated("csv")
ROOT = next(iter(MADE.roots.values()))
PAIR = next(iter(MADE.collateral.values()))
REPORT = MADE.binary or b""
CA, CSV, SIGNER_AT = 832, 2084, 336


def little(raw: bytes) -> int:
    return int.from_bytes(raw, "little")


def unmasked(raw: bytes, anonce: bytes) -> bytes:
    return bytes(byte ^ anonce[index % 4] for index, byte in enumerate(raw))


def oracle_verifies(sm2: Any, holder: bytes, at: int, signature: bytes, message: bytes) -> bool:
    """``at``: offset of the coordinates; the identity stands behind them."""
    key = b"".join(holder[at + i * 72 :][:72][::-1][40:] for i in (0, 1))
    uid = holder[at + 146 :][: little(holder[at + 144 :][:2])]
    if any(holder[at + 32 : at + 72]) or any(holder[at + 104 : at + 144]):
        return False
    if any(signature[32:72]) or any(signature[104:144]):
        return False
    crypt = sm2.CryptSM2(private_key="", public_key="04" + key.hex())
    crypt.public_key = key.hex()
    func, sm3 = pytest.importorskip("gmssl.func"), pytest.importorskip("gmssl.sm3")
    curve = sm2.default_ecc_table
    za = sm3.sm3_hash(
        func.bytes_to_list(
            (len(uid) * 8).to_bytes(2, "big")
            + uid
            + bytes.fromhex(curve["a"] + curve["b"] + curve["g"])
            + key
        )
    )
    digest = sm3.sm3_hash(func.bytes_to_list(bytes.fromhex(za) + message))
    written = signature[:32][::-1].hex() + signature[72:104][::-1].hex()
    try:
        return bool(crypt.verify(written, bytes.fromhex(digest)))
    except (TypeError, ValueError):
        return False  # it has no words for points off the curve, or at infinity


def oracle(sm2: Any, report: bytes, pair: bytes) -> Iterator[bool]:
    hsk, cek = pair[:CA], pair[CA:]
    pek = report[SIGNER_AT:][:CSV]
    if little(pek[8:12]) != 0x1002:
        pek = unmasked(pek, report[188:192])
    yield oracle_verifies(sm2, ROOT, 68, hsk[576:720], hsk[:576])
    yield oracle_verifies(sm2, hsk, 68, cek[1052:1196], cek[:1044])
    yield any(
        oracle_verifies(sm2, cek, 20, pek[at + 8 : at + 152], pek[:1044]) for at in (1044, 1564)
    )
    yield oracle_verifies(sm2, pek, 20, report[192:336], report[:180])


def ours(report: bytes, pair: bytes) -> bool:
    inputs = Inputs(
        now=NOW,
        anchors=Anchors.of_folder(MADE.roots),
        collateral=Material.of_files({"hsk_cek.cert": pair}),
    )
    try:
        verify("csv", report, Expectation(report_data=MADE.report_data), inputs)
    except VerificationError:
        return False
    return True


SIGNED = [
    *((0, at) for at in range(336)),
    *((0, SIGNER_AT + at) for at in range(1060)),
    *((1, at) for at in range(720)),
    *((1, CA + at) for at in range(1196)),
]


@settings(max_examples=60)
@given(st.sampled_from(SIGNED) | st.tuples(st.just(0), st.integers(0, 2547)), st.integers(1, 255))
def test_nothing_is_accepted_that_the_oracle_refuses(place: tuple[int, int], change: int) -> None:
    sm2 = pytest.importorskip("gmssl.sm2", reason="gmssl is an oracle for tests, not installed")
    documents = [bytearray(REPORT), bytearray(PAIR)]
    which, at = place
    documents[which][at] ^= change
    report, pair = map(bytes, documents)
    if ours(report, pair):
        assert all(oracle(sm2, report, pair))


def test_oracle_accepts_what_is_right() -> None:
    sm2 = pytest.importorskip("gmssl.sm2", reason="gmssl is an oracle for tests, not installed")
    assert ours(REPORT, PAIR)
    assert all(oracle(sm2, REPORT, PAIR))
