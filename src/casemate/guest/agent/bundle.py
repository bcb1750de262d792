"""The OCI document of a container: what the host asked for, within what a pod VM grants.

Pure. The host's namespaces paths, hooks, devices, annotations and cgroup path never reach crun
(runtime.md §5.3); bind mounts start in the pod's own folders only.
"""

import posixpath
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import msgspec

from casemate.errors import InputError
from casemate.guest.agent.image_defaults import ImageDefaults
from casemate.guest.agent.users import Accounts, Identity, resolve
from casemate.wire.pb import agent_pb2, oci_pb2

SHARED: Final = "/run/kata-containers/shared/containers"
SANDBOX: Final = "/run/kata-containers/sandbox"

PATH: Final = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_MASKED: Final = (
    "/proc/acpi",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/firmware",
    "/sys/kernel/security",
)
_READ_ONLY: Final = (
    "/proc/asound",
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
)
_MOUNTS: Final = (
    ("/proc", "proc", "proc", ("nosuid", "noexec", "nodev")),
    ("/dev", "tmpfs", "tmpfs", ("nosuid", "strictatime", "mode=755", "size=65536k")),
    (
        "/dev/pts",
        "devpts",
        "devpts",
        ("nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"),
    ),
    ("/dev/shm", "tmpfs", "shm", ("nosuid", "noexec", "nodev", "mode=1777", "size=65536k")),  # noqa: S108  # its place
    ("/dev/mqueue", "mqueue", "mqueue", ("nosuid", "noexec", "nodev")),
    ("/sys", "sysfs", "sysfs", ("nosuid", "noexec", "nodev", "ro")),
    ("/sys/fs/cgroup", "cgroup", "cgroup", ("nosuid", "noexec", "nodev", "relatime", "ro")),
)
_KERNEL_FILESYSTEMS: Final = frozenset(
    {"proc", "sysfs", "tmpfs", "devpts", "mqueue", "cgroup", "cgroup2"}
)
"""What a container may mount beside the pod's folders: none of it is read from a device."""
_VERSION: Final = "1.0.2"

_NEVER: Final = frozenset({"CAP_MKNOD"})
"""Capabilities no container gets, asked for or not: a device node of its own for the console (5:1,
which crun lets every container open) would let it speak to the host past the pod's policy."""
_SEALED: Final = "sealed."
"""Begins a secret that we cannot open yet: a program must not start with it closed."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """What the pod VM gives a container: its root, its name among cgroups, the sandbox's parts."""

    container: str
    rootfs: Path
    hostname: str = ""
    namespaces: Mapping[str, Path] = MappingProxyType({})
    """Namespaces shared by the pod's containers: kind to path."""
    binds: Sequence[Path] = (Path(SHARED), Path(SANDBOX))
    """Folders of the guest below which bind mounts may start."""
    files: Mapping[str, Path] = MappingProxyType({})
    """Guest files shown read-only in containers that bring none: target to source."""


def compose(
    spec: oci_pb2.Spec,
    place: Place,
    image: ImageDefaults,
    accounts: Accounts,
    *,
    user: agent_pb2.StringUser | None = None,
) -> dict[str, Any]:
    """Make the OCI document of a container.

    Raises:
        InputError: hooks, a mount from outside the pod's folders or of a file system that a disk
            holds, nothing to run, unknown users.
    """
    if spec.Hooks.Prestart or spec.Hooks.Poststart or spec.Hooks.Poststop:
        raise InputError("OCI hooks", got="hooks", want="none in a pod VM", spec="runtime.md §5.3")
    return {
        "ociVersion": _VERSION,
        "process": compose_process(spec.Process, image, accounts, user=user),
        "root": {"path": str(place.rootfs), "readonly": spec.Root.Readonly},
        "hostname": spec.Hostname or place.hostname,
        "mounts": _mounts(spec.Mounts, place),
        "linux": _linux(spec.Linux, place),
    }


def compose_process(
    process: oci_pb2.Process,
    image: ImageDefaults,
    accounts: Accounts,
    *,
    user: agent_pb2.StringUser | None = None,
) -> dict[str, Any]:
    """Make the OCI document of a process; the image's defaults fill what the host left empty.

    Raises:
        InputError: nothing to run, a folder that is not absolute, unknown users.
    """
    args = list(process.Args) or list(image.args)
    if not args:
        raise InputError("process", got="no arguments", want="some, or an entry point of the image")
    identity = _identity(process, image, accounts, user)
    cwd = process.Cwd if process.Cwd not in {"", "/"} else image.cwd or "/"
    if not cwd.startswith("/"):
        raise InputError("process folder", got=cwd, want="an absolute path")
    return {
        "terminal": process.Terminal,
        "user": {
            "uid": identity.uid,
            "gid": identity.gid,
            "additionalGids": list(identity.groups),
        },
        "args": args,
        "env": _environment(image.env, process.Env, identity),
        "cwd": cwd,
        "capabilities": {
            name.lower(): [c for c in getattr(process.Capabilities, name) if c not in _NEVER]
            for name in ("Bounding", "Effective", "Inheritable", "Permitted", "Ambient")
        },
        "rlimits": [{"type": r.Type, "hard": r.Hard, "soft": r.Soft} for r in process.Rlimits],
        "noNewPrivileges": process.NoNewPrivileges,
        "oomScoreAdj": process.OOMScoreAdj,
    }


