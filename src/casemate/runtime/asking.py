"""From what a person asks on the command line to one pod: the sandbox code sees no difference."""

import re
from pathlib import Path
from typing import Final

import msgspec

from casemate.errors import InputError
from casemate.runtime import manifest
from casemate.runtime.request import ContainerRequest, PodRequest
from casemate.wire import initdata
from casemate.wire.initdata import Initdata

POLICY: Final = "policy.rego"
_LARGEST: Final = 4 << 20


class Wishes(msgspec.Struct, frozen=True, kw_only=True):
    """The options of ``casemate pod run``. Either ``image`` or ``file`` says what to run."""

    image: str = ""
    arguments: tuple[str, ...] = ()
    file: Path | None = None
    initdata: Path | None = None
    policy: Path | None = None
    environment: tuple[str, ...] = ()
    """Entries ``K=V``."""
    name: str = ""
    podvm: Path | None = None
    memory: int = 0
    vcpus: int = 0


def request(wishes: Wishes) -> PodRequest:
    """Read every file and make the pod's request.

    Raises:
        InputError: an option or a file that cannot be meant.
    """
    pod = _from_manifest(wishes) if wishes.file is not None else _from_image(wishes)
    return msgspec.structs.replace(
        pod,
        initdata=_initdata(wishes, pod.initdata),
        vm_image=str(wishes.podvm) if wishes.podvm else pod.vm_image,
        memory=wishes.memory or pod.memory,
        vcpus=wishes.vcpus or pod.vcpus,
    )


def _from_manifest(wishes: Wishes) -> PodRequest:
    if wishes.image or wishes.arguments or wishes.environment:
        raise InputError("casemate pod run", got="a file and an image", want="one of the two")
    if wishes.file is None:
        raise InputError("casemate pod run", got="nothing", want="an image, or -f pod.yaml")
    pod = manifest.parse(_read(wishes.file))
    name = manifest.pod_name(wishes.name) if wishes.name else pod.name
    return msgspec.structs.replace(pod, name=name)


def _from_image(wishes: Wishes) -> PodRequest:
    if not wishes.image:
        raise InputError("casemate pod run", got="nothing", want="an image, or -f pod.yaml")
    name = manifest.pod_name(wishes.name) if wishes.name else _name(wishes.image)
    container = ContainerRequest(
        name=name,
        image=wishes.image,
        arguments=wishes.arguments,
        environment=dict(_variable(entry) for entry in wishes.environment),
    )
    return PodRequest(name=name, containers=(container,))


def _initdata(wishes: Wishes, own: Initdata | None) -> Initdata | None:
    """Take the manifest's own initdata, else the file's; a policy replaces the one in it."""
    given = own
    if own is None and wishes.initdata is not None:
        given = initdata.parse(_read(wishes.initdata))
    if wishes.policy is None:
        return given
    try:
        policy = _read(wishes.policy).decode()
    except UnicodeDecodeError as error:
        raise InputError(str(wishes.policy), got="no text", want="Rego in UTF-8") from error
    files = dict(given.data) if given else {}
    return initdata.build(files | {POLICY: policy})


def _name(image: str) -> str:
    """Name a pod after its image: the last part of its path, without tag or digest."""
    last = re.split(r"[:@]", image.rpartition("/")[2])[0].lower()
    return re.sub(r"[^a-z0-9-]+", "-", last).strip("-")[:40] or "pod"


def _variable(entry: str) -> tuple[str, str]:
    name, equals, value = entry.partition("=")
    if not equals or not name:
        raise InputError("--env", got=entry, want="K=V")
    return name, value


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            content = opened.read(_LARGEST + 1)
    except OSError as error:
        raise InputError(str(file), got=error.strerror or error, want="a readable file") from error
    if len(content) > _LARGEST:
        raise InputError(str(file), got="more than 4 MiB", want="at most 4 MiB")
    return content
