"""NVIDIA devices in software: Hopper, Blackwell and LS10, one of them or a machine of twelve."""

import base64
from datetime import datetime
from types import MappingProxyType
from typing import Final

import msgspec

from casemate.crypto import pem
from casemate.crypto.digest import Algorithm, Digest
from casemate.errors import InputError
from casemate.tee.evidence import fitted
from casemate.tee.nvidia import fake_chain, fake_manifest, fake_service, opaque, ppcie
from casemate.tee.nvidia.architecture import BLACKWELL, GPU, HOPPER, LS10, Architecture
from casemate.tee.nvidia.evidence import TEE, UNKNOWN_UUID, DeviceJson, EvidenceJson
from casemate.tee.nvidia.fake_chain import FWID, FakeDevice, Maker, choice
from casemate.tee.nvidia.fake_manifest import Publisher
from casemate.tee.nvidia.fake_service import Service
from casemate.tee.nvidia.remote import Asked
from casemate.tee.nvidia.spdm import (
    ALL_MEASUREMENTS,
    GET_MEASUREMENTS,
    MEASUREMENTS,
    NONCE_SIZE,
    VERSION,
    WITH_SIGNATURE,
    Measurement,
    Request,
    Response,
)
from casemate.tee.simulation import COMMON, REPORT_DATA, Changes, Simulated

DRIVER: Final = "550.90.07"
_VBIOS: Final = bytes.fromhex("009f009601000000")
_MEASUREMENTS: Final = 64
_LINKS: Final = 18
_CHIPS: Final = {HOPPER.wire: "GH100", BLACKWELL.wire: "GB100", LS10.wire: "LS10"}
_MACHINE: Final = "machine"
_NUMBERS: Final = MappingProxyType(
    {
        "request_version": VERSION,
        "request_code": GET_MEASUREMENTS,
        "request_attributes": WITH_SIGNATURE,
        "request_operation": ALL_MEASUREMENTS,
        "request_slot": 0,
        "response_version": VERSION,
        "response_code": MEASUREMENTS,
        "response_param1": 0,
        "response_param2": 0,
    }
)
_LENGTHS: Final = MappingProxyType(
    {
        "count": (41, 1),
        "record_size": (42, 3),
        "block_specification": (46, 1),
        "block_size": (47, 2),
        "value_size": (50, 2),
    }
)
"""Field → offset and size, in every report."""

FIELDS: Final = MappingProxyType(
    {
        **COMMON,
        **fake_chain.FIELDS,
        **fake_manifest.FIELDS,
        **fake_service.FIELDS,
        "arch": "HOPPER, BLACKWELL, LS10, or machine: eight GPUs and four switches",
        "arch_shown": "text; the architecture that evidence names",
        "devices": "number; of devices of this architecture",
        "twice": "true: the last device is the first one again",
        "uuid": "text; nobody signs it",
        "encoding": "hex or base64; of the report",
        "tail": "hex; what follows the signature",
        "signature": "hex; r || s",
        **dict.fromkeys(_NUMBERS, "number; of the SPDM message"),
        **dict.fromkeys(_LENGTHS, "number; a length, as signed"),
        "opaque_size": "number; the length of the opaque data, as signed",
        "request_nonce": "hex of 32 bytes; instead of the report data",
        "response_nonce": "hex of 32 bytes",
        **{f"measurement.{n}": "hex; a measurement" for n in range(1, _MEASUREMENTS + 1)},
        **{f"opaque.{name}": "hex, or none; a field" for name in opaque.NAMES.values()},
        "opaque_extra": "hex; more opaque data behind the rest",
        "switch_pdi": "right, or wrong: a GPU is linked to another switch",
    }
)


def simulate(changes: Changes, now: datetime) -> Simulated:
    """Make evidence of one or several devices, right, or wrong in what was set.

    Raises:
        InputError: a value that cannot be meant.
    """
    return _Simulation(changes, now).simulated()


class _Device(msgspec.Struct, frozen=True, kw_only=True):
    architecture: Architecture
    chip: str
    made: FakeDevice
    report: bytes

    @property
    def pem(self) -> bytes:
        return b"".join(pem.encode(one, "CERTIFICATE") for one in self.made.shown)


