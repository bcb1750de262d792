"""Any bytes at all: only our errors, in bounded time."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casemate.crypto import der_encoding as der
from casemate.crypto.certificate import Certificate
from casemate.crypto.der import Tag
from casemate.errors import PeerError, VerificationError
from casemate.tee.evidence import Expectation
from casemate.tee.nvidia_dpu import tcb_info
from casemate.tee.nvidia_dpu.report import read
from casemate.tee.verifiers import verify
from tests.tee.nvidia_dpu.simulated import inputs_of, make

MADE = make()
EVIDENCE: dict[str, Any] = json.loads(MADE.evidence)
DEVICE: dict[str, str] = EVIDENCE["devices"][0]
SHA384 = der.oid("2.16.840.1.101.3.4.2.2")


def refused(raw: bytes) -> None:
    with pytest.raises(VerificationError):
        verify("nvidia-dpu", raw, Expectation(report_data=MADE.report_data), inputs_of(MADE))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{}",
        b"[]",
        b"\xff",
        b"{" * 10_000,
        b'{"version":1,"devices":' + b"[" * 10_000 + b"]" * 10_000 + b"}",
        bytes(64 << 20),
        b'{"version":1,"devices":{}}',
        b'{"version":"1","devices":[]}',
        b'{"version":1.5,"devices":[]}',
    ],
    ids=range(10),
)
def test_other_shapes_are_refused(raw: bytes) -> None:
    refused(raw)


@pytest.mark.parametrize("name", sorted(DEVICE))
def test_each_member_is_needed_and_of_its_form(name: str) -> None:
    wrong: tuple[object, ...] = (None, 1, [], "_-_", "ab")
    for value in wrong:
        refused(json.dumps({"version": 1, "devices": [{**DEVICE, name: value}]}).encode())
    without = {key: value for key, value in DEVICE.items() if key != name}
    refused(json.dumps({"version": 1, "devices": [without]}).encode())


@pytest.mark.parametrize("name", ["alias_cert", "device_id_cert"])
def test_every_cut_of_a_certificate_is_refused(name: str) -> None:
    for size in range(0, len(DEVICE[name]), 4):
        refused(
            json.dumps({"version": 1, "devices": [{**DEVICE, name: DEVICE[name][:size]}]}).encode()
        )


def test_certificates_in_each_others_place_are_refused() -> None:
    swapped = {
        **DEVICE,
        "alias_cert": DEVICE["device_id_cert"],
        "device_id_cert": DEVICE["alias_cert"],
    }
    refused(json.dumps({"version": 1, "devices": [swapped]}).encode())
    twice = {**DEVICE, "alias_cert": DEVICE["device_id_cert"]}
    refused(json.dumps({"version": 1, "devices": [twice]}).encode())


@given(st.binary(max_size=200))
def test_any_bytes_raise_only_our_error(data: bytes) -> None:
    with pytest.raises(PeerError):
        read(data)
    refused(data)


class _Holder(Certificate):
    """A certificate of which only one extension matters."""

    def __init__(self, value: bytes) -> None:
        from casemate.crypto.certificate import Extension

        self.__dict__["extensions"] = {tcb_info.OID: Extension(value, critical=False)}


@given(st.binary(max_size=120))
def test_any_extension_raises_only_our_error(value: bytes) -> None:
    for body in (value, der.sequence(value), der.sequence(der.element(tcb_info.FWIDS, value))):
        try:
            tcb_info.layers(_Holder(body))
        except PeerError:
            continue


@pytest.mark.parametrize(
    "inner",
    [
        der.sequence(SHA384),
        der.sequence(SHA384, der.octets(bytes(48)), der.octets(b"")),
        der.sequence(der.octets(bytes(48)), SHA384),
        der.sequence(SHA384, der.octets(bytes(47))),
        der.sequence(SHA384, der.octets(bytes(49))),
        der.sequence(der.oid("1.2.3"), der.octets(bytes(48))),
        der.sequence(SHA384, der.element(Tag.NULL)),
        der.octets(b""),
    ],
)
def test_firmware_ids_of_another_form_are_refused(inner: bytes) -> None:
    with pytest.raises(PeerError):
        tcb_info.layers(_Holder(der.sequence(der.element(tcb_info.FWIDS, inner))))
