"""From a container that was asked for to what the agent is told: OCI document and storages.

Pure. The guest finds entry point, environment and user of the image by itself: it alone can read
an encrypted image. What stands here is seen by the guest's policy.
"""

from typing import Final

import msgspec

from casemate.runtime.request import ContainerRequest, PodRequest
from casemate.wire.pb import agent_pb2, oci_pb2

_CAPABILITIES: Final = (
    *("CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID", "CAP_FOWNER", "CAP_MKNOD", "CAP_NET_RAW"),
    *("CAP_SETGID", "CAP_SETUID", "CAP_SETFCAP", "CAP_SETPCAP", "CAP_NET_BIND_SERVICE"),
    *("CAP_SYS_CHROOT", "CAP_KILL", "CAP_AUDIT_WRITE"),
)
"""What containerd gives a container that asks for nothing."""

_NAMESPACES: Final = ("ipc", "uts", "mount", "pid")
"""Their paths stay empty: they are the guest's (runtime.md §5.3)."""

GUEST_PULL: Final = "image_guest_pull"


def create_container(
    pod: PodRequest, container: ContainerRequest, *, sandbox: str, identity: str
) -> agent_pb2.CreateContainerRequest:
    """Make the request for one container; ``identity`` is its id (runtime.md §3.3, §5)."""
    annotations = annotations_of(pod, container, sandbox=sandbox)
    rootfs = f"/run/kata-containers/{identity}/rootfs"
    metadata = msgspec.json.encode({"metadata": annotations}).decode()
    storage = agent_pb2.Storage(
        driver=GUEST_PULL,
        driver_options=[f"{GUEST_PULL}={metadata}"],
        source=container.image,
        fstype="overlay",
        mount_point=rootfs,
    )
    return agent_pb2.CreateContainerRequest(
        container_id=identity,
        exec_id=identity,
        storages=[storage],
        OCI=oci_pb2.Spec(
            Version="1.1.0",
            Process=process(container),
            Root=oci_pb2.Root(Path=rootfs, Readonly=container.read_only_root),
            Hostname=pod.name,
            Annotations=annotations,
            Linux=oci_pb2.Linux(
                CgroupsPath=f"/{sandbox}/{identity}",
                Namespaces=[oci_pb2.LinuxNamespace(Type=kind) for kind in _NAMESPACES],
            ),
        ),
    )


def process(container: ContainerRequest) -> oci_pb2.Process:
    """Make the container's first process."""
    return oci_pb2.Process(
        User=oci_pb2.User(UID=container.user, GID=container.group),
        Args=container.arguments,
        Env=[f"{name}={value}" for name, value in container.environment.items()],
        Cwd=container.working_directory or "/",
        Capabilities=_capabilities(),
        NoNewPrivileges=True,
    )


def exec_process(
    *, container: str, identity: str, arguments: tuple[str, ...], terminal: bool = False
) -> agent_pb2.ExecProcessRequest:
    """Make the request for one more process in a container."""
    return agent_pb2.ExecProcessRequest(
        container_id=container,
        exec_id=identity,
        process=oci_pb2.Process(
            Terminal=terminal,
            User=oci_pb2.User(),
            Args=arguments,
            Cwd="/",
            Capabilities=_capabilities(),
            NoNewPrivileges=True,
        ),
    )


def annotations_of(pod: PodRequest, container: ContainerRequest, *, sandbox: str) -> dict[str, str]:
    """Annotations that containerd would write (runtime.md §2), beside the pod's own."""
    return dict(pod.annotations) | {
        "io.kubernetes.cri.container-type": "container",
        "io.kubernetes.cri.container-name": container.name,
        "io.kubernetes.cri.image-name": container.image,
        "io.kubernetes.cri.sandbox-id": sandbox,
        "io.kubernetes.cri.sandbox-name": pod.name,
        "io.kubernetes.cri.sandbox-namespace": pod.namespace,
    }


def _capabilities() -> oci_pb2.LinuxCapabilities:
    return oci_pb2.LinuxCapabilities(
        Bounding=_CAPABILITIES, Effective=_CAPABILITIES, Permitted=_CAPABILITIES
    )
