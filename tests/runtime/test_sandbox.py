import asyncio
import json
from pathlib import Path

import pytest

from casemate.errors import HostError, InputError, PeerError, VerificationError
from casemate.linux import daemon
from casemate.runtime.execution import execute
from casemate.runtime.keeping import keep, log_file
from casemate.runtime.listing import listing
from casemate.runtime.output import Output
from casemate.runtime.record import Pod, Pods, PodState
from casemate.runtime.request import PodRequest
from casemate.runtime.sandbox import Sandboxes
from casemate.runtime.tracing import trace_of
from casemate.trace import Station
from casemate.wire import initdata
from tests.runtime.conftest import Stage, pod
from tests.sim.podvm import REFUSAL, SimulatedAgent


async def _run(stage: Stage, request: PodRequest | None = None) -> Pod:
    return await stage.sandboxes.run(request or pod(), progress=stage.steps.append)


def _agent(stage: Stage, running: Pod) -> SimulatedAgent:
    return stage.cloud.agents[running.id]


async def test_a_pod_comes_to_run(stage: Stage) -> None:
    running = await _run(stage)
    assert running.state is PodState.RUNNING
    assert [s.partition(":")[0] for s in stage.steps] == ["launch", "boot", "attest, pull, start"]
    assert _agent(stage, running).sandboxes == [running.id]
    assert stage.sandboxes.pods.find("app").id == running.id
    await stage.sandboxes.remove(running)


async def test_the_guest_pulls_the_image_itself(stage: Stage) -> None:
    running = await _run(stage)
    (request,) = _agent(stage, running).created
    (storage,) = request.storages
    assert storage.driver == "image_guest_pull"
    assert storage.source == "localhost:5000/demo/app:1"
    assert storage.mount_point == request.OCI.Root.Path
    (option,) = storage.driver_options
    metadata = json.loads(option.removeprefix("image_guest_pull="))["metadata"]
    assert metadata["io.kubernetes.cri.container-type"] == "container"
    await stage.sandboxes.remove(running)


async def test_containers_share_their_pods_vm_and_pods_do_not(stage: Stage) -> None:
    first, second = await _run(stage, pod("web", "side")), await _run(stage, pod(name="other"))
    assert len(stage.cloud.agents) == 2
    assert len(_agent(stage, first).created) == 2
    assert len(_agent(stage, second).created) == 1
    for running in (first, second):
        await stage.sandboxes.remove(running)


async def test_initdata_goes_to_the_vm_and_not_to_the_container(stage: Stage) -> None:
    import msgspec

    document = initdata.build({"policy.rego": "package agent_policy\n"})
    running = await _run(stage, msgspec.structs.replace(pod(), initdata=document))
    (request,) = _agent(stage, running).created
    assert not any("cc_init_data" in name for name in request.OCI.Annotations)
    packed = stage.cloud.user_data[running.id]["/run/peerpod/initdata"].decode()
    assert initdata.parse_annotation(packed).raw == document.raw
    assert running.initdata_digest == str(document.digest)
    await stage.sandboxes.remove(running)


@pytest.mark.parametrize("station", ["boot", "pull"])
async def test_a_refusal_at_any_station_ends_the_vm_and_keeps_the_reason(
    stage: Stage, station: str
) -> None:
    stage.cloud.refuse_boot = station == "boot"
    stage.cloud.prepare = lambda agent: setattr(agent, "refuse_pull", True)
    with pytest.raises(VerificationError) as caught:
        await _run(stage)
    assert caught.value.refusal == REFUSAL
    (kept,) = stage.sandboxes.pods.all()
    assert kept.state is PodState.REFUSED
    assert kept.refusal == REFUSAL
    assert stage.cloud.deleted == [kept.id]
    assert trace_of(stage.state, kept.id[:8]).refusal == REFUSAL


async def test_interrupted_on_the_way_leaves_neither_vm_nor_record(stage: Stage) -> None:
    task = asyncio.ensure_future(_run(stage))
    await stage.cloud.asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert stage.sandboxes.pods.all() == []


async def test_without_an_adaptor_the_remedy_is_named(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="casemate up"):
        await Sandboxes(tmp_path).run(pod(), progress=print)


async def test_removing_ends_vm_and_keeper_and_keeps_the_trace(stage: Stage) -> None:
    running = await _run(stage)
    spans = await stage.sandboxes.remove(running)
    assert {Station.REQUEST, Station.LAUNCH, Station.BOOT, Station.SERVE, Station.STOP} <= {
        span.station for span in spans
    }
    assert stage.cloud.deleted == [running.id]
    assert running.keeper is not None
    assert not running.keeper.alive
    assert not stage.sandboxes.pods.folder(running.id).exists()
    assert trace_of(stage.state, "app").totals["serve"] >= 0


