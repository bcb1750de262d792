"""Hygon's authorities in software: certificates of test roots, signed for real, right or wrong.

Every field can be set before its certificate is signed (``hsk.usage``), and so can what comes
after: a signature's numbers, or a byte that is flipped.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from casemate.crypto.digest import Algorithm, Digest
from casemate.crypto.sm2 import PrivateKey, Signature
from casemate.errors import InputError
from casemate.tee.hygon.certificate import (
    CA_FORM,
    CA_SIGNED,
    CSV_FORM,
    CSV_SIGNED,
    SM2_CURVE,
    SM2_SIGNATURE,
    Usage,
)
from casemate.tee.hygon.form import Form, Part
from casemate.tee.simulation import Changes

ROOT_FILE: Final = "hrk.cert"
_UID: Final = "HYGON-SSD-"
_SIGNATURES: Final = frozenset({"r", "s", "r1", "s1", "r2", "s2"})


def fields(form: Form, prefix: str) -> dict[str, str]:
    """Name what can be set in a form, with help."""
    return {
        f"{prefix}.{part.name}": f"{'hex' if part.kind == 'bytes' else 'number'}; {part.meaning}"
        for part in form.parts
    }


FIELDS: Final = {
    **fields(CA_FORM, "hrk"),
    **fields(CA_FORM, "hsk"),
    **fields(CSV_FORM, "cek"),
    **{
        f"{name}.flip": f"number of a byte of what the signature of {name.upper()} covers; "
        "its lowest bit is flipped after signing"
        for name in ("hrk", "hsk", "cek")
    },
    "root": "configured, or other: minted under a root that is not configured",
    "impostor": "none, or hsk, cek: replaced by a self-made one of the same name",
    "collateral": "given, or none: the vendor's certificates are missing",
}


class Chip(NamedTuple):
    """A chip of a simulated maker: all that its evidence and its verifier need."""

    root: bytes
    """HRK that the evidence hangs from."""
    configured: bytes
    """HRK that the verifier is told: the same, unless ``root`` says otherwise."""
    hsk: bytes
    cek: bytes
    key: PrivateKey
    """Of CEK, unless it is an impostor's."""
    uid: bytes
    """CEK's identity."""
    files: Mapping[str, bytes]


def make_chip(changes: Changes, file: str) -> Chip:
    """Make a maker, and a chip. ``file`` is the name of HSK and CEK in the collateral.

    Raises:
        InputError: a field whose value cannot be meant.
    """
    keys = {name: PrivateKey.generate() for name in ("hrk", "hsk", "cek")}
    impostor = _choice(changes, "impostor", "none", "hsk", "cek")
    root_uid, hsk_uid, cek_uid = (
        changes.data(f"{name}.uid", uid(name)) for name in ("hrk", "hsk", "cek")
    )
    root = _authority(changes, "hrk", keys["hrk"], (keys["hrk"], root_uid))
    by_root = (keys["hrk"], root_uid) if impostor != "hsk" else (keys["hsk"], hsk_uid)
    hsk = _authority(changes, "hsk", keys["hsk"], by_root)
    by_hsk = (keys["hsk"], hsk_uid) if impostor != "cek" else (keys["cek"], cek_uid)
    cek = make_csv(
        changes,
        "cek",
        keys["cek"],
        ((Usage.HSK, by_hsk), None),
        {"version": 2, "usage": Usage.CEK, "sid": _kid("hsk")},
    )
    other = _choice(changes, "root", "configured", "other") == "other"
    stranger = PrivateKey.generate()
    given = _choice(changes, "collateral", "given", "none") == "given"
    return Chip(
        root=root,
        configured=(
            _authority(Changes(FIELDS, {}), "hrk", stranger, (stranger, root_uid))
            if other
            else root
        ),
        hsk=hsk,
        cek=cek,
        key=keys["cek"],
        uid=cek_uid,
        files={file: hsk + cek} if given else {},
    )


def uid(name: str) -> bytes:
    """Give a certificate's identity, ``HYGON-SSD-HSK`` for instance."""
    return f"{_UID}{name.upper()}".encode()


Signer = tuple[PrivateKey, bytes]
"""A key, and the identity it signs with."""


