"""XML as signed documents use it: canonical form, the one profile of signatures, and its bounds."""

from io import StringIO
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casemate.crypto import simulated
from casemate.crypto.certificate import Certificate
from casemate.crypto.keys import Kind, PrivateKey
from casemate.crypto.xml_document import DEEPEST, LARGEST, MOST_NODES, canonical, parse
from casemate.crypto.xml_signature import XmlSignature
from casemate.errors import InputError, PeerError, VerificationError
from casemate.tee.nvidia.fake_manifest import FIELDS, Publisher
from casemate.tee.nvidia.manifest import Manifest
from casemate.tee.simulation import Changes
from tests.tee.simulated import NOW


@pytest.mark.parametrize(
    ("written", "form"),
    [
        (b"<a/>", "<a></a>"),
        (b"<?xml version='1.0'?>\n<!-- c --><a b='1' a=\"2\"/>\n", '<a a="2" b="1"></a>'),
        (b"<a>x<!-- gone -->y</a>", "<a>xy</a>"),
        (b"<a>\r\n&lt;&gt;&amp;&#13;\"'</a>", "<a>\n&lt;&gt;&amp;&#xD;\"'</a>"),
        (b"<a b='&lt;&quot;&#9;&#10;&#13;&amp;>'/>", '<a b="&lt;&quot;&#x9;&#xA;&#xD;&amp;>"></a>'),
        (b"<a><![CDATA[<b>]]></a>", "<a>&lt;b&gt;</a>"),
        (
            b'<z:a xmlns:z="u2" xmlns="u1" xmlns:y="u0" z:q="1" y:q="2" q="3"/>',
            '<z:a xmlns="u1" xmlns:y="u0" xmlns:z="u2" q="3" y:q="2" z:q="1"></z:a>',
        ),
        (b'<a xmlns:p="u"><b xmlns:p="u"/></a>', '<a xmlns:p="u"><b></b></a>'),
        (b'<a xmlns:p="u"><b xmlns:p="v"/></a>', '<a xmlns:p="u"><b xmlns:p="v"></b></a>'),
        (b'<a xmlns="u"><b xmlns=""/></a>', '<a xmlns="u"><b xmlns=""></b></a>'),
        ("<a>\u00e9</a>".encode(), "<a>\u00e9</a>"),
        (
            "<?xml version='1.0' encoding='iso-8859-1'?><a>\u00e9</a>".encode("latin-1"),
            "<a>\u00e9</a>",
        ),
    ],
)
def test_canonical_form(written: bytes, form: str) -> None:
    assert canonical(parse(written)).decode() == form


def test_element_inside_shows_the_namespaces_around_it() -> None:
    root = parse(b'<a xmlns="u" xmlns:p="v"><p:b c="1"/></a>')
    assert canonical(root.only("v", "b")) == b'<p:b xmlns="u" xmlns:p="v" c="1"></p:b>'
    assert canonical(root, without=root.only("v", "b")) == b'<a xmlns="u" xmlns:p="v"></a>'


NAME = st.sampled_from("abcde")
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=8)


@st.composite
def document(draw: st.DrawFn, depth: int = 3) -> ET.Element:
    element = ET.Element(draw(NAME), draw(st.dictionaries(NAME, TEXT, max_size=3)))
    element.text = draw(TEXT)
    for child in draw(st.lists(document(depth=depth - 1), max_size=2)) if depth else []:
        child.tail = draw(TEXT)
        element.append(child)
    return element


@settings(max_examples=100)
@given(document())
def test_without_namespaces_the_standard_library_agrees(element: ET.Element) -> None:
    written = ET.tostring(element, encoding="utf-8")
    out = StringIO()
    ET.canonicalize(written.decode(), out=out)
    assert canonical(parse(written)).decode() == out.getvalue()


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"<a>",
        b"<a></b>",
        b"<a/><b/>",
        b"text",
        b"<!DOCTYPE a><a/>",
        b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>',
        b"<a>&x;</a>",
        b"<?pi x?><a/>",
        b"<a><?pi x?></a>",
        b"<p:a/>",
        b"<a p:b='1'/>",
        b"<a xml:lang='en'/>",
        b"<a xmlns:p=''/>",
        b"<a xmlns:xml='http://www.w3.org/XML/1998/namespace'/>",
        b"<a b='1' b='2'/>",
        b'<a xmlns:p="u" xmlns:q="u" p:b="1" q:b="2"/>',
        b"<a>" * (DEEPEST + 1) + b"</a>" * (DEEPEST + 1),
        b"<a>" + b"<b/>" * MOST_NODES + b"</a>",
        b"<a>" + b"x" * LARGEST + b"</a>",
        b"\xff\xfe<a/>",
        b'<?xml version="1.0" encoding="foo"?><a/>',
        b'<?xml version="1.0" encoding="utf-7"?><a/>',
        bytes(64 << 20),
    ],
    ids=lambda raw: f"{raw[:24]!r}x{len(raw)}",
)
def test_other_documents_are_refused(raw: bytes) -> None:
    with pytest.raises(PeerError):
        parse(raw)