class _Simulation:
    def __init__(self, changes: Changes, now: datetime) -> None:
        self._changes = changes
        self._now = now
        self._report_data = changes.data("report_data", REPORT_DATA)
        self._nonce = changes.data("request_nonce", fitted(self._report_data, NONCE_SIZE))
        self._maker = Maker(changes, now)
        self._publisher = Publisher(changes, now)
        self._service = Service(changes, now)

    def simulated(self) -> Simulated:
        devices = self._devices()
        remote = choice(self._changes, "mode", "local", "remote") == "remote"
        roots = {
            "device_root.pem": pem.encode(self._maker.configured.der, "CERTIFICATE"),
            "manifest_root.pem": pem.encode(self._publisher.configured, "CERTIFICATE"),
        }
        collateral = self._manifests(devices)
        for one in devices:
            collateral |= self._maker.published(one.made)
        if remote:
            collateral |= self._service.jwks | self._verdicts(devices)
        if self._changes.flag("twice"):
            devices.append(devices[0])
        return Simulated(
            tee=TEE,
            evidence=msgspec.json.encode(EvidenceJson(tuple(map(self._json, devices)))),
            binary=devices[0].report,
            report_data=self._report_data,
            init_data=self._init_data(),
            now=self._now,
            roots=roots,
            collateral=collateral,
            options=("nvidia.mode=remote",) if remote else (),
        )

    def _devices(self) -> list[_Device]:
        name = choice(self._changes, "arch", *_CHIPS, _MACHINE)
        if name == _MACHINE:
            return [
                *(self._device(HOPPER, n) for n in range(ppcie.GPUS)),
                *(self._device(LS10, n) for n in range(ppcie.SWITCHES)),
            ]
        count = self._changes.number("devices", 1)
        if not 1 <= count <= ppcie.GPUS:
            raise InputError("devices", got=count, want=f"1 to {ppcie.GPUS}")
        (architecture,) = (one for one in (HOPPER, BLACKWELL, LS10) if one.wire == name)
        return [self._device(architecture, number) for number in range(count)]

    def _device(self, architecture: Architecture, number: int) -> _Device:
        chip = _CHIPS[architecture.wire]
        made = self._maker.device(chip)
        return _Device(
            architecture=architecture,
            chip=chip,
            made=made,
            report=self._report(made, self._opaque(architecture, chip, number)),
        )

    def _report(self, made: FakeDevice, content: bytes) -> bytes:
        numbers = {k: self._changes.number(k, value) for k, value in _NUMBERS.items()}
        for name, value in numbers.items():
            if not 0 <= value <= 0xFF:
                raise InputError(name, got=value, want="0 to 255")
        request = Request(
            numbers["request_version"],
            numbers["request_code"],
            numbers["request_attributes"],
            numbers["request_operation"],
            self._nonce,
            numbers["request_slot"],
        )
        response = Response(
            version=numbers["response_version"],
            code=numbers["response_code"],
            parameters=(numbers["response_param1"], numbers["response_param2"]),
            measurements=tuple(
                Measurement(index, 1, self._measurement(index))
                for index in range(1, _MEASUREMENTS + 1)
            ),
            nonce=self._changes.data("response_nonce", bytes(range(32))),
            opaque=content,
        )
        signed = self._lengths(request.encode() + response.encode(), len(content))
        kind = "ES384" if made.key.algorithm == "ES384" else "ES256"
        signature = self._changes.data("signature", made.key.sign(signed, kind).ljust(96, b"\0"))
        return self._flipped(signed) + signature + self._changes.data("tail", b"")

    def _lengths(self, signed: bytes, opaque_size: int) -> bytes:
        places = {**_LENGTHS, "opaque_size": (len(signed) - opaque_size - 2, 2)}
        raw = bytearray(signed)
        for name, (at, size) in places.items():
            old = int.from_bytes(raw[at : at + size], "little")
            value = self._changes.number(name, old)
            if not 0 <= value < 1 << 8 * size:
                raise InputError(name, got=value, want=f"a number of {size} bytes")
            raw[at : at + size] = value.to_bytes(size, "little")
        return bytes(raw)

    def _flipped(self, signed: bytes) -> bytes:
        at = self._changes.number("flip", -1)
        if at == -1:
            return signed
        if not 0 <= at < len(signed):
            raise InputError("flip", got=at, want=f"0 to {len(signed) - 1}")
        return signed[:at] + bytes([signed[at] ^ 1]) + signed[at + 1 :]

    def _measurement(self, index: int) -> bytes:
        return self._changes.data(f"measurement.{index}", bytes([index]) * 48)

    def _opaque(self, architecture: Architecture, chip: str, number: int) -> bytes:
        fields = {
            opaque.VBIOS_VERSION: _VBIOS,
            14: bytes.fromhex("b1030000"),
            15: b"882\0",
            16: b"0\0",
            17: b"1010\0",
            18: b"0200\0",
            opaque.FWID: FWID,
            opaque.SWITCH_PDI: self._pdis(architecture, number),
        }
        if architecture.tee_class == GPU:
            fields |= {opaque.DRIVER_VERSION: DRIVER.encode() + b"\0", opaque.NVDEC0_STATUS: b"U"}
            fields |= {opaque.MEASUREMENT_COUNT: bytes(4 * _MEASUREMENTS), 36: b"\2\0"}
        if architecture is BLACKWELL:
            fields[35] = chip.encode() + b"\0\0"
        for kind, name in opaque.NAMES.items():
            field = f"opaque.{name}"
            if self._changes.text(field, "") == "none":
                fields.pop(kind, None)
            elif value := self._changes.data(field, b""):
                fields[kind] = value
        return opaque.encode(fields) + self._changes.data("opaque_extra", b"")

    def _pdis(self, architecture: Architecture, number: int) -> bytes:
        """Give field 22: a switch's own, or one for each of a GPU's links, the bytes reversed."""
        own = [(0xA0 + n).to_bytes(8, "little") for n in range(ppcie.SWITCHES)]
        if architecture is LS10:
            return own[number % ppcie.SWITCHES]
        if choice(self._changes, "switch_pdi", "right", "wrong") == "wrong" and number == 0:
            own[0] = b"\xff" * 8
        links = [own[n % ppcie.SWITCHES][::-1] for n in range(_LINKS - 1)]
        return b"".join((*links, bytes(8)))

    def _json(self, one: _Device) -> DeviceJson:
        hexadecimal = choice(self._changes, "encoding", "hex", "base64") == "hex"
        return DeviceJson(
            arch=self._changes.text("arch_shown", one.architecture.wire),
            evidence=one.report.hex() if hexadecimal else base64.b64encode(one.report).decode(),
            certificate=one.pem,
            uuid=self._changes.text("uuid", UNKNOWN_UUID),
        )

    def _manifests(self, devices: list[_Device]) -> dict[str, bytes]:
        kind = choice(self._changes, "manifests", "none", "given", "driver", "vbios")
        found: dict[str, bytes] = {}
        for one in devices:
            golden = {n: bytes([n + 1]) * 48 for n in range(1, 40)}
            golden[0] = self._changes.data("manifest_value", bytes([1]) * 48)
            golden[35] = bytes(48)  # a disabled decoder's: it must not count
            if kind in {"given", "driver"} and one.architecture.tee_class == GPU:
                version = self._changes.text("manifest_version", DRIVER)
                raw = self._publisher.manifest(one.chip, version, golden)
                found[f"nvidia/rim/driver-{one.chip}.xml"] = raw
            if kind in {"given", "vbios"}:
                version = opaque.vbios_version(_VBIOS)
                raw = self._publisher.manifest(one.chip, version, {1: bytes([2]) * 48})
                wrapped = {"id": "simulated", "rim": base64.b64encode(raw).decode()}
                found[f"nvidia/rim/vbios-{one.chip}.json"] = msgspec.json.encode(wrapped)
        return found

    def _verdicts(self, devices: list[_Device]) -> dict[str, bytes]:
        groups: dict[str, list[_Device]] = {}
        for one in devices:
            groups.setdefault(one.architecture.wire, []).append(one)
        asked = [
            Asked(
                tee_class=members[0].architecture.tee_class,
                architecture=wire,
                nonce=self._nonce,
                devices=tuple((one.report, one.pem) for one in members),
            )
            for wire, members in groups.items()
        ]
        return {one.name: self._service.answer(one) for one in asked}

    def _init_data(self) -> Digest | None:
        value = self._changes.data("init_data", b"")
        sizes = {algorithm.size: algorithm for algorithm in Algorithm}
        if not value:
            return None
        if len(value) not in sizes:
            raise InputError("init_data", got=f"{len(value)} bytes", want="32, 48 or 64 bytes")
        return Digest(sizes[len(value)], value)