def make_csv(
    changes: Changes,
    name: str,
    key: PrivateKey,
    signers: tuple[tuple[int, Signer] | None, tuple[int, Signer] | None],
    own: Mapping[str, Any],
) -> bytes:
    """Make a CSV certificate; of its two signatures some may be missing."""
    values: dict[str, Any] = {
        "major": 1,
        "minor": 3,
        "algorithm": SM2_SIGNATURE,
        "curve": SM2_CURVE,
        "x": key.public.point.x,
        "y": key.public.point.y,
        "uid_size": len(uid(name)),
        "uid": uid(name),
        **own,
    }
    for number, signer in enumerate(signers, 1):
        values[f"usage{number}"] = signer[0] if signer else Usage.INVALID
        values[f"algorithm{number}"] = SM2_SIGNATURE if signer else 0
    values = override(changes, CSV_FORM, name, values)
    signed = CSV_FORM.encode(values)[:CSV_SIGNED]
    for number, signer in enumerate(signers, 1):
        made = signer[1][0].sign(signed, signer[1][1]) if signer else Signature(0, 0)
        values |= after(changes, name, made, str(number))
    return flipped(changes, f"{name}.flip", CSV_FORM.encode(values), CSV_SIGNED)


def override(
    changes: Changes, form: Form, prefix: str, values: Mapping[str, Any]
) -> dict[str, Any]:
    """Give values with those that were set, signatures apart.

    Raises:
        InputError: one that does not fit its field.
    """
    return {
        part.name: given(changes, f"{prefix}.{part.name}", part, values.get(part.name))
        for part in form.parts
        if part.name not in _SIGNATURES
    }


def given(changes: Changes, field: str, part: Part, default: Any) -> Any:
    """Give a field's value: what was set, or the default.

    Raises:
        InputError: it does not fit.
    """
    if part.kind == "bytes":
        content = changes.data(field, default or bytes(part.size))
        if len(content) > part.size:
            raise InputError(field, got=f"{len(content)} bytes", want=f"at most {part.size}")
        return content
    number = changes.number(field, int(default or 0))
    if not 0 <= number < 1 << 8 * part.size:
        raise InputError(field, got=number, want=f"a number of {part.size} bytes")
    return number


def after(changes: Changes, prefix: str, made: Signature, number: str = "") -> dict[str, int]:
    """Give a signature's numbers, those that were set instead of those that were made."""
    return {
        f"{letter}{number}": given(
            changes, f"{prefix}.{letter}{number}", Part("", 72, "", "big"), value
        )
        for letter, value in (("r", made.r), ("s", made.s))
    }


def flipped(changes: Changes, field: str, content: bytes, size: int) -> bytes:
    """Flip the lowest bit of a byte below ``size``, if one was named; InputError when above."""
    at = changes.number(field, -1)
    if at == -1:
        return content
    if not 0 <= at < size:
        raise InputError(field, got=at, want=f"0 to {size - 1}")
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


def _authority(changes: Changes, name: str, key: PrivateKey, signer: Signer) -> bytes:
    values = override(
        changes,
        CA_FORM,
        name,
        {
            "version": 1,
            "kid": _kid(name),
            "sid": _kid("hrk"),
            "usage": Usage[name.upper()],
            "curve": SM2_CURVE,
            "x": key.public.point.x,
            "y": key.public.point.y,
            "uid_size": len(uid(name)),
            "uid": uid(name),
        },
    )
    made = signer[0].sign(CA_FORM.encode(values)[:CA_SIGNED], signer[1])
    raw = CA_FORM.encode(values | after(changes, name, made))
    return flipped(changes, f"{name}.flip", raw, CA_SIGNED)


def _kid(name: str) -> bytes:
    return f"casemate {name}".encode().ljust(16, b"\0")


def _choice(changes: Changes, field: str, *allowed: str) -> str:
    value = changes.text(field, allowed[0])
    if value not in allowed:
        raise InputError(field, got=value, want=" or ".join(allowed))
    return value


def init_data(changes: Changes) -> Digest | None:
    """Give the initdata digest that was set; InputError when its size is none of a digest."""
    value = changes.data("init_data", b"")
    sizes = {algorithm.size: algorithm for algorithm in Algorithm}
    if not value:
        return None
    if len(value) not in sizes:
        raise InputError("init_data", got=f"{len(value)} bytes", want="32, 48 or 64 bytes")
    return Digest(sizes[len(value)], value)