async def test_output_and_exit_codes_are_kept(stage: Stage) -> None:
    running = await _without_keeper(stage, pod("web", "side"))
    keeping = asyncio.ensure_future(keep(stage.sandboxes.pods, running))
    file = log_file(stage.sandboxes.pods, running.id, "side", "Stdout")
    async with asyncio.timeout(5):
        while not (file.exists() and file.stat().st_size):  # noqa: ASYNC110  # a file has no event
            await asyncio.sleep(0.01)
    agent = _agent(stage, running)
    agent.exit_code = 3
    agent.ended.set()
    ended = await keeping
    assert ended.state is PodState.EXITED
    assert [c.exit_code for c in ended.containers] == [3, 3]
    assert (
        Output(stage.sandboxes.pods, running.id, ended.containers[0]).text("Stdout") == "say web\n"
    )


async def test_output_that_the_policy_keeps_is_refused_with_its_rule(stage: Stage) -> None:
    stage.cloud.prepare = lambda agent: setattr(agent, "deny_output", True)
    running = await _without_keeper(stage, pod())
    _agent(stage, running).ended.set()
    ended = await keep(stage.sandboxes.pods, running)
    assert ended.state is PodState.EXITED
    with pytest.raises(VerificationError) as caught:
        Output(stage.sandboxes.pods, running.id, running.containers[0]).text("Stdout")
    assert caught.value.refusal == REFUSAL


async def test_a_vm_that_ends_under_its_containers_is_lost(stage: Stage) -> None:
    running = await _without_keeper(stage, pod())
    keeping = asyncio.ensure_future(keep(stage.sandboxes.pods, running))
    await asyncio.sleep(0.1)
    await stage.cloud.kill(running.id)
    assert (await keeping).state is PodState.LOST


async def test_exec_gives_output_and_status(stage: Stage) -> None:
    running = await _run(stage)
    done = await execute(running, running.containers[0], ("cat", "/etc/hostname"))
    assert (done.status, done.stdout) == (7, b"cat /etc/hostname")
    await stage.sandboxes.remove(running)


async def test_exec_is_refused_where_the_policy_says_so(stage: Stage) -> None:
    stage.cloud.prepare = lambda agent: setattr(agent, "deny_exec", True)
    running = await _run(stage)
    with pytest.raises(VerificationError):
        await execute(running, running.containers[0], ("sh",))
    await stage.sandboxes.remove(running)


async def test_pods_are_listed_with_what_their_guests_use(stage: Stage) -> None:
    running = await _run(stage)
    (row,) = await listing(stage.state)
    assert (row.pod, row.state) == (running.id, "running")
    assert row.memory_text == "40 MiB"
    await stage.cloud.kill(running.id)
    (row,) = await listing(stage.state)
    assert row.state == "lost"
    await stage.sandboxes.remove(running)


async def test_a_pod_is_found_by_the_beginning_of_its_id_if_that_is_one_pods(stage: Stage) -> None:
    first, second = await _run(stage), await _run(stage)
    pods = stage.sandboxes.pods
    assert pods.find(first.id[:10]).id == first.id
    for text in ("app", ""):
        with pytest.raises(InputError):
            pods.find(text)
        with pytest.raises(InputError):
            trace_of(stage.state, text)
    for running in (first, second):
        await stage.sandboxes.remove(running)


def test_of_pods_with_one_name_the_one_with_a_vm_is_meant(tmp_path: Path) -> None:
    pods = Pods(tmp_path)
    for identity, agent in (("a1", ""), ("b2", "/run/agent"), ("c3", "")):
        pods.write(Pod(id=identity, name="app", created=1.0, agent=agent))
    assert pods.find("app").id == "b2"


def test_a_damaged_record_is_told_and_not_used(tmp_path: Path) -> None:
    pods = Pods(tmp_path)
    pods.write(Pod(id="a1", name="app", created=1.0))
    (pods.folder("a1") / "pod.json").write_text("{")
    with pytest.raises(HostError):
        pods.all()


async def test_an_agent_that_is_gone_is_the_peers_error(stage: Stage) -> None:
    running = await _run(stage)
    await stage.cloud.kill(running.id)
    with pytest.raises(PeerError):
        await execute(running, running.containers[0], ("true",))
    await stage.sandboxes.remove(running)


async def _without_keeper(stage: Stage, request: PodRequest) -> Pod:
    """Run a pod and take the keeper's place."""
    running = await _run(stage, request)
    assert running.keeper is not None
    daemon.stop(running.keeper, grace=2)
    return running
