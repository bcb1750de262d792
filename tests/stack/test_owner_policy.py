"""The owner's agent policy: what a hostile host may and may not start with the owner's image."""

from collections.abc import Callable

import pytest

from casemate.guest.agent.policy import AgentPolicy, BlockedError
from casemate.runtime.request import ContainerRequest, PodRequest
from casemate.runtime.specification import create_container
from casemate.stack.owner import documents
from casemate.wire.pb import agent_pb2, oci_pb2

REGISTRY = "localhost:5443"
IMAGE = f"{REGISTRY}/demo/app:1"
EVIDENCE = "http://127.0.0.1:8006/aa/evidence?runtime_data=AAAA&encoding=base64"


@pytest.fixture
def policy() -> AgentPolicy:
    return AgentPolicy(documents.agent_policy(REGISTRY), name="owner")


def request(image: str = IMAGE, *arguments: str) -> agent_pb2.CreateContainerRequest:
    container = ContainerRequest(name="app", image=image, arguments=arguments)
    pod = PodRequest(name="app", containers=(container,))
    return create_container(pod, container, sandbox="s" * 32, identity="c" * 32)


def test_the_image_with_its_own_program_may_run(policy: AgentPolicy) -> None:
    policy.permit(request())


@pytest.mark.parametrize(
    "arguments",
    [
        ("/bin/busybox", "sh"),
        (
            "/bin/busybox",
            "wget",
            "-qO-",
            "http://127.0.0.1:8006/cdh/resource/default/demo/greeting",
        ),
        ("/bin/busybox", "wget", "-qO-", EVIDENCE),
    ],
)
def test_another_program_is_refused_and_named(
    policy: AgentPolicy, arguments: tuple[str, ...]
) -> None:
    with pytest.raises(BlockedError, match="not the image's own"):
        policy.permit(request(IMAGE, *arguments))


@pytest.mark.parametrize(
    "image",
    [
        "localhost:5443/demo/other:1",
        "localhost:5443/demo/app",
        "localhost:5443/demo/app:1/../../other:1",
        "localhostx5443/demo/app:1",
        "registry.example/localhost:5443/demo/app:1",
    ],
)
def test_an_image_of_another_repository_is_refused(policy: AgentPolicy, image: str) -> None:
    with pytest.raises(BlockedError, match="not of the owner's repository"):
        policy.permit(request(image))


def _variables(asked: agent_pb2.CreateContainerRequest) -> None:
    asked.OCI.Process.Env.append("LD_PRELOAD=/x")


def _user(asked: agent_pb2.CreateContainerRequest) -> None:
    asked.OCI.Process.User.UID = 1


def _named_user(asked: agent_pb2.CreateContainerRequest) -> None:
    asked.string_user.uid = "0"


def _capability(asked: agent_pb2.CreateContainerRequest) -> None:
    asked.OCI.Process.Capabilities.Ambient.append("CAP_SYS_ADMIN")


def _mount(asked: agent_pb2.CreateContainerRequest) -> None:
    asked.OCI.Mounts.append(oci_pb2.Mount(destination="/bin", source="/run", type="bind"))


def _device(asked: agent_pb2.CreateContainerRequest) -> None:
    asked.devices.append(agent_pb2.Device(id="vda", container_path="/dev/vda"))


def _own_device(asked: agent_pb2.CreateContainerRequest) -> None:
    asked.OCI.Linux.Devices.append(oci_pb2.LinuxDevice(Path="/dev/mem", Type="c", Major=1, Minor=1))


def _privileges(asked: agent_pb2.CreateContainerRequest) -> None:
    asked.OCI.Process.NoNewPrivileges = False


def _sysctl(asked: agent_pb2.CreateContainerRequest) -> None:
    asked.OCI.Linux.Sysctl["kernel.core_pattern"] = "|/x"


def _filter(asked: agent_pb2.CreateContainerRequest) -> None:
    asked.OCI.Linux.Seccomp.DefaultAction = "SCMP_ACT_ALLOW"


def _hidden(asked: agent_pb2.CreateContainerRequest) -> None:
    asked.OCI.Linux.MaskedPaths.append("/etc/app.conf")


def _read_only(asked: agent_pb2.CreateContainerRequest) -> None:
    asked.OCI.Linux.ReadonlyPaths.append("/var")


def _folder(asked: agent_pb2.CreateContainerRequest) -> None:
    asked.OCI.Process.Cwd = "/proc"


def _second_storage(asked: agent_pb2.CreateContainerRequest) -> None:
    asked.storages.append(agent_pb2.Storage(driver="local", mount_point="/run/x"))


def _no_storage(asked: agent_pb2.CreateContainerRequest) -> None:
    del asked.storages[:]


@pytest.mark.parametrize(
    "change",
    [
        _variables,
        _user,
        _named_user,
        _capability,
        _mount,
        _device,
        _own_device,
        _privileges,
        _sysctl,
        _filter,
        _hidden,
        _read_only,
        _folder,
        _second_storage,
        _no_storage,
    ],
)
def test_whatever_else_the_host_adds_is_refused(
    policy: AgentPolicy, change: Callable[[agent_pb2.CreateContainerRequest], None]
) -> None:
    asked = request()
    change(asked)
    with pytest.raises(BlockedError):
        policy.permit(asked)


def test_a_sandbox_with_modules_of_the_host_is_refused(policy: AgentPolicy) -> None:
    policy.permit(agent_pb2.CreateSandboxRequest(sandbox_id="s" * 32))
    asked = agent_pb2.CreateSandboxRequest(sandbox_id="s" * 32)
    asked.kernel_modules.append(agent_pb2.KernelModule(name="x"))
    with pytest.raises(BlockedError):
        policy.permit(asked)
