"""Agent and vault before the network, over a real pair of sockets."""

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casemate.crypto.digest import Digest
from casemate.errors import CasemateError, HostError
from casemate.guest import handover
from casemate.net import unix
from casemate.wire import initdata
from casemate.wire.initdata import Initdata

DOCUMENT = initdata.build({"aa.toml": "", "policy.rego": "package agent_policy\n"})
LARGE = initdata.build({"policy.rego": "#" * 900_000})


class Register:
    def __init__(self) -> None:
        self.bound: list[Digest] = []

    def bind_init_data(self, digest: Digest) -> None:
        self.bound.append(digest)


@pytest.mark.parametrize("document", [DOCUMENT, LARGE, None], ids=["small", "large", "none"])
def test_vault_binds_the_very_bytes_that_the_agent_read(document: Initdata | None) -> None:
    register = Register()
    agent, vault = unix.pair()
    with agent, vault:
        offering = threading.Thread(target=handover.offer, args=(agent, document))
        offering.start()
        received = handover.receive(vault)
        offering.join()
        handover.bind(received, register)
        handover.confirm(vault)
        handover.await_bound(agent)
    assert received == document
    assert register.bound == ([] if document is None else [document.digest])


def test_agent_opens_no_network_when_the_vault_ended_instead() -> None:
    agent, vault = unix.pair()
    with agent:
        with vault:
            handover.offer(agent, None)
        with pytest.raises(HostError, match="vault"):
            handover.await_bound(agent)


def test_agent_that_is_gone_ends_the_vault() -> None:
    agent, vault = unix.pair()
    with vault:
        with agent:
            agent.sendall(bytes(3))
        with pytest.raises(HostError, match="agent: got the end of the channel"):
            handover.receive(vault)
        with pytest.raises(HostError, match="agent"):
            handover.confirm(vault)
    with pytest.raises(HostError, match="vault"):
        handover.offer(agent, DOCUMENT)


def test_another_answer_is_no_confirmation() -> None:
    agent, vault = unix.pair()
    with agent, vault:
        vault.sendall(b"\0")
        with pytest.raises(HostError, match="vault"):
            handover.await_bound(agent)


def test_size_that_no_initdata_has_is_refused_before_it_is_read() -> None:
    agent, vault = unix.pair()
    with agent, vault:
        agent.sendall((initdata.LARGEST + 2).to_bytes(8, "little"))
        with pytest.raises(HostError, match="agent"):
            handover.receive(vault)


@settings(max_examples=50)
@given(st.binary(max_size=200))
def test_any_bytes_at_all_raise_only_our_errors(data: bytes) -> None:
    agent, vault = unix.pair()
    with vault:
        with agent:
            agent.sendall((len(data) + 1).to_bytes(8, "little") + data)
        with pytest.raises(CasemateError):
            handover.receive(vault)
