"""Which certificate is a device's, and whether its key can sign reports."""

from datetime import timedelta

import pytest

from casemate.crypto import simulated
from casemate.crypto.certificate import Certificate
from casemate.crypto.keys import Kind, PrivateKey
from casemate.crypto.simulated import Extension, Period
from casemate.errors import PeerError, VerificationError
from casemate.tee.nvidia.chain import FWID_SIZE, find, key_of
from casemate.tee.verifiers import trail_of
from tests.tee.simulated import NOW

FWID = "2.23.133.5.4.1"
WANTED = b"\x5f" * FWID_SIZE
KEY = PrivateKey.generate(Kind.P384)
X25519 = bytes.fromhex("302a300506032b656e032100") + bytes(range(32))


def leaf(*fwids: bytes, spki: bytes | None = None) -> Certificate:
    name = simulated.name("device")
    return Certificate(
        simulated.certificate(
            subject=name,
            spki=KEY.public.der() if spki is None else spki,
            issuer=name,
            signer=KEY,
            period=Period(NOW - timedelta(days=1), NOW + timedelta(days=1)),
            serial=1,
            extensions=[Extension(FWID, one) for one in fwids],
        )
    )


def test_device_is_the_one_with_the_reports_firmware() -> None:
    right = leaf(WANTED)
    twice = leaf(WANTED, WANTED)
    with pytest.raises(PeerError):
        _ = twice.extensions
    assert find([twice, leaf(bytes(FWID_SIZE)), leaf(b"short"), leaf(), right], WANTED)[0] == right


def test_device_whose_extensions_cannot_be_read_is_none() -> None:
    with pytest.raises(PeerError, match="none for firmware 5f5f"):
        find([leaf(WANTED, WANTED), leaf(WANTED[1:])], WANTED)


@pytest.mark.parametrize(
    "spki", [X25519, PrivateKey.generate(Kind.P256).public.der()], ids=["x25519", "p256"]
)
def test_key_that_no_device_has_is_refused(spki: bytes) -> None:
    trail = trail_of("nvidia")
    with (
        pytest.raises(VerificationError, match=r"key of the leaf: got .*, want P-384"),
        trail.step(7) as step,
    ):
        key_of(step, leaf(spki=spki))
