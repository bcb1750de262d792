"""Hygon's chain (tee §10): HRK, pinned, signs itself and HSK; HSK signs CEK; CEK what comes below.

Certificates have no dates, and Hygon publishes no revocation lists: neither can be compared.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple

from casemate.crypto.sm2 import PublicKey, Signature
from casemate.crypto.vendor_chain import ChainMemory
from casemate.errors import PeerError
from casemate.tee.evidence import Inputs
from casemate.tee.hygon.certificate import (
    CA_SIZE,
    CSV_SIZE,
    SM2_CURVE,
    SM2_SIGNATURE,
    VERSIONS,
    CaCertificate,
    CsvCertificate,
    Slot,
    Usage,
)
from casemate.tee.hygon.roots import PINS
from casemate.tee.trail import Step

_MOST_TRIED: Final = 64
"""Pairs of other machines that are tried before giving up; each costs a signature."""
_ROOT_REMEDY: Final = (
    "put Hygon's root (https://cert.hygon.cn/hrk, 832 bytes) into the collateral or the roots"
)


class HskCek(NamedTuple):
    """What Hygon publishes for a chip: its signer's certificate, and the chip's."""

    hsk: CaCertificate
    cek: CsvCertificate


class Owner(NamedTuple):
    """A key, and the identity that goes into what it signs."""

    key: PublicKey
    uid: bytes


def owner(certificate: CaCertificate | CsvCertificate) -> Owner:
    """Give whose key it is; PeerError when that is no point of the curve."""
    return Owner(certificate.key, certificate.uid)


def signed(
    by: Owner, signature: Signature, message: bytes, memory: ChainMemory | None = None
) -> bool:
    """Say whether the owner of a key made a signature; with a memory, ask it first."""
    if memory is None:
        return by.key.verifies(signature, message, by.uid)
    try:
        return memory.read_once(_signed, (by, signature, message))
    except PeerError:
        return False


def _signed(what: tuple[Owner, Signature, bytes]) -> bool:
    """Give True, or raise PeerError, since what does not verify is not worth remembering."""
    by, signature, message = what
    if not by.key.verifies(signature, message, by.uid):
        raise PeerError("SM2 signature", got="one that does not verify", want="one that does")
    return True


def verify_root(
    step: Step, inputs: Inputs, sid: bytes, memory: ChainMemory | None = None
) -> CaCertificate:
    """Find the root among the files, and verify it.

    Args:
        step: the step that this is part of.
        inputs: files and pins.
        sid: identifier of the root that HSK names; of several roots it chooses.
        memory: signatures that held before.

    Raises:
        VerificationError: no file is a pinned root, or that is none.
    """
    pins = PINS | inputs.anchors.pins
    found = [
        CaCertificate.parse(raw)
        for raw in _files(inputs)
        if len(raw) == CA_SIZE and hashlib.sha256(raw).digest() in pins
    ]
    if not found:
        raise step.refusal(
            claim="HRK",
            got="no file with a pinned digest",
            expected="one of " + ", ".join(sorted(pin.hex() for pin in pins)),
            remedy=_ROOT_REMEDY,
        )
    root = next((one for one in found if one.kid == sid), found[0])
    _require_kind(step, "HRK", root, Usage.HRK)
    step.require(root.sid == root.kid, "HRK sid", root.sid.hex(), f"its own kid {root.kid.hex()}")
    _require_signed(step, "HRK", signed(owner(root), root.signature, root.signed, memory))
    step.detail = f"{_name(root.uid)}, {hashlib.sha256(root.raw).hexdigest()}"
    return root


def verify_hsk(
    step: Step, hsk: CaCertificate, root: CaCertificate, memory: ChainMemory | None
) -> None:
    """Verify the signer of chips; VerificationError says what is wrong with it."""
    _require_kind(step, "HSK", hsk, Usage.HSK)
    step.require_equal("HSK sid", hsk.sid, root.kid)
    _require_signed(step, "HSK", signed(owner(root), hsk.signature, hsk.signed, memory))
    step.detail = f"{_name(hsk.uid)}, kid {hsk.kid.hex()}"


def verify_cek(
    step: Step, cek: CsvCertificate, hsk: CaCertificate, memory: ChainMemory | None
) -> None:
    """Verify a chip's certificate: its first signature is HSK's."""
    _require_csv_kind(step, "CEK", cek, Usage.CEK)
    step.require_equal("CEK sid", cek.sid, hsk.kid)
    slot = cek.slots[0]
    step.require(slot.usage == Usage.HSK, "CEK first signature", hex(slot.usage), "0x13 (HSK)")
    _require_algorithm(step, "CEK", slot)
    _require_signed(step, "CEK", signed(owner(hsk), slot.signature, cek.signed, memory))
    step.detail = _name(cek.uid)


def verify_pek(
    step: Step, pek: CsvCertificate, cek: CsvCertificate, memory: ChainMemory | None
) -> None:
    """Verify a platform's certificate: of its two signatures the one by CEK."""
    _require_csv_kind(step, "PEK", pek, Usage.PEK)
    slots = [slot for slot in pek.slots if slot.usage == Usage.CEK]
    step.require(len(slots) == 1, "PEK signatures by CEK", len(slots), "one")
    _require_algorithm(step, "PEK", slots[0])
    _require_signed(
        step,
        "PEK",
        signed(owner(cek), slots[0].signature, pek.signed, memory),
        remedy="HSK and CEK are of another machine: fetch those of its serial number",
    )
    step.detail = _name(pek.uid)


