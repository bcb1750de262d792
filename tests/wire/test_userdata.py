import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casemate.errors import InputError, PeerError
from casemate.wire import userdata

_FILES = st.dictionaries(
    st.sampled_from(sorted(userdata.HONOURED)), st.text(max_size=200).map(str.encode), max_size=6
)


@settings(max_examples=100)
@given(_FILES)
def test_what_is_encoded_is_read_back(files: dict[str, bytes]) -> None:
    disk = userdata.encode(files)
    assert userdata.parse(disk) == files
    assert len(disk) % 512 == 0
    assert disk == userdata.encode(files)


@settings(max_examples=150)
@given(st.binary(max_size=300))
def test_any_bytes_raise_only_our_error(raw: bytes) -> None:
    framed = userdata.MAGIC + len(raw).to_bytes(8, "little") + raw
    packed = zlib.compress(raw, wbits=31)
    gzipped = userdata.MAGIC + len(packed).to_bytes(8, "little") + packed
    for disk in (raw, framed, gzipped, userdata.MAGIC + raw):
        with pytest.raises(PeerError):
            userdata.parse(disk)


def test_files_the_guest_does_not_honour_are_dropped() -> None:
    text = (
        b'#cloud-config\n{"write_files":[{"path":"/etc/shadow","content":"x"},'
        b'{"path":"/run/peerpod/apf.json","content":"{}"}]}'
    )
    assert userdata.parse_document(text) == {userdata.APF: b"{}"}


def test_files_the_guest_would_drop_are_not_written() -> None:
    with pytest.raises(InputError):
        userdata.encode({"/etc/shadow": b""})


def test_a_path_twice_is_refused() -> None:
    text = b'#cloud-config\n{"write_files":[{"path":"/a"},{"path":"/a"}]}'
    with pytest.raises(PeerError):
        userdata.parse_document(text)


def test_a_bomb_is_not_unpacked() -> None:
    packed = zlib.compress(bytes(64 << 20), wbits=31)
    with pytest.raises(PeerError):
        userdata.parse(userdata.MAGIC + len(packed).to_bytes(8, "little") + packed)
