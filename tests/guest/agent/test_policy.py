import pytest

from casemate.errors import InputError
from casemate.guest.agent import default_policy
from casemate.guest.agent.bundle import PATH
from casemate.guest.agent.policy import AgentPolicy, BlockedError
from casemate.guest.agent.policy_input import render
from casemate.wire.pb import agent_pb2, oci_pb2

STATEFUL = """
package agent_policy
import future.keywords
default StartContainerRequest := false
CreateSandboxRequest := {"allowed": true, "ops": [
    {"op": "add", "path": "/name", "value": input.sandbox_id}]}
StartContainerRequest {
    data.pstate.name == input.container_id
}
"""


def default() -> AgentPolicy:
    return AgentPolicy(default_policy.TEXT, name=default_policy.NAME)


def created(**process: object) -> agent_pb2.CreateContainerRequest:
    return agent_pb2.CreateContainerRequest(
        container_id="c",
        storages=[agent_pb2.Storage(driver="image_guest_pull", source="i")],
        OCI=oci_pb2.Spec(Process=oci_pb2.Process(**process)),  # type: ignore[arg-type]  # by name
    )


@pytest.mark.parametrize(
    "request_",
    [
        agent_pb2.ExecProcessRequest(container_id="c"),
        agent_pb2.ReadStreamRequest(container_id="c"),
        agent_pb2.WriteStreamRequest(container_id="c", data=b"x"),
        agent_pb2.SetPolicyRequest(policy="package agent_policy"),
        agent_pb2.CopyFileRequest(path="/run/kata-containers/shared/containers/x"),
        created(Args=["sh", "-c", "cat /secret"]),
        created(Env=["LD_PRELOAD=/x"]),
        created(Env=["PATH=/srv/another"]),
        created(Env=["HOME=/srv/another"]),
        created(Cwd="/srv"),
        created(User=oci_pb2.User(UID=1)),
        created(User=oci_pb2.User(Username="root")),
        created(Capabilities=oci_pb2.LinuxCapabilities(Bounding=["CAP_SYS_ADMIN"])),
        created(Capabilities=oci_pb2.LinuxCapabilities(Ambient=["CAP_SYS_ADMIN"])),
        agent_pb2.GetIPTablesRequest(),
    ],
    ids=lambda request: type(request).__name__,
)
def test_default_policy_lets_the_host_see_and_change_nothing(request_: object) -> None:
    with pytest.raises(BlockedError) as caught:
        default().permit(request_)  # type: ignore[arg-type]  # all are messages
    assert "is blocked by policy" in str(caught.value)
    assert caught.value.refusal.claim == type(request_).__name__


@pytest.mark.parametrize(
    "request_",
    [
        created(),
        created(Env=[PATH, "HOSTNAME=x"], Cwd="/"),
        created(Capabilities=oci_pb2.LinuxCapabilities(Bounding=["CAP_CHOWN"])),
        agent_pb2.CreateSandboxRequest(sandbox_id="s"),
        agent_pb2.StartContainerRequest(container_id="c"),
        agent_pb2.WaitProcessRequest(container_id="c"),
        agent_pb2.SignalProcessRequest(container_id="c", signal=9),
        agent_pb2.DestroySandboxRequest(),
        agent_pb2.GuestDetailsRequest(),
    ],
    ids=lambda request: type(request).__name__,
)
def test_default_policy_lets_the_image_run(request_: object) -> None:
    default().permit(request_)  # type: ignore[arg-type]  # all are messages


@pytest.mark.parametrize(
    "mount",
    [
        {"destination": "/x", "source": "/y", "type": "bind"},
        {"destination": "/x", "source": "/y", "options": ["rbind"]},
        {"destination": "/bin", "source": "/dev/vdd", "type": "erofs"},
        {"destination": "/etc", "source": "tmpfs", "type": "tmpfs"},
    ],
)
def test_default_policy_refuses_mounts_of_the_host(mount: dict[str, object]) -> None:
    request = created()
    request.OCI.Mounts.append(oci_pb2.Mount(**mount))  # type: ignore[arg-type]  # by name
    with pytest.raises(BlockedError, match="mounts something"):
        default().permit(request)


