import asyncio
from pathlib import Path

import pytest

from casemate.errors import InputError, PeerError, VerificationError
from casemate.net.ttrpc import Client
from casemate.peerpods.adaptor import SOCKET
from casemate.wire import hypervisor, userdata
from casemate.wire.hypervisor import VmWishes
from casemate.wire.pb import health_pb2, hypervisor_pb2, podvminfo_pb2
from casemate.wire.ttrpc_status import Code, TtrpcError
from tests.peerpods.conftest import Node
from tests.sim.podvm import REFUSAL

WISHES = VmWishes(pod="app", initdata=b'version = "0.1.0"\n', vcpus=2, memory=768)


async def _healthy(socket: Path) -> bool:
    async with await Client.connect_unix(socket) as agent:
        answer = await agent.call("grpc.Health", "Check", b"", timeout=5)
    status = health_pb2.HealthCheckResponse.FromString(answer).status
    return status == health_pb2.HealthCheckResponse.SERVING


async def test_a_started_vm_answers_on_its_agent_socket(node: Node) -> None:
    path = await node.adaptor.create("a" * 64, WISHES)
    await node.adaptor.start("a" * 64)
    assert path == node.pods / ("a" * 64) / SOCKET
    assert await _healthy(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert node.cloud.specs["a" * 64].memory == 768


async def test_several_connections_each_reach_the_agent(node: Node) -> None:
    path = await node.adaptor.create("a1", WISHES)
    await node.adaptor.start("a1")
    assert await asyncio.gather(*(_healthy(path) for _ in range(4))) == [True] * 4


async def test_the_guest_gets_its_own_key_and_no_other(node: Node) -> None:
    await node.adaptor.create("a1", WISHES)
    await node.adaptor.start("a1")
    given = node.cloud.user_data["a1"]
    assert set(given) == {userdata.APF, userdata.INITDATA, userdata.SCRATCH_SPACE}
    assert b"".join(given.values()).count(b"PRIVATE KEY-----") == 2  # begin and end of one key


async def test_pods_are_isolated(node: Node) -> None:
    paths = []
    for sandbox in ("a1", "b2"):
        paths.append(await node.adaptor.create(sandbox, WISHES))
        await node.adaptor.start(sandbox)
    assert len(node.cloud.agents) == 2
    assert node.cloud.user_data["a1"][userdata.APF] != node.cloud.user_data["b2"][userdata.APF]
    await node.adaptor.stop("a1")
    assert not paths[0].exists()
    assert await _healthy(paths[1])


async def test_every_call_may_be_repeated(node: Node) -> None:
    assert await node.adaptor.create("a1", WISHES) == await node.adaptor.create("a1", WISHES)
    await asyncio.gather(node.adaptor.start("a1"), node.adaptor.start("a1"))
    await node.adaptor.start("a1")
    assert len(node.cloud.agents) == 1
    await node.adaptor.stop("a1")
    await node.adaptor.stop("a1")
    assert node.cloud.deleted == ["a1"]


async def test_a_refusal_at_boot_comes_at_once_and_whole(node: Node) -> None:
    node.cloud.refuse_boot = True
    await node.adaptor.create("a1", WISHES)
    with pytest.raises(VerificationError) as caught:
        async with asyncio.timeout(2):
            await node.adaptor.start("a1")
    assert caught.value.refusal == REFUSAL
    assert node.cloud.deleted == ["a1"]


async def test_a_vm_that_ends_while_booting_is_told_at_once(node: Node) -> None:
    node.cloud.die_at_boot = True
    await node.adaptor.create("a1", WISHES)
    with pytest.raises(PeerError, match="it ended"):
        async with asyncio.timeout(2):
            await node.adaptor.start("a1")


async def test_another_pod_under_a_known_id_is_refused(node: Node) -> None:
    await node.adaptor.create("a1", WISHES)
    with pytest.raises(TtrpcError) as caught:
        await node.adaptor.create("a1", VmWishes(pod="other"))
    assert caught.value.code is Code.ALREADY_EXISTS


async def test_a_full_node_says_so(node: Node) -> None:
    for sandbox in ("a1", "b2", "c3"):
        await node.adaptor.create(sandbox, WISHES)
    with pytest.raises(TtrpcError) as caught:
        await node.adaptor.create("d4", WISHES)
    assert caught.value.code is Code.RESOURCE_EXHAUSTED


@pytest.mark.parametrize("sandbox", ["", "../up", "a/b", "a" * 129, "."])
async def test_an_id_that_is_no_folder_name_is_refused(node: Node, sandbox: str) -> None:
    with pytest.raises(InputError):
        await node.adaptor.create(sandbox, WISHES)


async def test_the_service_speaks_upstreams_messages(node: Node) -> None:
    async with await Client.connect_unix(node.socket) as client:
        version = await client.call(hypervisor.SERVICE, "Version", b"", timeout=5)
        assert hypervisor_pb2.VersionResponse.FromString(version).version
        request = hypervisor_pb2.CreateVMRequest(id="a1", annotations=hypervisor.encode(WISHES))
        made = await client.call(
            hypervisor.SERVICE, "CreateVM", request.SerializeToString(), timeout=5
        )
        path = Path(hypervisor_pb2.CreateVMResponse.FromString(made).agentSocketPath)
        start = hypervisor_pb2.StartVMRequest(id="a1").SerializeToString()
        assert await client.call(hypervisor.SERVICE, "StartVM", start, timeout=5) == b""
        assert await _healthy(path)
        asked = podvminfo_pb2.GetInfoRequest(PodName="app", PodNamespace="default", Wait=True)
        info = await client.call(
            hypervisor.INFO_SERVICE, "GetInfo", asked.SerializeToString(), timeout=5
        )
        assert podvminfo_pb2.GetInfoResponse.FromString(info).VMID == "a1"
        stop = hypervisor_pb2.StopVMRequest(id="a1").SerializeToString()
        await client.call(hypervisor.SERVICE, "StopVM", stop, timeout=5)
    assert node.cloud.deleted == ["a1"]


async def test_starting_what_was_never_created_is_not_found(node: Node) -> None:
    async with await Client.connect_unix(node.socket) as client:
        start = hypervisor_pb2.StartVMRequest(id="zz").SerializeToString()
        with pytest.raises(TtrpcError) as caught:
            await client.call(hypervisor.SERVICE, "StartVM", start, timeout=5)
    assert caught.value.code is Code.NOT_FOUND


async def test_a_caller_that_leaves_while_the_vm_starts_leaves_no_vm(node: Node) -> None:
    await node.adaptor.create("a1", WISHES)
    task = asyncio.ensure_future(node.adaptor.start("a1"))
    await node.cloud.asked.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert not (node.pods / "a1" / SOCKET).exists()
