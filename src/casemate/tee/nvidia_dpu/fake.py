"""A DPU that was never built: its chain under a fresh root, its signature, wrong where asked."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final, TypeVar

import msgspec

from casemate.crypto import der_encoding as der
from casemate.crypto import pem, simulated
from casemate.crypto.keys import Kind, PrivateKey
from casemate.crypto.simulated import Extension, Period
from casemate.errors import InputError
from casemate.tee.evidence import fitted
from casemate.tee.nvidia_dpu import tcb_info
from casemate.tee.nvidia_dpu.report import SIGNED_SIZE, TEE, VERSION, DpuDevice, DpuEvidence
from casemate.tee.simulation import COMMON, REPORT_DATA, Changes, Simulated

_T = TypeVar("_T")

FIELDS: Final = MappingProxyType(
    {name: text for name, text in COMMON.items() if name != "init_data"}
    | {
        "flip": "number of a byte of the alias certificate; its lowest bit is flipped",
        "version": "number; of the evidence",
        "architecture": "text",
        "devices": "number of devices in the evidence",
        "device_class": "text; the DeviceID's common name",
        "device_serial": "number; the DeviceID's serial number",
        "alias_age": "seconds since the alias certificate began; negative lies ahead",
        "alias_key": "P-384, P-256 or Ed25519",
        "device_key": "P-384 or P-256",
        "root_key": "P-384 or P-256",
        "expired": "alias, device or root: ended before the time of the simulation",
        "not_yet": "device or root: begins after it",
        "self_made": "alias, device or root: the same names, another signer",
        "no_authority": "device or root: lacks the right to sign certificates",
        "other_issuer": "alias or device: names another issuer",
        "revoked": "alias or device: on its issuer's list",
        "critical": "alias or device: has an extension that nobody knows, critical",
        "layers": "number of firmware layers of the device",
        "layer_digest": "hex; of the first layer",
        "layer_form": "implicit (TCG's), wrapped (upstream's), none, twice or broken",
        "signer": "other: a key that nobody certified signs",
        "signed": "padded (the default) or plain: the form of the report data that is signed",
        "signature_form": "der (the default) or raw",
        "signature": "hex; instead of a signature",
    }
)
"""What may be set."""
_KEYS: Final = MappingProxyType({"P-384": Kind.P384, "P-256": Kind.P256, "Ed25519": Kind.ED25519})
_YEAR: Final = timedelta(days=365)
_DAY: Final = timedelta(days=1)
_DEVICE_SERIAL: Final = 0x1D5E71A1
_SHA384: Final = "2.16.840.1.101.3.4.2.2"
_UNKNOWN: Final = Extension("1.3.6.1.4.1.5703.99", der.integer(1), critical=True)


def simulate(changes: Changes, now: datetime) -> Simulated:
    """Make DPU evidence.

    Raises:
        InputError: a value cannot be meant.
    """
    made = _Mint(changes, now.replace(microsecond=0))
    report_data = changes.data("report_data", REPORT_DATA)
    alias = bytearray(made.alias)
    flip = changes.number("flip", -1)
    if flip >= len(alias):
        raise InputError("flip", got=flip, want=f"less than {len(alias)}")
    if flip >= 0:
        alias[flip] ^= 1
    device = DpuDevice(
        architecture=changes.text("architecture", "bluefield3"),
        alias_cert=bytes(alias),
        device_id_cert=made.device,
        report_data_signature=changes.data("signature", made.sign(report_data)),
    )
    evidence = DpuEvidence(
        changes.number("version", VERSION), (device,) * changes.number("devices", 1)
    )
    return Simulated(
        tee=TEE,
        evidence=msgspec.json.encode(evidence),
        report_data=report_data,
        now=now,
        roots={"dpu-root.pem": pem.encode(made.root, "CERTIFICATE")},
        collateral=made.lists,
    )


class _Mint:
    """Keys and certificates of one device."""

    def __init__(self, changes: Changes, now: datetime) -> None:
        self._changes = changes
        self._now = now
        self._root_key = PrivateKey.generate(self._choice("root_key", _KEYS, "P-384"))
        self._device_key = PrivateKey.generate(self._choice("device_key", _KEYS, "P-384"))
        self._alias_key = PrivateKey.generate(self._choice("alias_key", _KEYS, "P-384"))
        root, device = simulated.name("DPU Root"), self._device_name()
        serial = changes.number("device_serial", _DEVICE_SERIAL)
        self.root = simulated.certificate(
            subject=root,
            spki=self._root_key.public.der(),
            issuer=root,
            signer=self._signer("root", self._root_key),
            period=self._period("root"),
            serial=1,
            extensions=self._rights("root"),
        )
        self.device = simulated.certificate(
            subject=device,
            spki=self._device_key.public.der(),
            issuer=self._issuer("device", root),
            signer=self._signer("device", self._root_key),
            period=self._period("device"),
            serial=serial,
            extensions=(*self._rights("device"), *self._firmware(), *self._critical("device")),
        )
        self.alias = simulated.certificate(
            subject=simulated.name("DPU Alias"),
            spki=self._alias_key.public.der(),
            issuer=self._issuer("alias", device),
            signer=self._signer("alias", self._device_key),
            period=self._period("alias"),
            serial=2,
            extensions=self._critical("alias"),
        )
        self.lists = self._lists(root, device, serial)

    def sign(self, report_data: bytes) -> bytes:
        """Sign report data in the form that is asked for."""
        forms = {"padded": fitted(report_data, SIGNED_SIZE), "plain": report_data}
        message = self._choice("signed", forms, "padded")
        key = self._alias_key
        if self._changes.text("signer", "") == "other":
            key = PrivateKey.generate(key.kind)
        if self._choice("signature_form", {"der": False, "raw": True}, "der"):
            return key.sign(message)
        return key.sign_der(message, "sha384")

    def _device_name(self) -> bytes:
        return simulated.name(self._changes.text("device_class", "bluefield3"))

    def _issuer(self, who: str, right: bytes) -> bytes:
        wrong = self._changes.text("other_issuer", "") == who
        return simulated.name("Somebody Else") if wrong else right

    def _signer(self, who: str, right: PrivateKey) -> PrivateKey:
        wrong = self._changes.text("self_made", "") == who
        return PrivateKey.generate(Kind.P384) if wrong else right

    def _period(self, who: str) -> Period:
        begin, end = self._now - _YEAR, self._now + 20 * _YEAR
        if who == "alias":
            begin = self._now - timedelta(seconds=self._changes.number("alias_age", 60))
        if self._changes.text("expired", "") == who:
            end = self._now - timedelta(seconds=1)
        if self._changes.text("not_yet", "") == who:
            begin = self._now + _DAY
        return Period(begin, end)

    def _rights(self, who: str) -> tuple[Extension, ...]:
        return () if self._changes.text("no_authority", "") == who else simulated.authority()

    def _critical(self, who: str) -> tuple[Extension, ...]:
        return (_UNKNOWN,) if self._changes.text("critical", "") == who else ()

    def _firmware(self) -> tuple[Extension, ...]:
        count = self._changes.number("layers", 2)
        digests = [bytes([0xF0 + at % 16]) * 48 for at in range(count)]
        if digests:
            digests[0] = self._changes.data("layer_digest", digests[0])
        ids = b"".join(der.sequence(der.oid(_SHA384), der.octets(one)) for one in digests)
        implicit = der.element(tcb_info.FWIDS, ids)
        forms: dict[str, bytes | None] = {
            "implicit": der.sequence(der.element(0x81, b"BF3"), implicit),
            "wrapped": der.sequence(der.element(tcb_info.FWIDS, der.sequence(ids))),
            "twice": der.sequence(implicit, implicit),
            "broken": der.octets(b"no sequence"),
            "none": None,
        }
        value = self._choice("layer_form", forms, "implicit")
        return () if value is None else (Extension(tcb_info.OID, value, critical=True),)

    def _lists(self, root: bytes, device: bytes, serial: int) -> dict[str, bytes]:
        revoked = self._changes.text("revoked", "")
        issuers = {"device": (root, self._root_key, serial), "alias": (device, self._device_key, 2)}
        if revoked not in issuers:
            return {}
        issuer, key, number = issuers[revoked]
        period = Period(self._now - _DAY, self._now + _YEAR)
        made = simulated.revocation_list(issuer=issuer, signer=key, period=period, revoked=[number])
        return {f"{revoked}.crl": made}

    def _choice(self, field: str, choices: Mapping[str, _T], default: str) -> _T:
        text = self._changes.text(field, default)
        if text not in choices:
            raise InputError(field, got=text, want=", ".join(choices))
        return choices[text]
