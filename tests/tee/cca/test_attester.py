from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from casemate.crypto import cbor
from casemate.crypto.cbor import Value
from casemate.crypto.digest import sha256
from casemate.errors import HostError, InputError, PeerError
from casemate.linux.configfs_tsm import ConfigfsTsm
from casemate.tee.cca.attester import CcaAttester, open_attester
from casemate.tee.cca.report import Token
from casemate.tee.machine import Machine
from tests.sim.devices.configfs import FakeConfigfs
from tests.sim.simulated_tee import SimulatedTee

REPORT_DATA = bytes(range(48))
INIT_DATA = sha256(b"initdata")


def attester(token: Callable[[bytes], bytes] = lambda data: b"token of " + data) -> CcaAttester:
    tree = FakeConfigfs("arm_cca_guest", lambda data: (token(data), b""))
    return CcaAttester(ConfigfsTsm(tree=tree))


def realm(tee: SimulatedTee) -> CcaAttester:
    return attester(lambda data: tee.binary(report_data=data.hex()))


def test_token_of_the_realm_is_verified() -> None:
    tee = SimulatedTee("cca", init_data=INIT_DATA.hex)
    made = realm(tee)
    made.bind_init_data(INIT_DATA)
    found = tee.accepted(made.evidence(REPORT_DATA), REPORT_DATA, INIT_DATA)
    assert found.tee == "cca"


def test_other_personalization_value_is_found_out() -> None:
    with pytest.raises(HostError, match="personalization"):
        realm(SimulatedTee("cca", init_data=sha256(b"other").hex)).bind_init_data(INIT_DATA)
    with pytest.raises(PeerError):
        attester().bind_init_data(INIT_DATA)


@pytest.mark.parametrize("payload", [{}, {44235: "text"}, ()])
def test_realm_token_without_the_value_is_told_apart_from_another_value(payload: Value) -> None:
    whole = Token.parse(SimulatedTee("cca").binary(report_data="00"))
    protected = cbor.encode({1: -35})
    message = cbor.Tag(18, (protected, {}, cbor.encode(payload), bytes(96)))
    token = msgspec.structs.replace(whole, realm=cbor.encode(message)).encode()
    with pytest.raises(PeerError, match="got none, want a personalization value"):
        attester(lambda _: token).bind_init_data(INIT_DATA)


def test_token_is_a_list_of_bytes() -> None:
    evidence = msgspec.json.decode(attester().evidence(REPORT_DATA))
    assert bytes(evidence.pop("token")) == b"token of " + REPORT_DATA.ljust(64, b"\0")
    assert evidence == {}


def test_too_much_report_data_is_refused() -> None:
    with pytest.raises(InputError, match="65 bytes"):
        attester().evidence(bytes(65))


def test_there_are_no_registers() -> None:
    made = attester()
    assert (made.tee, made.has_registers) == ("cca", False)
    with pytest.raises(HostError, match="registers"):
        made.extend(4, bytes(48))


def test_bare_machine_says_what_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="tsm/report"):
        open_attester(Machine.this({}, root=tmp_path)).evidence(REPORT_DATA)
