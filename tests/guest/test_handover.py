"""Agent and vault before the network, over a real pair of sockets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casemate.crypto.digest import Digest
from casemate.errors import HostError
from casemate.guest import handover
from casemate.net import unix
from casemate.wire import initdata
from casemate.wire.initdata import Initdata

DOCUMENT = initdata.build({"aa.toml": "", "policy.rego": "package agent_policy\n"})


class Register:
    def __init__(self) -> None:
        self.bound: list[Digest] = []

    def bind_init_data(self, digest: Digest) -> None:
        self.bound.append(digest)


@pytest.mark.parametrize("document", [DOCUMENT, None], ids=["some", "none"])
def test_agent_goes_on_once_the_initdata_are_bound(document: Initdata | None) -> None:
    register = Register()
    agent, vault = unix.pair()
    with agent, vault:
        handover.bind(document, register)
        handover.confirm_bound(vault)
        handover.await_bound(agent)
    assert register.bound == ([] if document is None else [document.digest])


def test_agent_opens_no_door_when_the_vault_ended_instead() -> None:
    agent, vault = unix.pair()
    with agent:
        vault.close()
        with pytest.raises(HostError, match="vault: got the end of the channel"):
            handover.await_bound(agent)


def test_agent_that_is_gone_ends_the_vault() -> None:
    agent, vault = unix.pair()
    with vault:
        agent.close()
        with pytest.raises(HostError, match="agent"):
            handover.confirm_bound(vault)


@given(st.binary(min_size=1, max_size=8).filter(lambda answer: answer[0] != 1))
def test_another_answer_is_no_confirmation(answer: bytes) -> None:
    agent, vault = unix.pair()
    with agent, vault:
        vault.sendall(answer)
        with pytest.raises(HostError, match="vault"):
            handover.await_bound(agent)


def test_vault_goes_on_once_the_network_is_open() -> None:
    agent, vault = unix.pair()
    with agent, vault:
        handover.confirm_network(agent)
        handover.await_network(vault)


def test_vault_sends_nothing_when_the_agent_ended_instead() -> None:
    agent, vault = unix.pair()
    with vault:
        agent.close()
        with pytest.raises(HostError, match="agent: got the end of the channel"):
            handover.await_network(vault)


@given(st.binary(min_size=1, max_size=8).filter(lambda word: word[0] != 2))
def test_another_word_opens_no_network(word: bytes) -> None:
    agent, vault = unix.pair()
    with agent, vault:
        agent.sendall(word)
        with pytest.raises(HostError, match="agent"):
            handover.await_network(vault)
