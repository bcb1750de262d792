from pathlib import Path

import pytest

from casemate.crypto.digest import Algorithm, Digest, sha256
from casemate.errors import HostError, InputError
from casemate.tee.machine import Machine
from casemate.tee.sgx.attester import SgxAttester, open_attester
from tests.sim.simulated_tee import SimulatedTee

REPORT_DATA = bytes(range(48))
INIT_DATA = Digest.of(b"initdata", Algorithm.SHA384)


def test_quote_of_the_enclave_is_verified() -> None:
    tee = SimulatedTee("sgx", config_id=INIT_DATA.value.ljust(64, b"\0").hex())
    quotes = SgxAttester(lambda data: tee.binary(report_data=data.hex()))
    quotes.bind_init_data(INIT_DATA)
    found = tee.accepted(quotes.evidence(REPORT_DATA), REPORT_DATA, INIT_DATA)
    assert quotes.tee == found.tee == "sgx"


def test_other_config_id_is_found_out() -> None:
    made = SgxAttester(lambda data: SimulatedTee("sgx").binary(report_data=data.hex()))
    with pytest.raises(HostError, match="CONFIGID"):
        made.bind_init_data(sha256(b"initdata"))
    with pytest.raises(HostError, match="whole quote"):
        SgxAttester(lambda _: b"short").bind_init_data(sha256(b"initdata"))


def test_gramine_and_occlum_are_told_apart_by_the_environment(tmp_path: Path) -> None:
    folder = tmp_path / "dev" / "attestation"
    folder.mkdir(parents=True)
    (folder / "quote").write_bytes(b"quote")
    gramine = open_attester(Machine.this({}, root=tmp_path))
    assert gramine.evidence(REPORT_DATA) == b'{"quote":"cXVvdGU="}'
    assert (folder / "user_report_data").read_bytes() == REPORT_DATA.ljust(64, b"\0")
    with pytest.raises(HostError, match="dev/sgx"):
        open_attester(Machine.this({"OCCLUM": "1"}, root=tmp_path)).evidence(REPORT_DATA)


def test_too_much_report_data_is_refused() -> None:
    with pytest.raises(InputError, match="65 bytes"):
        SgxAttester(lambda _: b"").evidence(bytes(65))


def test_there_are_no_registers() -> None:
    made = SgxAttester(lambda _: b"")
    assert not made.has_registers
    with pytest.raises(HostError, match="registers"):
        made.extend(4, bytes(48))