@pytest.mark.parametrize(
    "linux",
    [
        {"Seccomp": oci_pb2.LinuxSeccomp(DefaultAction="SCMP_ACT_ALLOW")},
        {"MaskedPaths": ["/etc/app.conf"]},
        {"MaskedPaths": ["/proc/self/root/etc/app.conf"]},
        {"ReadonlyPaths": ["/proc/../etc"]},
        {"Sysctl": {"kernel.core_pattern": "|/x"}},
        {"Devices": [oci_pb2.LinuxDevice(Path="/dev/mem")]},
    ],
    ids=str,
)
def test_default_policy_leaves_the_images_surroundings_alone(linux: dict[str, object]) -> None:
    request = created()
    request.OCI.Linux.CopyFrom(oci_pb2.Linux(**linux))  # type: ignore[arg-type]  # by name
    with pytest.raises(BlockedError):
        default().permit(request)


def test_default_policy_takes_what_every_container_runtime_hides() -> None:
    request = created()
    request.OCI.Linux.MaskedPaths.extend(["/proc/kcore", "/sys/firmware"])
    request.OCI.Linux.ReadonlyPaths.extend(["/proc/sys"])
    default().permit(request)


def test_default_policy_keeps_the_images_user() -> None:
    request = created()
    request.string_user.uid = "0"
    with pytest.raises(BlockedError, match="another user"):
        default().permit(request)


def test_state_is_kept_between_requests() -> None:
    policy = AgentPolicy(STATEFUL, name="p")
    policy.permit(agent_pb2.CreateSandboxRequest(sandbox_id="s1"))
    policy.permit(agent_pb2.StartContainerRequest(container_id="s1"))
    with pytest.raises(BlockedError):
        policy.permit(agent_pb2.StartContainerRequest(container_id="s2"))


def test_absent_rule_is_a_no_unless_the_policy_says_otherwise() -> None:
    strict = AgentPolicy("package agent_policy\nx := 1\n", name="p")
    with pytest.raises(BlockedError):
        strict.permit(agent_pb2.DestroySandboxRequest())
    lenient = AgentPolicy(
        "package agent_policy\ndefault AllowRequestsFailingPolicy := true\n", name="p"
    )
    lenient.permit(agent_pb2.DestroySandboxRequest())


def test_what_is_remembered_makes_no_policy_lenient() -> None:
    policy = AgentPolicy(
        "package agent_policy\n"
        "AllowRequestsFailingPolicy { data.pstate.open }\n"
        'DestroySandboxRequest := {"allowed": true, "ops": '
        '[{"op": "add", "path": "/open", "value": true}]}\n',
        name="p",
    )
    policy.permit(agent_pb2.DestroySandboxRequest())
    with pytest.raises(BlockedError):
        policy.permit(agent_pb2.ExecProcessRequest())


def test_what_a_policy_prints_is_the_reason() -> None:
    text = 'package agent_policy\nExecProcessRequest { print("no shells") ; false }\n'
    with pytest.raises(BlockedError) as caught:
        AgentPolicy(text, name="p").permit(agent_pb2.ExecProcessRequest())
    assert "no shells" in str(caught.value)


@pytest.mark.parametrize("text", ["package agent_policy\nx {", "x" * (70 << 10)])
def test_policy_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        AgentPolicy(text, name="p")


def test_requests_look_to_policies_as_serde_prints_them() -> None:
    request = created(Args=["a"])
    request.OCI.Linux.Namespaces.add(Type="pid")
    request.devices.add(type="blk")
    shown = render(request)
    assert shown["OCI"]["Process"]["Args"] == ["a"]
    assert shown["OCI"]["Hooks"] is None
    assert shown["stdin_port"] is None
    assert shown["devices"][0]["type_"] == "blk"
    assert shown["OCI"]["Annotations"] == {}
    syscall = oci_pb2.LinuxSyscall(Names=["x"])
    assert render(syscall)["ErrnoRet"] is None
    syscall.errnoret = 0
    assert render(syscall)["ErrnoRet"] == {"errnoret": 0}
    assert render(agent_pb2.WriteStreamRequest(data=b"\1\2"))["data"] == [1, 2]


def test_copied_files_are_shown_without_their_data() -> None:
    link = agent_pb2.CopyFileRequest(path="/p", file_mode=0o120777, data=b"target")
    shown = render(link)
    assert shown["file_type"] == "Symlink"
    assert shown["symlink_target"] == "target"
    assert "data" not in shown
