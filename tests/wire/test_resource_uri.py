import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casemate.errors import InputError
from casemate.wire.resource_uri import ResourceUri, is_resource_uri
from tests.vectors import vector


def test_uris_split_as_upstreams_table_says() -> None:
    for row in json.loads(vector("guest", "tables", "resource-uris.json").read_text()):
        if row.get("error"):
            with pytest.raises(InputError):
                ResourceUri.parse(row["uri"])
            continue
        uri = ResourceUri.parse(row["uri"])
        seen = (uri.plugin, uri.host, list(uri.segments), uri.query)
        assert seen == (row["plugin"], row["host"], row["path"], row["query"])
        assert str(uri) == row.get("canonical", row["uri"])


def test_key_ids_split_as_upstreams_table_says() -> None:
    for row in json.loads(vector("guest", "tables", "keyprovider-kid-paths.json").read_text()):
        uri = ResourceUri.parse_key_id(row["in"])
        assert (uri.host, uri.path) == (row["host"], row["path"])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "kbs",
        "kbs://",
        "kbs:///",
        "kbs+:///a/b/c",
        "kbs:///a//c",
        "kbs:///a/../c",
        "kbs:///./c",
        "kbs:///a/b c",
        "kbs:///a/b\n",
        "kbs:///a#b",
        "KBS:///a/b/c",
        "file:///a/b/c",
        "kbs:///" + "a" * 3000,
        "kbs:///" + "/".join("a" * 33),
    ],
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(InputError):
        ResourceUri.parse(text)


def test_bare_path_is_a_key_id_but_no_resource_uri() -> None:
    assert ResourceUri.parse_key_id("/a/b/c").path == "a/b/c"
    with pytest.raises(InputError):
        ResourceUri.parse("/a/b/c")


def test_request_path_names_plugin_and_query() -> None:
    uri = ResourceUri.parse("kbs+pki://host:8080/x?n=1")
    assert uri.request_path == "pki/x?n=1"
    assert str(uri) == "kbs+pki://host:8080/x?n=1"


@settings(max_examples=100)
@given(st.text(max_size=64) | st.text("kbs+:/?.a%", max_size=24))
def test_any_text_parses_or_raises_input_error(text: str) -> None:
    for candidate in (text, f"kbs:///{text}"):
        try:
            uri = ResourceUri.parse(candidate)
        except InputError:
            continue
        assert is_resource_uri(candidate)
        assert ResourceUri.parse(str(uri)) == uri