def compose_resources(resources: oci_pb2.LinuxResources) -> dict[str, Any]:
    """The limits of a container; what is 0 is no limit."""
    memory = {
        "limit": resources.Memory.Limit,
        "reservation": resources.Memory.Reservation,
        "swap": resources.Memory.Swap,
    }
    cpu = {
        "shares": resources.CPU.Shares,
        "quota": resources.CPU.Quota,
        "period": resources.CPU.Period,
    }
    pids = {"limit": resources.Pids.Limit}
    groups = {"memory": memory, "cpu": cpu, "pids": pids}
    set_ = {name: {k: v for k, v in group.items() if v} for name, group in groups.items()}
    return {name: group for name, group in set_.items() if group}


def _identity(
    process: oci_pb2.Process,
    image: ImageDefaults,
    accounts: Accounts,
    user: agent_pb2.StringUser | None,
) -> Identity:
    if user is not None and user.uid:
        text = f"{user.uid}:{user.gid}" if user.gid else user.uid
        found = resolve(text, accounts)
        extra = tuple(resolve(f"0:{g}", accounts).gid for g in user.additionalGids)
        return Identity(found.uid, found.gid, found.groups + extra, found.home)
    asked = process.User
    if asked.Username:
        return resolve(asked.Username, accounts)
    if not (asked.UID or asked.GID or asked.AdditionalGids):
        return resolve(image.user, accounts)
    home = resolve(str(asked.UID), accounts).home
    return Identity(asked.UID, asked.GID, tuple(asked.AdditionalGids), home)


def _environment(image: Sequence[str], asked: Sequence[str], identity: Identity) -> list[str]:
    """The image's variables, then the host's over them; PATH and HOME are always there."""
    variables: dict[str, str] = {"PATH": PATH, "HOME": f"HOME={identity.home or '/'}"}
    for entry in (*image, *asked):
        name, _, value = entry.partition("=")
        if value.startswith(_SEALED):
            raise InputError(f"variable {name}", got="a sealed secret", want="a plain value")
        variables[name] = entry
    return list(variables.values())


def _mounts(asked: Sequence[oci_pb2.Mount], place: Place) -> list[dict[str, Any]]:
    mounts = [_mount(m, place.binds) for m in asked]
    taken = {m["destination"] for m in mounts}
    standard = [
        {"destination": target, "type": kind, "source": source, "options": list(options)}
        for target, kind, source, options in _MOUNTS
        if target not in taken
    ]
    files = [
        {
            "destination": target,
            "type": "bind",
            "source": str(source),
            "options": ["rbind", "ro", "nosuid", "nodev"],
        }
        for target, source in place.files.items()
        if target not in taken
    ]
    return [*standard, *mounts, *files]


def _mount(mount: oci_pb2.Mount, binds: Sequence[Path]) -> dict[str, Any]:
    destination = posixpath.normpath(mount.destination)
    if not destination.startswith("/") or destination == "/":
        raise InputError("mount", got=mount.destination, want="an absolute path below /")
    options = list(mount.options)
    source = mount.source
    if mount.type == "bind" or {"bind", "rbind"} & set(options):
        source = bind_source(source, binds)
    elif mount.type not in _KERNEL_FILESYSTEMS:
        want = f"bind, {', '.join(sorted(_KERNEL_FILESYSTEMS))}: no file system of the host's"
        raise InputError("mount type", got=mount.type, want=want)
    return {
        "destination": destination,
        "type": mount.type,
        "source": source,
        "options": options,
    }


def bind_source(source: str, folders: Sequence[Path]) -> str:
    """Keep bind mounts within the pod's folders: elsewhere lie keys, sockets and devices.

    Raises:
        InputError: ``source`` lies elsewhere.
    """
    clean = posixpath.normpath(source)
    if not any(clean.startswith(f"{folder}/") for folder in folders):
        want = f"a source below {' or '.join(str(f) for f in folders)}"
        raise InputError("bind mount", got=source, want=want)
    return clean


def _linux(linux: oci_pb2.Linux, place: Place) -> dict[str, Any]:
    document: dict[str, Any] = {
        "namespaces": [
            {"type": kind}
            | ({"path": str(place.namespaces[kind])} if kind in place.namespaces else {})
            for kind in ("pid", "mount", "ipc", "uts", "cgroup")
        ],
        "cgroupsPath": f"/pod/{place.container}",
        "resources": compose_resources(linux.Resources) | {"devices": _NO_DEVICES},
        "sysctl": dict(linux.Sysctl),
        "maskedPaths": _union(_MASKED, linux.MaskedPaths),
        "readonlyPaths": _union(_READ_ONLY, linux.ReadonlyPaths),
    }
    if linux.HasField("Seccomp") and linux.Seccomp.DefaultAction:
        document["seccomp"] = _seccomp(linux.Seccomp)
    return document


_NO_DEVICES: Final = [{"allow": False, "access": "rwm"}]
"""crun adds the harmless ones (null, zero, random, terminals) by itself."""


def _union(ours: Sequence[str], asked: Sequence[str]) -> list[str]:
    return list(dict.fromkeys((*ours, *asked)))


def _seccomp(seccomp: oci_pb2.LinuxSeccomp) -> dict[str, Any]:
    return {
        "defaultAction": seccomp.DefaultAction,
        "architectures": list(seccomp.Architectures),
        "flags": list(seccomp.Flags),
        "syscalls": [_syscall(s) for s in seccomp.Syscalls],
    }


def _syscall(syscall: oci_pb2.LinuxSyscall) -> dict[str, Any]:
    document: dict[str, Any] = {
        "names": list(syscall.Names),
        "action": syscall.Action,
        "args": [
            {"index": a.Index, "value": a.Value, "valueTwo": a.ValueTwo, "op": a.Op}
            for a in syscall.Args
        ],
    }
    if syscall.HasField("errnoret"):
        document["errnoRet"] = syscall.errnoret
    return document
