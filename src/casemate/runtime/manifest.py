"""Kubernetes' Pod, version v1, as far as this runtime goes: read strictly, nothing silently lost.

Fields which change nothing here are ignored by name (``IGNORED``); any other that we do not carry
out is an error, since a pod that runs without what was asked for is worse than none.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

import yaml

from casemate.errors import InputError
from casemate.runtime.request import ContainerRequest, PodRequest
from casemate.wire import initdata
from casemate.wire.hypervisor import INITDATA_ANNOTATION

RUNTIME_CLASSES: Final = frozenset({"", "kata-remote", "casemate"})
IGNORED: Final = frozenset(
    {
        *("metadata.labels", "metadata.uid", "metadata.creationTimestamp", "status"),
        *("spec.restartPolicy", "spec.terminationGracePeriodSeconds", "spec.nodeSelector"),
        *("spec.tolerations", "spec.serviceAccountName", "spec.automountServiceAccountToken"),
        *("spec.dnsPolicy", "spec.schedulerName", "spec.enableServiceLinks"),
        *("container.imagePullPolicy", "container.ports"),
    }
)
"""Fields that are accepted and do nothing on a single machine (docs/runtime.md lists them)."""

_LARGEST: Final = 1 << 20
_MOST_CONTAINERS: Final = 16
_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?")
_CONFIG: Final = "io.katacontainers.config.hypervisor."


def parse(text: bytes) -> PodRequest:
    """Read one Pod document of at most 1 MiB.

    Raises:
        InputError: not YAML, not a v1 Pod, or a field this runtime does not carry out.
    """
    document = _table(_yaml(text), "pod.yaml")
    _known(document, "", {"apiVersion", "kind", "metadata", "spec"})
    if (document.get("apiVersion"), document.get("kind")) != ("v1", "Pod"):
        kind = f"{document.get('apiVersion')} {document.get('kind')}"
        raise InputError("pod.yaml", got=kind, want="v1 Pod")
    metadata = _table(document.get("metadata"), "metadata")
    _known(metadata, "metadata.", {"name", "namespace", "annotations"})
    spec = _table(document.get("spec"), "spec")
    _known(spec, "spec.", {"containers", "runtimeClassName"})
    runtime_class = _text(spec, "runtimeClassName", "spec")
    if runtime_class not in RUNTIME_CLASSES:
        raise InputError(
            "spec.runtimeClassName", got=runtime_class, want="kata-remote, casemate or none"
        )
    return _request(metadata, spec)


def pod_name(text: str) -> str:
    """Take a pod's name: a DNS label of at most 63 characters.

    Raises:
        InputError: anything else.
    """
    if not _NAME.fullmatch(text):
        raise InputError("pod name", got=text, want="a-z 0-9 - . and at most 63 characters")
    return text


def _request(metadata: Mapping[str, Any], spec: Mapping[str, Any]) -> PodRequest:
    annotations = _texts(metadata.get("annotations"), "metadata.annotations")
    packed = annotations.pop(INITDATA_ANNOTATION, "")
    wishes = {k: annotations.pop(f"{_CONFIG}{k}", "") for k in _WISHES}
    if strange := sorted(name for name in annotations if name.startswith(_CONFIG)):
        raise InputError(
            "metadata.annotations", got=strange[0], want=", ".join(("cc_init_data", *_WISHES))
        )
    containers = spec.get("containers")
    if not isinstance(containers, list) or not 1 <= len(containers) <= _MOST_CONTAINERS:
        raise InputError("spec.containers", got=containers, want=f"1 to {_MOST_CONTAINERS}")
    made = tuple(_container(c, f"spec.containers[{i}]") for i, c in enumerate(containers))
    if len({c.name for c in made}) != len(made):
        raise InputError("spec.containers", got="a name twice", want="names of their own")
    return PodRequest(
        name=pod_name(_text(metadata, "name", "metadata")),
        namespace=_text(metadata, "namespace", "metadata") or "default",
        containers=made,
        initdata=initdata.parse_annotation(packed) if packed else None,
        annotations=annotations,
        machine_type=wishes["machine_type"],
        vm_image=wishes["image"],
        vcpus=_number(wishes, "default_vcpus"),
        memory=_number(wishes, "default_memory"),
    )


_WISHES: Final = ("machine_type", "image", "default_vcpus", "default_memory")


def _container(value: Any, where: str) -> ContainerRequest:
    table = _table(value, where)
    fields = {"name", "image", "command", "args", "env", "workingDir", "securityContext"}
    _known(table, "container.", fields, shown=f"{where}.")
    command, arguments = _list(table, "command", where), _list(table, "args", where)
    if arguments and not command:
        raise InputError(
            f"{where}.args",
            got="args without command",
            want="both: only the guest knows the encrypted image's entry point",
        )
    security = _table(table.get("securityContext") or {}, f"{where}.securityContext")
    allowed = {"runAsUser", "runAsGroup", "readOnlyRootFilesystem"}
    _known(security, "securityContext.", allowed, shown=f"{where}.securityContext.")
    image = _text(table, "image", where)
    if not image:
        raise InputError(f"{where}.image", got="nothing", want="an image reference")
    return ContainerRequest(
        name=pod_name(_text(table, "name", where)),
        image=image,
        arguments=(*command, *arguments),
        environment=_environment(table.get("env"), f"{where}.env"),
        working_directory=_text(table, "workingDir", where),
        user=_whole(security, "runAsUser", where),
        group=_whole(security, "runAsGroup", where),
        read_only_root=security.get("readOnlyRootFilesystem") is True,
    )


def _environment(value: Any, where: str) -> dict[str, str]:
    entries = value or []
    if not isinstance(entries, list):
        raise InputError(where, got=type(entries).__name__, want="a list of name and value")
    made: dict[str, str] = {}
    for entry in entries:
        table = _table(entry, where)
        _known(table, "env.", {"name", "value"}, shown=f"{where}.")
        name = _text(table, "name", where)
        if not name or "=" in name:
            raise InputError(f"{where}.name", got=name, want="a name without =")
        made[name] = _text(table, "value", where)
    return made


def _yaml(text: bytes) -> Any:
    if len(text) > _LARGEST:
        raise InputError("pod.yaml", got=f"{len(text)} bytes", want="at most 1 MiB")
    try:
        loaded = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError("pod.yaml", got=error, want="one YAML document") from error
    return loaded


def _known(
    table: Mapping[str, Any], prefix: str, fields: set[str], *, shown: str | None = None
) -> None:
    for name in table:
        if name not in fields and f"{prefix}{name}" not in IGNORED:
            where = (prefix if shown is None else shown) + str(name)
            raise InputError(
                where, got="a field this runtime does not carry out", want=", ".join(sorted(fields))
            )


def _table(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InputError(where, got=type(value).__name__, want="a mapping")
    return value


def _text(table: Mapping[str, Any], name: str, where: str) -> str:
    value = table.get(name, "")
    if not isinstance(value, str):
        raise InputError(f"{where}.{name}", got=value, want="a text")
    return value


def _texts(value: Any, where: str) -> dict[str, str]:
    table = _table(value or {}, where)
    return {str(name): _text(table, name, where) for name in table}


def _list(table: Mapping[str, Any], name: str, where: str) -> list[str]:
    value = table.get(name) or []
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise InputError(f"{where}.{name}", got=value, want="a list of texts")
    return value


def _whole(table: Mapping[str, Any], name: str, where: str) -> int:
    value = table.get(name, 0)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 32:
        raise InputError(f"{where}.securityContext.{name}", got=value, want="a number of a user")
    return value


def _number(wishes: Mapping[str, str], name: str) -> int:
    text = wishes[name] or "0"
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise InputError(f"{_CONFIG}{name}", got=text, want="a whole number")
    return int(text)