def pek_signed_by(pek: CsvCertificate, cek: CsvCertificate, memory: ChainMemory | None) -> bool:
    """Say whether a chip signed this platform's certificate."""
    by = owner(cek)
    return any(
        slot.usage == Usage.CEK and signed(by, slot.signature, pek.signed, memory)
        for slot in pek.slots
    )


def choose(inputs: Inputs, serial: str, fits: Callable[[CsvCertificate], bool]) -> HskCek | None:
    """Find HSK and CEK among the files: of this serial number by name, else by what they signed.

    Files hold both (832 + 2084 bytes). ``fits`` says whether a chip signed what is to be verified;
    it is asked of at most 64 files. Nothing is verified yet. None when no file fits.
    """
    named = {
        **inputs.anchors.material.files,
        **inputs.collateral.files,
    }
    for pair in _pairs(named, serial):
        try:
            if fits(pair.cek):
                return pair
        except PeerError:
            continue  # a key off the curve: of no machine
    return None


def _pairs(files: Mapping[str, bytes], serial: str) -> Iterator[HskCek]:
    """Read pairs, those with the serial number in their name first."""
    order = sorted(files, key=lambda name: (serial not in name if serial else True, name))
    tried = 0
    for name in order:
        raw = files[name]
        if len(raw) != CA_SIZE + CSV_SIZE or tried == _MOST_TRIED:
            continue
        tried += 1
        try:
            yield split(raw)
        except PeerError:
            continue  # no certificates: some other file of that size


def split(raw: bytes) -> HskCek:
    """Read Hygon's file for a chip: HSK and CEK, 2916 bytes.

    Raises:
        PeerError: another size, or not these certificates.
    """
    return HskCek(CaCertificate.parse(raw[:CA_SIZE]), CsvCertificate.parse(raw[CA_SIZE:]))


def _files(inputs: Inputs) -> Iterator[bytes]:
    yield from inputs.anchors.material.files.values()
    yield from inputs.collateral.files.values()


def _require_kind(step: Step, name: str, one: CaCertificate, usage: Usage) -> None:
    step.require(one.version in VERSIONS, f"{name} version", one.version, "1 or 2")
    step.require(one.usage == usage, f"{name} usage", hex(one.usage), f"{usage:#x}")
    step.require(one.curve == SM2_CURVE, f"{name} curve", one.curve, "3 (SM2)")


def _require_csv_kind(step: Step, name: str, one: CsvCertificate, usage: Usage) -> None:
    step.require(one.version in VERSIONS, f"{name} version", one.version, "1 or 2")
    step.require(one.usage == usage, f"{name} usage", hex(one.usage), f"{usage:#x}")
    step.require(one.curve == SM2_CURVE, f"{name} curve", one.curve, "3 (SM2)")
    step.require(
        one.algorithm == SM2_SIGNATURE, f"{name} algorithm", one.algorithm, "4 (SM2 with SM3)"
    )


def _require_algorithm(step: Step, name: str, slot: Slot) -> None:
    step.require(
        slot.algorithm == SM2_SIGNATURE,
        f"{name} signature algorithm",
        slot.algorithm,
        "4 (SM2 with SM3)",
    )


def _require_signed(
    step: Step,
    name: str,
    holds: bool,  # noqa: FBT001  # reads as an assertion
    *,
    remedy: str = "the certificate was changed, or another key signed it",
) -> None:
    step.require(
        holds,
        f"signature of {name}",
        "one that does not verify",
        "one by the key above it",
        remedy=remedy,
    )


def _name(uid: bytes) -> str:
    return uid.decode("ascii", "replace")
