import socket

import pytest

from casemate.errors import HostError, InputError
from casemate.net import ports


def test_zero_finds_a_free_port() -> None:
    port = ports.claim(0, purpose="test")
    with socket.create_server((ports.LOOPBACK, port)):
        pass


def test_free_port_is_none_that_the_kernel_gives_to_a_connection() -> None:
    """Linux gives those from 32768 on, unless told otherwise; node ports begin at 30000."""
    assert all(20_000 <= ports.free() < 30_000 for _ in range(50))


def test_address_that_is_not_ours_is_named() -> None:
    with pytest.raises(HostError, match=r"for the registry at 192.0.2.1: got Cannot assign"):
        ports.claim(0, purpose="registry", host="192.0.2.1")


@pytest.mark.parametrize(
    ("port", "host"), [(70_000, "127.0.0.1"), (-1, "::1"), (0, "\udcff"), (0, "\0")]
)
def test_port_or_host_that_cannot_be_is_the_callers_mistake(port: int, host: str) -> None:
    with pytest.raises(InputError):
        ports.claim(port, purpose="registry", host=host)


def test_port_in_use_is_named_with_its_purpose() -> None:
    with (
        socket.create_server((ports.LOOPBACK, 0)) as server,
        pytest.raises(HostError, match=r"for the registry: got in use"),
    ):
        ports.claim(server.getsockname()[1], purpose="registry")
