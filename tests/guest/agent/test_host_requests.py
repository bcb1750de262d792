"""What the host may ask of a pod's agent: kubectl's verbs as the requests they become."""

import pytest
from google.protobuf.message import Message

from casemate.errors import VerificationError
from casemate.guest.agent import default_policy
from casemate.guest.agent.policy import AgentPolicy
from casemate.stack.owner import documents
from casemate.wire.pb import agent_pb2, oci_pb2

DEFAULT = AgentPolicy(default_policy.TEXT, name=default_policy.NAME)
OWNERS = AgentPolicy(documents.agent_policy("localhost:5443"), name="initdata policy.rego")

ONE_COMMAND = """
package agent_policy
default ExecProcessRequest := false
ExecProcessRequest { input.process.Args == ["cat", "/proc/uptime"] }
"""


def execute(*arguments: str) -> Message:
    return agent_pb2.ExecProcessRequest(
        container_id="c", exec_id="e", process=oci_pb2.Process(Args=arguments)
    )


def container(*arguments: str, image: str = "localhost:5000/demo/app:1") -> Message:
    """A container added to the pod, as for ``kubectl debug``."""
    return agent_pb2.CreateContainerRequest(
        container_id="debugger",
        storages=[agent_pb2.Storage(driver="image_guest_pull", source=image)],
        OCI=oci_pb2.Spec(Process=oci_pb2.Process(Args=arguments)),
    )


LOOKING_IN = {
    "exec": execute("sh"),
    "cp into the pod": agent_pb2.CopyFileRequest(path="/run/kata-containers/shared/x", data=b"x"),
    "cp out of the pod": execute("tar", "cf", "-", "/secret"),
    "attach, input": agent_pb2.WriteStreamRequest(container_id="c", data=b"cat /secret\n"),
    "port-forward": execute("socat", "-", "TCP4:localhost:8006"),
    "another policy": agent_pb2.SetPolicyRequest(policy="package agent_policy"),
}
DEFAULT_ONLY = {
    "logs": agent_pb2.ReadStreamRequest(container_id="c", len=100),
    "debug, ephemeral container": container("sh"),
    "termination log": agent_pb2.GetDiagnosticDataRequest(container_id="c"),
    "host folder": agent_pb2.CreateContainerRequest(
        OCI=oci_pb2.Spec(Mounts=[oci_pb2.Mount(destination="/host", type="bind", source="/")])
    ),
}


@pytest.mark.parametrize("verb", [*LOOKING_IN, *DEFAULT_ONLY])
def test_the_images_own_policy_lets_nobody_look_in(verb: str) -> None:
    with pytest.raises(VerificationError) as caught:
        DEFAULT.permit({**LOOKING_IN, **DEFAULT_ONLY}[verb])
    assert default_policy.NAME in caught.value.refusal.rule


def test_the_images_own_policy_runs_the_images_own_program() -> None:
    DEFAULT.permit(agent_pb2.CreateSandboxRequest())
    DEFAULT.permit(container())


@pytest.mark.parametrize("verb", LOOKING_IN)
def test_the_demos_owner_lets_nobody_look_in_either(verb: str) -> None:
    with pytest.raises(VerificationError) as caught:
        OWNERS.permit(LOOKING_IN[verb])
    assert "initdata policy.rego" in caught.value.refusal.rule


def test_one_command_line_is_allowed_and_no_other() -> None:
    policy = AgentPolicy(ONE_COMMAND, name="initdata policy.rego")
    policy.permit(execute("cat", "/proc/uptime"))
    for words in (("cat", "/secret"), ("cat",), ("cat", "/proc/uptime", "/secret")):
        with pytest.raises(VerificationError):
            policy.permit(execute(*words))
