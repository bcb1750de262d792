from pathlib import Path

import pytest

from casemate.errors import HostError, InputError, PeerError
from casemate.net import unix


def test_addresses_name_absolute_paths() -> None:
    assert unix.path_of("unix:///run/a.sock") == Path("/run/a.sock")
    assert unix.path_of("/run/a.sock") == Path("/run/a.sock")
    for address in ("unix://a.sock", "vsock://1:1024", "", "unix://@abstract"):
        with pytest.raises(InputError):
            unix.path_of(address)


def test_old_socket_is_replaced_and_nothing_else_is(tmp_path: Path) -> None:
    path = tmp_path / "a.sock"
    unix.listen(path).close()
    with unix.listen(path, mode=0o660), unix.connect(path):
        assert path.stat().st_mode & 0o777 == 0o660
    other = tmp_path / "file"
    other.write_text("mine")
    with pytest.raises(HostError):
        unix.listen(other)
    assert other.read_text() == "mine"


def test_socket_that_nobody_serves_is_the_peers_fault(tmp_path: Path) -> None:
    unix.listen(tmp_path / "a.sock").close()
    with pytest.raises(PeerError):
        unix.connect(tmp_path / "a.sock")


def test_folder_that_cannot_be_made_is_the_hosts_fault(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(HostError):
        unix.listen(tmp_path / "file" / "a.sock")


def test_socket_is_bound_beside_its_place_and_moved_there(tmp_path: Path) -> None:
    """So nobody finds one that does not listen yet."""
    path = tmp_path / "a.sock"
    with unix.listen(path) as listening, unix.connect(path):
        assert listening.getsockname() == str(tmp_path / ".a.sock")
        assert [*tmp_path.iterdir()] == [path]


def test_name_that_no_file_can_have_is_told_with_its_reason(tmp_path: Path) -> None:
    for act in (unix.listen, unix.remove):
        with pytest.raises(HostError, match="File name too long"):
            act(tmp_path / ("x" * 300))
