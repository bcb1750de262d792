"""One pod as it is asked for: what the runtime needs to know, whoever asked."""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from casemate.wire.initdata import Initdata


class ContainerRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One container. Empty arguments leave the image's entry point; the guest resolves it."""

    name: str
    image: str
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] = MappingProxyType({})
    working_directory: str = ""
    user: int = 0
    group: int = 0
    read_only_root: bool = False


class PodRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One pod; its containers share the VM."""

    name: str
    namespace: str = "default"
    containers: tuple[ContainerRequest, ...]
    initdata: Initdata | None = None
    annotations: Mapping[str, str] = MappingProxyType({})
    """The pod's own, without initdata: they go to the guest's policy."""
    machine_type: str = ""
    vm_image: str = ""
    vcpus: int = 0
    memory: int = 0
    """MiB; 0 leaves it to the adaptor."""
