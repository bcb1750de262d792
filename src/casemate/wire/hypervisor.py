"""What a runtime wishes for in CreateVM: the annotations of the remote-hypervisor service.

Numbers and names are upstream's (runtime.md §4). All keys are always present, and may be empty.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from casemate.errors import InputError

SERVICE: Final = "hypervisor.Hypervisor"
INFO_SERVICE: Final = "podvminfo.PodVMInfo"
VERSION: Final = "0.0.0"
"""Version of the service, as upstream's adaptor answers it."""

_CONFIG: Final = "io.katacontainers.config.hypervisor."
INITDATA_ANNOTATION: Final = f"{_CONFIG}cc_init_data"
"""Also the pod's own annotation, there base64 of gzip; here it is the TOML itself."""

_NAME: Final = "io.kubernetes.cri.sandbox-name"
_NAMESPACE: Final = "io.kubernetes.cri.sandbox-namespace"
_LARGEST_INITDATA: Final = 1 << 20  # bytes


class VmWishes(msgspec.Struct, frozen=True, kw_only=True):
    """One pod's wishes; 0 or empty means none."""

    pod: str
    namespace: str = "default"
    machine_type: str = ""
    image: str = ""
    vcpus: int = 0
    memory: int = 0
    """MiB."""
    gpus: int = 0
    gpu_model: str = ""
    initdata: bytes = b""
    """The TOML text, exactly as the owner made it."""


def encode(wishes: VmWishes) -> dict[str, str]:
    """Write the annotations."""
    return {
        _NAME: wishes.pod,
        _NAMESPACE: wishes.namespace,
        f"{_CONFIG}machine_type": wishes.machine_type,
        f"{_CONFIG}image": wishes.image,
        f"{_CONFIG}default_vcpus": str(wishes.vcpus),
        f"{_CONFIG}default_memory": str(wishes.memory),
        f"{_CONFIG}default_gpus": str(wishes.gpus),
        f"{_CONFIG}default_gpu_model": wishes.gpu_model,
        INITDATA_ANNOTATION: wishes.initdata.decode(),
    }


def parse(annotations: Mapping[str, str]) -> VmWishes:
    """Read the annotations; absent ones are empty, unknown ones are other providers' business.

    Raises:
        InputError: a number that is none, or more than 1 MiB of initdata.
    """
    initdata = annotations.get(INITDATA_ANNOTATION, "").encode()
    if len(initdata) > _LARGEST_INITDATA:
        raise InputError("initdata", got=f"{len(initdata)} bytes", want="at most 1 MiB")
    return VmWishes(
        pod=annotations.get(_NAME, ""),
        namespace=annotations.get(_NAMESPACE, ""),
        machine_type=annotations.get(f"{_CONFIG}machine_type", ""),
        image=annotations.get(f"{_CONFIG}image", ""),
        vcpus=_number(annotations, "default_vcpus"),
        memory=_number(annotations, "default_memory"),
        gpus=_number(annotations, "default_gpus"),
        gpu_model=annotations.get(f"{_CONFIG}default_gpu_model", ""),
        initdata=initdata,
    )


def _number(annotations: Mapping[str, str], name: str) -> int:
    text = annotations.get(f"{_CONFIG}{name}", "") or "0"
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise InputError(f"annotation {_CONFIG}{name}", got=text, want="a whole number")
    return int(text)
