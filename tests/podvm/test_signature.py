"""Reference values published with their builder's signature (row H09)."""

import base64
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casemate.crypto.keys import Kind, PrivateKey
from casemate.errors import CasemateError, InputError, VerificationError
from casemate.linux import program
from casemate.podvm import image, publish, signature
from tests.sim.podvm_image import small_image

BUILDER = PrivateKey.generate(Kind.P256)


@pytest.fixture
def built(tmp_path: Path) -> Path:
    return small_image(tmp_path / "built")


def test_signed_values_travel_with_their_image(built: Path, tmp_path: Path) -> None:
    signature.sign(built, BUILDER)
    publish.publish(built, tmp_path / "place")
    values = tmp_path / "place" / image.REFERENCE_VALUES
    signed = values.with_name(values.name + signature.SUFFIX).read_bytes()
    signature.require(values.read_bytes(), signed, BUILDER.public)


def test_changed_values_are_refused(built: Path) -> None:
    signed = signature.sign(built, BUILDER).read_bytes()
    with pytest.raises(VerificationError, match="over other values"):
        signature.require(b'{"tpm_pcr04": []}', signed, BUILDER.public)


def test_values_signed_by_another_are_refused(built: Path) -> None:
    signed = signature.sign(built, PrivateKey.generate(Kind.P256)).read_bytes()
    values = (built / image.REFERENCE_VALUES).read_bytes()
    with pytest.raises(VerificationError, match="another key"):
        signature.require(values, signed, BUILDER.public)


def test_an_image_that_was_changed_is_not_signed(built: Path) -> None:
    (built / image.REFERENCE_VALUES).write_bytes(b'{"tpm_pcr04": []}')
    with pytest.raises(VerificationError):
        signature.sign(built, BUILDER)


def test_openssl_reads_the_signature(built: Path, tmp_path: Path) -> None:
    raw = tmp_path / "raw.sig"
    raw.write_bytes(base64.b64decode(signature.sign(built, BUILDER).read_bytes()))
    public = tmp_path / "builder.pub"
    public.write_bytes(BUILDER.public.pem())
    values = built / image.REFERENCE_VALUES
    argv: list[str | Path] = ["openssl", "dgst", "-sha256", "-verify", public]
    argv += ["-signature", raw, values]
    assert b"Verified OK" in program.run(argv, timeout=10).stdout


def test_text_that_is_no_signature_is_the_callers_mistake() -> None:
    with pytest.raises(InputError, match="base64"):
        signature.require(b"{}", b"not base64!", BUILDER.public)


@given(st.binary(max_size=200))
def test_any_bytes_raise_only_our_error(signed: bytes) -> None:
    with pytest.raises(CasemateError):
        signature.require(b"{}", signed, BUILDER.public)
