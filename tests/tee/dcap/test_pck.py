import pytest
from hypothesis import given
from hypothesis import strategies as st

from casemate.crypto import der_encoding as der
from casemate.crypto.certificate import Certificate
from casemate.crypto.der import Tag
from casemate.crypto.pem import blocks
from casemate.errors import PeerError
from casemate.tee.dcap.pck import EXTENSION, PckExtension, SgxType
from casemate.tee.dcap.quote import Quote
from tests.sim.dcap import simulated
from tests.vectors import vector


class Fake:
    """A certificate of which only the extension is looked at."""

    def __init__(self, value: bytes) -> None:
        from casemate.crypto.certificate import Extension

        self.extensions = {EXTENSION: Extension(value, critical=False)}


def extension(value: bytes) -> PckExtension:
    return PckExtension.of(Fake(value))  # type: ignore[arg-type]


def leaf_of(raw: bytes) -> Certificate:
    return Certificate.parse(blocks(Quote.parse(raw).signature_data.certificates)[0])


def written() -> bytes:
    binary = simulated("tdx").binary
    assert binary is not None
    return leaf_of(binary).extensions[EXTENSION].value


def test_extension_of_a_real_platform() -> None:
    found = PckExtension.of(leaf_of(vector("tdx", "tdx_quote_4.dat").read_bytes()))
    assert found.fmspc.hex() == "50806f000000"
    assert found.components[:8] == bytes((5, 5, 13, 2, 3, 1, 0, 3))
    assert (found.pce_svn, found.pce_id, found.sgx_type) == (11, b"\0\0", SgxType.SCALABLE)
    assert found.platform_instance_id is not None
    assert found.platform_instance_id[::-1].hex() == "82548d228d94d5e204a95b354dc61a02"
    assert (found.dynamic_platform, found.cached_keys, found.smt_enabled) == (True, True, True)


def test_extension_of_the_processor_authority_is_shorter() -> None:
    found = PckExtension.of(leaf_of(vector("sgx", "qvl_sgx_quote.dat").read_bytes()))
    assert found.sgx_type is SgxType.STANDARD
    assert found.platform_instance_id is None
    assert found.dynamic_platform is None
    assert found.smt_enabled is None


def test_simulated_extension_is_read() -> None:
    assert extension(written()).fmspc.hex() == "00906ed50000"


def member(arcs: str, value: bytes) -> bytes:
    return der.sequence(der.oid(f"{EXTENSION}.{arcs}"), value)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"\x30\x01",
        der.sequence(),
        der.octets(b"x"),
        der.sequence(der.sequence(der.oid(f"{EXTENSION}.1"))),
        der.sequence(der.sequence(der.oid("1.2.3"), der.octets(bytes(16)))),
        der.sequence(member("1.1", der.octets(bytes(16)))),
        der.sequence(member("1", der.octets(bytes(16))), member("1", der.octets(bytes(16)))),
        der.sequence(member("1", der.integer(1))),
        der.sequence(member("300", der.integer(1))),
    ],
)
def test_other_extensions_are_refused(value: bytes) -> None:
    with pytest.raises(PeerError):
        extension(value)


def test_unknown_kind_of_memory_protection_is_refused() -> None:
    right = der.element(Tag.ENUMERATED, b"\1")
    raw = written()
    assert right in raw
    with pytest.raises(PeerError):
        extension(raw.replace(right, der.element(Tag.ENUMERATED, b"\3")))


def test_certificate_without_the_extension_is_refused() -> None:
    root = Certificate.parse(blocks(simulated("tdx").roots["root.pem"])[0])
    with pytest.raises(PeerError):
        PckExtension.of(root)


@given(st.binary(max_size=300), st.integers(0, 400))
def test_any_bytes_raise_only_our_error(raw: bytes, at: int) -> None:
    good = _GOOD
    for value in (raw, good[:at] + raw + good[at:], good[: at + 1] + raw[:1] + good[at + 2 :]):
        try:
            extension(value)
        except PeerError:
            continue


_GOOD = written()
