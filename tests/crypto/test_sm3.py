import pytest

from casemate.crypto.sm3 import SIZE, hmac_sm3, sm3


@pytest.mark.parametrize(
    ("message", "digest"),
    [  # GB/T 32905-2016, annex A
        (b"abc", "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"),
        (b"abcd" * 16, "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732"),
    ],
)
def test_digests_of_the_standard(message: bytes, digest: str) -> None:
    assert sm3(message).hex() == digest
    assert len(sm3(message)) == SIZE


def test_hmac_follows_rfc_2104() -> None:
    key, message = bytes(range(16)), b"message"
    inner = bytes(byte ^ 0x36 for byte in key.ljust(64, b"\0"))
    outer = bytes(byte ^ 0x5C for byte in key.ljust(64, b"\0"))
    assert hmac_sm3(key, message) == sm3(outer + sm3(inner + message))
