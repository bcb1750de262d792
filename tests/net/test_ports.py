import socket

import pytest

from casemate.errors import HostError
from casemate.net import ports


def test_zero_finds_a_free_port() -> None:
    port = ports.claim(0, purpose="test")
    with socket.create_server((ports.LOOPBACK, port)):
        pass


def test_port_in_use_is_named_with_its_purpose() -> None:
    with (
        socket.create_server((ports.LOOPBACK, 0)) as server,
        pytest.raises(HostError, match=r"for the registry: got in use"),
    ):
        ports.claim(server.getsockname()[1], purpose="registry")
