import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casemate.crypto import pem
from casemate.errors import InputError
from casemate.tee.anchors import Anchors
from casemate.tee.material import LARGEST_FILE, MOST_FILES, Material
from tests.crypto.authorities import (
    LEAF_CERTIFICATE,
    MIDDLE_CERTIFICATE,
    ROOT,
    ROOT_CERTIFICATE,
)

LIST = ROOT.revoke(3)


def test_files_are_told_apart_by_what_they_hold() -> None:
    found = Material.of_files(
        {
            "a.txt": LEAF_CERTIFICATE.der,
            "b.der": LIST.der,
            "c.bin": b"something else",
            "d.pem": pem.encode(ROOT_CERTIFICATE.der, "CERTIFICATE"),
        }
    )
    assert found.certificates == (LEAF_CERTIFICATE, ROOT_CERTIFICATE)
    assert found.lists == (LIST,)
    assert dict(found.files) == {"c.bin": b"something else"}
    assert repr(found) == "Material(2 certificates, 1 lists, 1 files)"
    assert found.fingerprint("c.bin") == hashlib.sha256(b"something else").digest()


def test_pem_may_hold_any_number_of_pieces() -> None:
    text = pem.encode(MIDDLE_CERTIFICATE.der, "CERTIFICATE") + b"\n# then\n"
    text += pem.encode(ROOT_CERTIFICATE.der, "CERTIFICATE") + pem.encode(LIST.der, "X509 CRL")
    found = Material.of_files({"chain": text})
    assert found.certificates == (MIDDLE_CERTIFICATE, ROOT_CERTIFICATE)
    assert found.lists == (LIST,)
    assert not found.files


def test_file_with_a_piece_that_cannot_be_read_is_kept_beside_what_can() -> None:
    text = pem.encode(ROOT_CERTIFICATE.der, "CERTIFICATE") + pem.encode(b"other", "KEY")
    found = Material.of_files({"mixed.pem": text})
    assert found.certificates == (ROOT_CERTIFICATE,)
    assert dict(found.files) == {"mixed.pem": text}


def test_each_piece_is_kept_once() -> None:
    found = Material.of_files({"a": LIST.der, "b": LIST.der, "c": ROOT_CERTIFICATE.der})
    assert (found | found).lists == (LIST,)
    assert (found | Material([ROOT_CERTIFICATE])).certificates == (ROOT_CERTIFICATE,)


def test_order_of_names_decides_and_not_of_the_folder() -> None:
    one = Material.of_files({"b": LEAF_CERTIFICATE.der, "a": ROOT_CERTIFICATE.der})
    other = Material.of_files({"a": ROOT_CERTIFICATE.der, "b": LEAF_CERTIFICATE.der})
    assert one.certificates == other.certificates == (ROOT_CERTIFICATE, LEAF_CERTIFICATE)


def test_union_prefers_the_files_of_the_second() -> None:
    one, other = Material(files={"a": b"1", "b": b"2"}), Material(files={"b": b"3"})
    assert dict((one | other).files) == {"a": b"1", "b": b"3"}


def test_certificates_are_found_by_their_subject() -> None:
    again = ROOT.certify(ROOT, serial=8)
    found = Material([ROOT_CERTIFICATE, MIDDLE_CERTIFICATE, again])
    assert found.by_subject[ROOT_CERTIFICATE.subject] == (ROOT_CERTIFICATE, again)
    assert LEAF_CERTIFICATE.subject not in found.by_subject


def test_number_and_size_of_files_are_bounded() -> None:
    with pytest.raises(InputError):
        Material.of_files({str(number): b"" for number in range(MOST_FILES + 1)})
    with pytest.raises(InputError):
        Material.of_files({"large": bytes(LARGEST_FILE + 1)})
    assert "large" in Material.of_files({"large": bytes(LARGEST_FILE)}).files


def test_nothing_can_be_put_into_it_later() -> None:
    found = Material(files={"a": b""})
    with pytest.raises(TypeError):
        found.files["b"] = b""  # type: ignore[index]


def test_roots_of_a_folder_are_trusted_and_intermediates_only_help() -> None:
    anchors = Anchors.of_folder(
        {"root": ROOT_CERTIFICATE.der, "middle": MIDDLE_CERTIFICATE.der, "hrk": b"other form"}
    )
    assert anchors.trusts(ROOT_CERTIFICATE)
    assert not anchors.trusts(MIDDLE_CERTIFICATE)
    assert anchors.pins == {
        ROOT_CERTIFICATE.fingerprint,
        hashlib.sha256(b"other form").digest(),
    }
    assert anchors.material.by_subject[MIDDLE_CERTIFICATE.subject] == (MIDDLE_CERTIFICATE,)
    assert Anchors().pins == frozenset()


@given(st.dictionaries(st.text(max_size=5), st.binary(max_size=200), max_size=5))
def test_any_files_are_kept_as_they_are(files: dict[str, bytes]) -> None:
    found = Material.of_files(files)
    assert dict(found.files) == files
    assert found.certificates == ()
