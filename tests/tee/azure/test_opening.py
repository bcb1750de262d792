import asyncio
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from casemate.errors import HostError
from casemate.net.http_server import Answer, Request, Server
from casemate.tee.attesters import PRIMARY, SLOW, detect, explain
from casemate.tee.azure import opening
from casemate.tee.azure.hcl import Kind
from casemate.tee.azure.metadata import Request as Ask
from casemate.tee.machine import Machine
from casemate.tee.vtpm.tpm import Tpm
from tests.sim.devices.tpm_node import Guarded, tpm_node
from tests.sim.swtpm import booted, require_swtpm
from tests.tee.azure.machine import FakeParavisor, make_key


@pytest.fixture
def paravisor(tmp_path: Path) -> Iterator[FakeParavisor]:
    require_swtpm()
    (tmp_path / "state").mkdir()
    with booted(tmp_path / "state") as transport:
        tpm = Tpm(shared := Guarded(transport))
        made = FakeParavisor(tpm, make_key(tpm))
        with tpm_node(tmp_path / "dev/tpmrm0", shared):
            yield made


def vendor(root: Path) -> None:
    file = root / "sys/class/dmi/id/sys_vendor"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("Microsoft Corporation\n")


@pytest.mark.parametrize(("kind", "tee"), [(Kind.SNP, "az-snp-vtpm"), (Kind.TDX, "az-tdx-vtpm")])
def test_paravisors_report_tells_the_hardware(
    paravisor: FakeParavisor, tmp_path: Path, kind: Kind, tee: str
) -> None:
    vendor(tmp_path)
    paravisor.kind = kind
    paravisor.tpm.drop_nv(0x01400001, by=0x40000001)
    FakeParavisor(paravisor.tpm, paravisor.key, kind)
    picked = detect({}, root=tmp_path)
    assert (picked.tee, picked.has_registers) == (tee, True)
    said = {f.tee: f for f in explain({}, root=tmp_path) if f.kind == "primary"}
    assert said[tee].picked
    if kind is Kind.SNP:
        assert "reports SNP, not TDX" in said["az-tdx-vtpm"].why


def test_registers_are_extended_through_the_node(paravisor: FakeParavisor, tmp_path: Path) -> None:
    opening.open_snp(Machine.this({}, root=tmp_path)).extend(14, b"\1" * 32)
    assert paravisor.tpm.pcrs()[14] != bytes(32)


def test_machine_without_a_tpm_says_so(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="virtual TPM"):
        opening.kind(Machine.this({}, root=tmp_path))


async def reply(request: Request) -> Answer:
    if request.target == "/none":
        return Answer(404, b"")
    return Answer(200, msgspec.json.encode([request.method, request.headers, request.body]))


async def test_metadata_service_is_asked_from_a_thread() -> None:
    server = Server(reply)
    url = f"http://127.0.0.1:{await server.listen('127.0.0.1', 0)}"
    asked = Ask(url=f"{url}/x", headers=(("Metadata", "true"),))
    method, headers, _ = msgspec.json.decode(await asyncio.to_thread(opening.fetch, asked))
    assert (method, dict(headers)["metadata"]) == ("GET", "true")
    posted = Ask(url=f"{url}/x", body=b"report")
    method, _, body = msgspec.json.decode(await asyncio.to_thread(opening.fetch, posted))
    assert (method, body) == ("POST", "cmVwb3J0")
    with pytest.raises(HostError, match="404"):
        await asyncio.to_thread(opening.fetch, Ask(url=f"{url}/none"))
    await server.close()
    with pytest.raises(HostError, match="reachable"):
        await asyncio.to_thread(opening.fetch, Ask(url=url))


def test_evidence_that_takes_seconds_is_made_beside_the_loop() -> None:
    slow = {row.tee for row in PRIMARY if row.module == opening.__name__}
    assert slow == SLOW
