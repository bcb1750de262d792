import json
from pathlib import Path

import msgspec
import pytest

from casemate.crypto.digest import sha256
from casemate.errors import HostError, InputError, PeerError
from casemate.linux.uv import Uv
from casemate.tee.machine import Machine
from casemate.tee.se.attester import SeAttester, open_attester
from casemate.tee.se.report import SeResponse
from tests.sim.devices.uv import FakeUv

DIGEST = bytes(range(48))
REQUEST = {
    "request_blob": "AAAA",
    "measurement_size": 64,
    "additional_size": 64,
    "encr_measurement_key": "a2V5",
    "encr_request_nonce": "bm9uY2U=",
    "image_hdr_tags": "dGFncw==",
    "runtime_data_digest": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4v",
}


def answer(request: bytes, user: bytes) -> tuple[bytes, bytes, bytes]:
    return (request + user)[:64], b"a" * 64, b"c" * 16


def attester(device: FakeUv | None = None) -> SeAttester:
    return SeAttester(Uv(open_device=(device or FakeUv(answer)).open))


def ask(**changes: object) -> bytes:
    return json.dumps(REQUEST | changes).encode()


def test_request_is_answered_and_echoed() -> None:
    found = msgspec.json.decode(attester().evidence(ask()), type=SeResponse)
    user = DIGEST.ljust(64, b"\0")
    assert found.measurement == (b"\0\0\0" + user)[:64]
    assert (found.additional_data, found.user_data, found.cuid) == (b"a" * 64, user, b"c" * 16)
    assert (found.encr_measurement_key, found.encr_request_nonce) == (b"key", b"nonce")
    assert found.image_hdr_tags == b"tags"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"\xff",
        ask(request_blob=""),
        ask(request_blob="!"),
        ask(measurement_size=0),
        ask(measurement_size=1 << 20),
        ask(additional_size=-1),
        ask(runtime_data_digest=None),
        json.dumps({k: v for k, v in REQUEST.items() if k != "runtime_data_digest"}).encode(),
        b"[" * 10_000,
    ],
)
def test_what_is_no_request_is_refused(raw: bytes) -> None:
    with pytest.raises(PeerError):
        attester().evidence(raw)


def test_digest_that_does_not_fit_is_refused() -> None:
    with pytest.raises(InputError, match="66 bytes"):
        attester().evidence(ask(runtime_data_digest="A" * 88))


def test_ultravisor_that_refuses_is_an_error() -> None:
    device = FakeUv(answer)
    device.code = 0x106
    with pytest.raises(HostError, match="host key"):
        attester(device).evidence(ask())


def test_initdata_cannot_be_bound_nor_registers_extended() -> None:
    made = attester()
    assert (made.tee, made.has_registers) == ("se", False)
    with pytest.raises(HostError, match="no field"):
        made.bind_init_data(sha256(b"initdata"))
    with pytest.raises(HostError, match="registers"):
        made.extend(4, bytes(48))


def test_bare_machine_says_what_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="dev/uv"):
        open_attester(Machine.this({}, root=tmp_path)).evidence(ask())