def test_entities_that_grow_are_refused_before_they_do() -> None:
    entities = b'<!ENTITY a0 "aaaaaaaaaa">' + b"".join(
        b'<!ENTITY a%d "%s">' % (n, b"&a%d;" % (n - 1) * 10) for n in range(1, 10)
    )
    with pytest.raises(PeerError):
        parse(b"<!DOCTYPE a [" + entities + b"]><a>&a9;</a>")


@settings(max_examples=200)
@given(st.binary(max_size=200) | st.text(alphabet="<>a:='\"&;/ xmln", max_size=60).map(str.encode))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    try:
        canonical(parse(raw))
    except PeerError:
        return


def manifest(**given: str) -> bytes:
    return Publisher(Changes(FIELDS, given), NOW).manifest("GH100", "1.0", {0: bytes(48)})


RIGHT = manifest()


def test_signature_of_a_whole_document_holds() -> None:
    found = XmlSignature.parse(parse(RIGHT))
    found.verify(found.certificates[0])
    with pytest.raises(VerificationError):
        found.verify(found.certificates[1])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'product="GH100"', b'product="GH200"'),
        (b'index="1"', b'index="91"'),
        (b"Hash0", b"Hash2"),
        (b"\n", b" "),
        (b"&lt;simulated", b"&lt;simulateD"),
    ],
)
def test_changed_document_is_refused(old: bytes, new: bytes) -> None:
    assert old in RIGHT
    with pytest.raises(PeerError):
        XmlSignature.parse(parse(RIGHT.replace(old, new, 1)))


def test_comments_are_not_signed_and_not_read() -> None:
    assert Manifest.parse(RIGHT.replace(b"no comment", b"any comment")) == Manifest.parse(RIGHT)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"xml-c14n11", b"xml-c14n11#WithComments"),
        (b"#ecdsa-sha384", b"#ecdsa-sha256"),
        (b"#sha384", b"#sha256"),
        (b'URI=""', b'URI="#x"'),
        (b' URI=""', b""),
        (b"#enveloped-signature", b"#base64"),
        (b"<ds:SignatureValue>", b"<ds:SignatureValue>!"),
        (b"<ds:KeyInfo>", b"<ds:Other>"),
        (b"<ds:DigestValue>", b"<ds:DigestValue>A"),
        (b"<ds:Transforms>", b"<ds:Transforms><ds:Transform Algorithm='x'/>"),
        (b"</SoftwareIdentity>", b"<ds:Signature xmlns:ds='%s'/></SoftwareIdentity>"),
        (b"ds:X509Certificate>", b"ds:X509Cert>"),
    ],
)
def test_other_profiles_are_refused(old: bytes, new: bytes) -> None:
    if b"%s" in new:
        new %= b"http://www.w3.org/2000/09/xmldsig#"
    wrong = RIGHT.replace(old, new)
    if old == b"<ds:KeyInfo>":
        wrong = wrong.replace(b"</ds:KeyInfo>", b"</ds:Other>")
    assert wrong != RIGHT
    with pytest.raises(PeerError):
        XmlSignature.parse(parse(wrong))


def test_document_without_a_signature_is_refused() -> None:
    with pytest.raises(PeerError):
        XmlSignature.parse(parse(b"<a/>"))


def test_signer_with_another_kind_of_key_is_refused() -> None:
    key = PrivateKey.generate(Kind.P256)
    one = Certificate.parse(
        simulated.certificate(
            subject=simulated.name("x"),
            spki=key.public.der(),
            issuer=simulated.name("x"),
            signer=key,
            period=simulated.Period(NOW, NOW),
            serial=1,
        )
    )
    with pytest.raises((InputError, VerificationError)):
        XmlSignature.parse(parse(RIGHT)).verify(one)
