import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casemate.crypto.digest import Digest
from casemate.errors import CasemateError, InputError, PeerError
from casemate.guest import handover, provision
from casemate.secret import Secret
from casemate.wire import forwarder, initdata, userdata

APF = forwarder.encode(
    forwarder.ForwarderConfig(
        pod_namespace="d",
        pod_name="p",
        server_key=Secret(b"KEY"),
        server_certificate=b"CERT",
        client_ca=b"CA",
    )
)
DOCUMENT = initdata.build({"aa.toml": "", "policy.rego": "package agent_policy\n", "x.txt": "x"})


class Register:
    def __init__(self) -> None:
        self.bound: list[Digest] = []

    def bind_init_data(self, digest: Digest) -> None:
        self.bound.append(digest)


def disk(**files: bytes) -> bytes:
    known = {"apf": userdata.APF, "initdata": userdata.INITDATA, "scratch": userdata.SCRATCH_SPACE}
    return userdata.encode({known[name]: content for name, content in files.items()})


def test_initdata_is_bound_and_laid_out(tmp_path: Path) -> None:
    encoded = initdata.encode_annotation(DOCUMENT).encode()
    given_, files = provision.parse(disk(apf=APF, initdata=encoded, scratch=b""))
    register = Register()
    handover.bind(given_.initdata, register)
    provision.write(given_, files, root=tmp_path)
    assert register.bound == [DOCUMENT.digest]
    assert given_.scratch
    digest = tmp_path / "run/peerpod/initdata.digest"
    assert digest.read_text() == DOCUMENT.digest.hex
    folder = tmp_path / "run/confidential-containers/initdata"
    assert (folder / "initdata.toml").read_bytes() == DOCUMENT.raw
    assert sorted(f.name for f in folder.iterdir()) == ["aa.toml", "initdata.toml", "policy.rego"]
    for file in (p for p in tmp_path.rglob("*") if p.is_file()):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_without_initdata_nothing_is_bound(tmp_path: Path) -> None:
    given_, files = provision.parse(disk(apf=APF))
    register = Register()
    handover.bind(given_.initdata, register)
    provision.write(given_, files, root=tmp_path)
    assert register.bound == []
    assert given_.initdata is None
    assert not given_.scratch


@pytest.mark.parametrize("text", [b"%%%", b"aGVsbG8=", "\N{SNOWMAN}".encode()])
def test_broken_initdata_stops_the_pod(text: bytes) -> None:
    with pytest.raises((InputError, PeerError)):
        provision.parse(disk(apf=APF, initdata=text))


def test_disk_without_forwarder_configuration_stops_the_pod() -> None:
    with pytest.raises(PeerError):
        provision.parse(disk(scratch=b""))


@settings(max_examples=100)
@given(st.binary(max_size=300))
def test_any_disk_raises_only_our_errors(data: bytes) -> None:
    for text in (data, userdata.MAGIC + data):
        with pytest.raises(CasemateError):
            provision.parse(text)
