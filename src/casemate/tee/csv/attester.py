"""Attester of a VM under Hygon CSV (tee §10).

The device's answer is checked by its MAC, which only proves that it answers this request; then the
mask is taken off the signer, as upstream's library does.
"""

import hmac
import os
from collections.abc import Callable
from typing import Any, Final

import msgspec

from casemate.crypto.digest import Digest
from casemate.crypto.sm3 import hmac_sm3, sm3
from casemate.errors import HostError, InputError
from casemate.linux import csv_guest
from casemate.linux.csv_guest import CsvGuest
from casemate.tee import event_log_files
from casemate.tee.csv.report import (
    MAGIC,
    MASKED,
    PAGE,
    REPORT_DATA_SIZE,
    SIGNER_FORM,
    TEE,
    V1_FORM,
    V2_FORM,
    mask,
    serial_text,
)
from casemate.tee.hygon.certificate import CA_SIZE, CSV_SIZE
from casemate.tee.hygon.certificate_json import HskCekJson, write_ca, write_csv
from casemate.tee.hygon.form import Form
from casemate.tee.machine import Machine
from casemate.tee.report_data import no_init_data, padded

INCLUDE_CHAIN: Final = "CSV_INCLUDE_CERT_CHAIN_IN_ATTESTATION_REPORT"
CERTIFICATES: Final = "/opt/hygon/csv/hsk_cek"
_MNONCE_SIZE: Final = 16
_FLAGS: Final = 1
_MASKED_SIGNER: Final = SIGNER_FORM.offsets["reserved"]
_MAC_AT: Final = SIGNER_FORM.offsets["mac"]
_SPEC: Final = "tee §10"


class CsvAttester:
    """This VM."""

    def __init__(
        self,
        guest: CsvGuest,
        machine: Machine,
        *,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._guest = guest
        self._machine = machine
        self._random = random

    @property
    def tee(self) -> str:
        return TEE

    @property
    def has_registers(self) -> bool:
        """Whether this firmware and kernel know run-time registers.

        Raises:
            HostError: the device is gone.
        """
        return self._guest.has_registers

    def evidence(self, report_data: bytes) -> bytes:
        """Ask for a report bound to ``report_data``, padded to 64 bytes.

        Version 2 where there are registers, with the event log that explains them; else version 1.
        The certificates of the chip's maker are the verifier's to find, unless this guest is told
        to send them (``CSV_INCLUDE_CERT_CHAIN_IN_ATTESTATION_REPORT``) and has them.

        Raises:
            HostError: the firmware refuses, or answers another request.
            PeerError: the firmware's event log cannot be understood.
            InputError: over 64 bytes.
        """
        data = padded(report_data, REPORT_DATA_SIZE)
        log = event_log_files.gather(self._machine)
        version = 2 if self._guest.has_registers else 1
        page = self._report(data, version)
        signer = _part(page, version)
        serial = signer["serial_number"]
        return msgspec.json.encode(
            {
                "attestation_report": {
                    "magic": list(MAGIC if version == 2 else bytes(16)),
                    "flags": _FLAGS if version == 2 else 0,
                    "data": list(page),
                },
                "cert_chain": {"pek": write_csv(signer["pek"]), **self._chip(serial)},
                "serial_number": list(serial),
                "cc_eventlog": log,
            }
        )

    def bind_init_data(self, digest: Digest) -> None:
        """Refuse.

        Raises:
            HostError: always; CSV has no field for it.
        """
        raise no_init_data(TEE, digest)

    def extend(self, register: int, digest: bytes, event: bytes = b"") -> None:  # noqa: ARG002
        """Extend a register (0 to 4) with 32 bytes, SM3; the agent keeps ``event`` in its log.

        Raises:
            InputError: no such register, or not 32 bytes.
            HostError: there are no registers, or the firmware refuses.
        """
        if not 0 <= register < csv_guest.REGISTERS or len(digest) != csv_guest.REGISTER_SIZE:
            raise InputError(
                "register to extend",
                got=f"{register} with {len(digest)} bytes",
                want="0 to 4 with 32 bytes, SM3",
                spec="tee §1.4",
            )
        self._guest.extend(register, digest)

    def _chip(self, serial: bytes) -> dict[str, Any]:
        """Give HSK and CEK of this chip, if they are asked for.

        Raises:
            HostError: they are not in their folder.
        """
        if self._machine.environ.get(INCLUDE_CHAIN) != "true":
            return {}
        file = self._machine.path(CERTIFICATES) / serial_text(serial) / "hsk_cek.cert"
        try:
            raw = file.read_bytes()
        except OSError as error:
            raise HostError(
                str(file), got=error.strerror, want="HSK and CEK of this chip", spec=_SPEC
            ) from error
        if len(raw) != CA_SIZE + CSV_SIZE:
            raise HostError(
                str(file), got=f"{len(raw)} bytes", want=f"{CA_SIZE + CSV_SIZE}", spec=_SPEC
            )
        return {"hsk_cek": HskCekJson(write_ca(raw[:CA_SIZE]), write_csv(raw[CA_SIZE:]))}

    def _report(self, data: bytes, version: int) -> bytes:
        """Ask, check the answer, and give the page with the mask off its signer."""
        mnonce = self._random(_MNONCE_SIZE)
        request = data + mnonce + sm3(data + mnonce)
        if version == 2:
            request += MAGIC + _FLAGS.to_bytes(4, "little")
        page = self._guest.report(request)
        form = _form(version)
        values = form.parse(page[: form.size])
        anonce = values.get("anonce", 0)
        shown = form.parse(mask(page[:MASKED], anonce) + page[MASKED : form.size])
        signer = page[form.size : form.size + SIGNER_FORM.size]
        mac = hmac_sm3(mnonce, signer[:_MAC_AT])
        if not hmac.compare_digest(shown["mnonce"], mnonce) or not hmac.compare_digest(
            mac, signer[_MAC_AT:]
        ):
            raise HostError(
                str(csv_guest.DEVICE),
                got="an answer to another request",
                want="a report with our nonce, and its MAC",
                spec=_SPEC,
                remedy="somebody between this VM and its firmware changes answers",
            )
        restored = mask(signer[:_MASKED_SIGNER], anonce)
        reserved = bytes(_MAC_AT - _MASKED_SIGNER)
        rest = page[form.size + _MAC_AT :]
        return (page[: form.size] + restored + reserved + rest)[:PAGE]


def _form(version: int) -> Form:
    return V2_FORM if version == 2 else V1_FORM


def _part(page: bytes, version: int) -> dict[str, Any]:
    size = _form(version).size
    return SIGNER_FORM.parse(page[size : size + SIGNER_FORM.size])


def open_attester(machine: Machine) -> CsvAttester:
    """Make the attester of a machine."""
    return CsvAttester(CsvGuest(machine.path(csv_guest.DEVICE)), machine)
