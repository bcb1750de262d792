import base64
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casemate.crypto.digest import Algorithm, Digest
from casemate.errors import CasemateError, InputError
from casemate.wire import initdata
from tests.vectors import vector


def test_vectors_parse_digest_and_travel() -> None:
    for case in json.loads(vector("guest", "initdata.json").read_text()):
        parsed = initdata.parse(case["toml"].encode())
        for algorithm in Algorithm:
            assert Digest.of(parsed.raw, algorithm).hex == case["digests"][algorithm]
        assert parsed.digest.hex == case["digests"][parsed.algorithm]
        assert initdata.parse_annotation(case["annotation_gzip_base64"]) == parsed
        assert initdata.parse_block(base64.b64decode(case["device_image_b64"])) == parsed


def test_annotation_without_padding_is_accepted() -> None:
    made = initdata.build({"aa.toml": "x"})
    assert initdata.parse_annotation(initdata.encode_annotation(made).rstrip("=")) == made


def test_block_is_whole_sectors_and_reads_back() -> None:
    made = initdata.build({"aa.toml": "a = 1\n", "cdh.toml": "b = '''"})
    image = initdata.encode_block(made)
    assert len(image) % 512 == 0
    assert initdata.parse_block(image) == made


@settings(max_examples=100)
@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20).filter(
            lambda name: name not in {".", ".."} and not set("/\0") & set(name)
        ),
        st.text(st.characters(exclude_categories=["Cs"])),
        max_size=4,
    )
)
def test_any_texts_survive(files: dict[str, str]) -> None:
    assert dict(initdata.parse(initdata.build(files).raw).data) == files


@pytest.mark.parametrize(
    "text",
    [
        "",
        'version = "0.2.0"\nalgorithm = "sha256"\n[data]\n',
        'version = "0.1.0"\nalgorithm = "md5"\n[data]\n',
        'version = "0.1.0"\nalgorithm = "sm3"\n[data]\n',
        'version = "0.1.0"\nalgorithm = "sha256"\n',
        'version = "0.1.0"\nalgorithm = "sha256"\nmore = 1\n[data]\n',
        'version = "0.1.0"\nalgorithm = "sha256"\n[data]\n"../etc/passwd" = "x"\n',
        'version = "0.1.0"\nalgorithm = "sha256"\n[data]\n".." = "x"\n',
        'version = "0.1.0"\nalgorithm = "sha256"\n[data]\n"a.toml" = 1\n',
        "a = " + "[" * 100_000,
        "a" + ".a" * 100_000 + " = 1",
        "a = " + "9" * 10_000,
    ],
)
def test_bad_document_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        initdata.parse(text.encode())


def test_inflation_is_bounded() -> None:
    bomb = initdata._gzip(b"#" * (64 << 20))
    with pytest.raises(InputError, match="too large"):
        initdata.parse_annotation(base64.b64encode(bomb).decode())


@settings(max_examples=100)
@given(
    st.binary(max_size=300), st.sampled_from([b"", b"initdata\x20\0\0\0\0\0\0\0", b"\x1f\x8b\x08"])
)
def test_any_bytes_raise_only_our_errors(tail: bytes, head: bytes) -> None:
    data = head + tail
    for read in (
        initdata.parse,
        initdata.parse_block,
        lambda raw: initdata.parse_annotation(raw.decode("latin-1")),
        lambda raw: initdata.parse_annotation(base64.b64encode(raw).decode()),
    ):
        try:
            read(data)
        except CasemateError:
            continue
