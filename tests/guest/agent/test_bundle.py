from pathlib import Path
from typing import Any

import pytest

from casemate.errors import InputError
from casemate.guest.agent.bundle import SHARED, Place, compose, compose_process, compose_resources
from casemate.guest.agent.image_defaults import ImageDefaults, parse
from casemate.guest.agent.users import Accounts, resolve
from casemate.wire.pb import agent_pb2, oci_pb2

PLACE = Place(container="c1", rootfs=Path("/run/kata-containers/c1/rootfs"))
IMAGE = ImageDefaults(args=("/app",), env=("A=image", "B=image"), cwd="/work", user="app")
ACCOUNTS = Accounts(
    passwd="root:x:0:0::/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\nbroken\n",
    group="staff:x:50:app,other\nwheel:x:10:root\n",
)


def document(**spec: Any) -> dict[str, Any]:
    return compose(oci_pb2.Spec(**spec), PLACE, IMAGE, ACCOUNTS)


def test_image_fills_what_the_host_left_empty() -> None:
    process = document(Process=oci_pb2.Process(Env=["B=host"]))["process"]
    assert process["args"] == ["/app"]
    assert process["cwd"] == "/work"
    assert {"A=image", "B=host", "HOME=/home/app"} <= set(process["env"])
    assert process["user"] == {"uid": 1000, "gid": 1000, "additionalGids": [50]}


def test_host_may_name_another_process_and_user() -> None:
    user = oci_pb2.User(UID=7, GID=8, AdditionalGids=[9])
    process = document(Process=oci_pb2.Process(Args=["ls"], Cwd="/x", User=user))["process"]
    assert process["args"] == ["ls"]
    assert process["cwd"] == "/x"
    assert process["user"] == {"uid": 7, "gid": 8, "additionalGids": [9]}


def test_user_by_name_is_the_images() -> None:
    user = agent_pb2.StringUser(uid="app", gid="wheel")
    process = compose_process(oci_pb2.Process(), IMAGE, ACCOUNTS, user=user)
    assert (process["user"]["uid"], process["user"]["gid"]) == (1000, 10)
    with pytest.raises(InputError):
        resolve("nobody-knows", ACCOUNTS)


def test_nothing_to_run_is_the_callers_mistake() -> None:
    with pytest.raises(InputError):
        compose_process(oci_pb2.Process(), ImageDefaults(), Accounts())


def test_no_container_makes_device_nodes() -> None:
    asked = oci_pb2.LinuxCapabilities(Bounding=["CAP_CHOWN", "CAP_MKNOD"], Ambient=["CAP_MKNOD"])
    process = document(Process=oci_pb2.Process(Capabilities=asked))["process"]
    assert process["capabilities"]["bounding"] == ["CAP_CHOWN"]
    assert process["capabilities"]["ambient"] == []


def test_namespaces_of_the_host_never_arrive() -> None:
    linux = oci_pb2.Linux(
        Namespaces=[
            oci_pb2.LinuxNamespace(Type="network", Path="/proc/1/ns/net"),
            oci_pb2.LinuxNamespace(Type="pid", Path="/proc/1/ns/pid"),
        ],
        CgroupsPath="/../..",
        Devices=[oci_pb2.LinuxDevice(Path="/dev/vda", Type="b", Major=254)],
    )
    made = document(Linux=linux)["linux"]
    assert made["namespaces"] == [{"type": t} for t in ("pid", "mount", "ipc", "uts", "cgroup")]
    assert made["cgroupsPath"] == "/pod/c1"
    assert "devices" not in made
    assert made["resources"]["devices"] == [{"allow": False, "access": "rwm"}]


def test_masked_paths_can_only_grow() -> None:
    made = document(Linux=oci_pb2.Linux(MaskedPaths=["/proc/extra"]))["linux"]
    assert {"/proc/kcore", "/sys/kernel/security", "/proc/extra"} <= set(made["maskedPaths"])


def test_hooks_are_refused() -> None:
    with pytest.raises(InputError):
        document(Hooks=oci_pb2.Hooks(Prestart=[oci_pb2.Hook(Path="/evil")]))


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("/run/peerpod", "bind"),
        ("/", "bind"),
        (f"{SHARED}/../../../peerpod", "bind"),
        (SHARED, "bind"),
        ("/etc", "none"),
        ("relative", "bind"),
    ],
)
def test_bind_mounts_start_in_the_pods_folders(source: str, kind: str) -> None:
    mount = oci_pb2.Mount(destination="/x", source=source, type=kind, options=["rbind"])
    with pytest.raises(InputError):
        document(Mounts=[mount])


def test_bind_mount_of_a_copied_file_is_made() -> None:
    mount = oci_pb2.Mount(destination="/x", source=f"{SHARED}/c-1/f", type="bind", options=["ro"])
    (made,) = [m for m in document(Mounts=[mount])["mounts"] if m["destination"] == "/x"]
    assert made["source"] == f"{SHARED}/c-1/f"


@pytest.mark.parametrize("destination", ["", "/", "x", "/.."])
def test_mount_over_the_root_is_refused(destination: str) -> None:
    with pytest.raises(InputError):
        document(Mounts=[oci_pb2.Mount(destination=destination, type="tmpfs", source="tmpfs")])


@pytest.mark.parametrize("kind", ["ext4", "erofs", "vfat", "overlay", "9p", "devtmpfs", "", "none"])
def test_no_file_system_of_the_hosts_is_mounted(kind: str) -> None:
    mount = oci_pb2.Mount(destination="/bin", source="/dev/vdd", type=kind, options=["ro"])
    with pytest.raises(InputError, match="mount type"):
        document(Mounts=[mount])


@pytest.mark.parametrize("kind", ["proc", "sysfs", "tmpfs", "mqueue", "cgroup2"])
def test_file_systems_of_the_kernel_are_mounted(kind: str) -> None:
    mounts = document(Mounts=[oci_pb2.Mount(destination="/x", source=kind, type=kind)])["mounts"]
    assert kind in {m["type"] for m in mounts if m["destination"] == "/x"}


def test_limits_of_zero_are_no_limits() -> None:
    resources = oci_pb2.LinuxResources(Memory=oci_pb2.LinuxMemory(Limit=1 << 20))
    assert compose_resources(resources) == {"memory": {"limit": 1 << 20}}


@pytest.mark.parametrize("text", [b"", b"[]", b'{"process": {"args": 1}}', b"\xff", b"{" * 9999])
def test_image_document_that_makes_no_sense_is_refused(text: bytes) -> None:
    with pytest.raises(InputError):
        parse(text)


def test_sealed_variable_never_reaches_a_program_closed() -> None:
    with pytest.raises(InputError):
        document(Process=oci_pb2.Process(Args=["a"], Env=["KEY=sealed.a.b.c"]))
