"""Two libraries verify ECDSA, and nobody may see which one did: the same is accepted by both."""

import hashlib
import sys

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from hypothesis import given, settings
from hypothesis import strategies as st

from casemate.crypto import der_encoding as der
from casemate.crypto import ecdsa
from casemate.crypto.der import Tag
from casemate.crypto.keys import Kind, PrivateKey, PublicKey
from casemate.errors import InputError
from casemate.linux import program

KEY = PrivateKey.generate(Kind.P384)
NATIVE = KEY.public.native
SPKI = KEY.public.der()
SIGNATURE = KEY.sign_der(b"message", "sha384")
ORDER = int(
    "ffffffffffffffffffffffffffffffffffffffffffffffff"
    "c7634d81f4372ddf581a0db248b0a77aecec196accc52973",
    16,
)
DIGESTS = {"sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512()}


def quick(signature: bytes, message: bytes, digest: str = "sha384") -> bool:
    """Ask the quick library; fails where it is not the one that is asked."""
    assert ecdsa._quick_key(SPKI) is not None
    return accepts(SPKI, signature, message, digest)


def plain(signature: bytes, message: bytes, digest: str = "sha384") -> bool:
    """Ask the other one: no key in DER is at hand."""
    return accepts(b"", signature, message, digest)


def accepts(spki: bytes, signature: bytes, message: bytes, digest: str) -> bool:
    assert isinstance(NATIVE, ec.EllipticCurvePublicKey)
    try:
        ecdsa.verify(NATIVE, spki, signature, message, DIGESTS[digest])
    except InvalidSignature:
        return False
    return True


def numbers(signature: bytes) -> tuple[int, int]:
    return utils.decode_dss_signature(signature)


def pair(r: int, s: int) -> bytes:
    return der.sequence(der.integer(r), der.integer(s))


@pytest.mark.parametrize("digest", DIGESTS)
@settings(deadline=None, max_examples=30)
@given(message=st.binary(max_size=300))
def test_what_the_key_signed_is_accepted_by_both(digest: str, message: bytes) -> None:
    signature = KEY.sign_der(message, digest)
    assert quick(signature, message, digest)
    assert plain(signature, message, digest)
    assert not quick(signature, message + b"\0", digest)


@settings(deadline=None, max_examples=400)
@given(data=st.data())
def test_a_changed_signature_gets_the_same_answer_of_both(data: st.DataObject) -> None:
    signature = bytearray(SIGNATURE)
    for _ in range(data.draw(st.integers(0, 2))):
        at = data.draw(st.integers(0, len(signature) - 1))
        signature[at] ^= data.draw(st.integers(1, 255))
    cut = data.draw(st.integers(0, len(signature)))
    for one in (bytes(signature), bytes(signature[:cut]), bytes(signature) + bytes([cut & 0xFF])):
        assert quick(one, b"message") == plain(one, b"message")


@settings(deadline=None)
@given(raw=st.binary(max_size=120))
def test_any_bytes_are_no_signature(raw: bytes) -> None:
    assert not quick(raw, b"message")
    assert not plain(raw, b"message")


def test_numbers_at_the_edge_get_the_same_answer_of_both() -> None:
    r, s = numbers(SIGNATURE)
    assert quick(pair(r, ORDER - s), b"message")  # as with every ECDSA
    assert plain(pair(r, ORDER - s), b"message")
    edges = (0, 1, ORDER - 1, ORDER, ORDER + 1, -r, r + ORDER, 1 << 384, 1 << 4096)
    for one in edges:
        for text in (pair(one, s), pair(r, one), pair(one, one)):
            assert quick(text, b"message") is plain(text, b"message") is False, one


def test_numbers_written_otherwise_get_the_same_answer_of_both() -> None:
    r, s = numbers(SIGNATURE)
    first, second = der.integer(r), der.integer(s)
    wide = der.element(Tag.INTEGER, bytes(3) + r.to_bytes(48, "big"))
    texts = {
        "leading zeros": der.sequence(wide, second),
        "third number": der.sequence(first, second, second),
        "one number": der.sequence(first),
        "another string type": der.sequence(der.element(Tag.OCTET_STRING, first), second),
        "length in two bytes": b"\x30\x81" + SIGNATURE[1:],
        "end of contents": b"\x30\x80" + SIGNATURE[2:] + bytes(2),
    }
    for name, text in texts.items():
        assert quick(text, b"message") is plain(text, b"message") is False, name


def test_another_key_and_another_curve_are_not_mixed_up() -> None:
    other = PrivateKey.generate(Kind.P384)
    small = PrivateKey.generate(Kind.P256)
    signature = other.sign_der(b"message", "sha384")
    assert not quick(signature, b"message")
    assert ecdsa._quick_key(small.public.der()) is None
    small.public.verify_der(small.sign_der(b"message"), b"message")


def test_key_that_can_be_read_in_two_ways_is_left_to_the_library_that_read_it() -> None:
    again = der.sequence(SPKI[2:25], SPKI[25:])
    assert again == SPKI
    assert ecdsa._quick_key(SPKI + b"\0") is None
    assert ecdsa._quick_key(b"\x30\x81" + SPKI[1:]) is None


def test_point_off_the_curve_is_no_key() -> None:
    broken = SPKI[:-1] + bytes([SPKI[-1] ^ 1])
    with pytest.raises(InputError):
        PublicKey.from_der(broken)


def test_without_the_quick_library_the_other_one_answers() -> None:
    """As in the guest: a process to which nobody gives it."""
    script = (
        "import sys; sys.modules['awscrt'] = None\n"
        "from casemate.crypto import ecdsa\n"
        "from casemate.crypto.keys import PublicKey\n"
        "from casemate.errors import VerificationError\n"
        f"key, signature = PublicKey.from_der({SPKI!r}), {SIGNATURE!r}\n"
        "key.verify_der(signature, b'message', 'sha384')\n"
        "try: key.verify_der(signature, b'massage', 'sha384')\n"
        "except VerificationError: print(ecdsa._library(), 'refused')\n"
    )
    done = program.run([sys.executable, "-c", script], timeout=60)
    assert done.stdout == b"None refused\n"


def test_the_quick_library_is_not_loaded_for_other_curves() -> None:
    """It takes a Trustee longer to load than all else for its first secret."""
    script = (
        "import sys\n"
        "from casemate.crypto.keys import Kind, PrivateKey\n"
        "key = PrivateKey.generate(Kind.P256)\n"
        "key.public.verify(key.sign(b'message', 'ES256'), b'message', 'ES256')\n"
        "print('awscrt' in sys.modules)\n"
    )
    assert program.run([sys.executable, "-c", script], timeout=60).stdout == b"False\n"


def test_message_is_hashed_as_asked() -> None:
    key = ecdsa._quick_key(SPKI)
    assert key is not None
    assert key.verify(hashlib.sha384(b"message").digest(), SIGNATURE)
    assert not quick(SIGNATURE, b"message", "sha512")
