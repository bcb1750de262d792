"""What the adaptor asks of a cloud (runtime.md §10.1), as a protocol that every cloud fulfils."""

from collections.abc import Mapping
from typing import Protocol

import msgspec

from casemate.errors import CasemateError


class InstanceSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Wishes for one VM; 0 or an empty text leaves the choice to the provider."""

    vcpus: int = 0
    memory: int = 0
    """MiB."""
    image: str = ""
    machine_type: str = ""


class Instance(msgspec.Struct, frozen=True, kw_only=True):
    """A VM that was made. ``host`` and ``port`` are where its forwarder can be reached."""

    id: str
    name: str
    host: str
    port: int


class Provider(Protocol):
    """One cloud. Every method may be called for several VMs at the same time."""

    async def create_instance(
        self, *, name: str, sandbox: str, user_data: Mapping[str, bytes], spec: InstanceSpec
    ) -> Instance:
        """Make and start a VM; ``user_data`` maps guest paths to content (``wire.userdata``).

        Raises:
            InputError: a wish that cannot be met.
            HostError, PeerError: the VM cannot be made; nothing is left of it.
        """
        ...

    async def announced(self, instance: str) -> None:
        """Return when the VM says that it is ready; at once where a cloud cannot tell."""
        ...

    async def failure(self, instance: str) -> CasemateError:
        """Return once the VM has failed: its refusal, or how it ended. Else wait for ever."""
        ...

    async def delete_instance(self, instance: str) -> None:
        """End a VM and everything that belongs to it; a VM that is gone is no error."""
        ...

    async def teardown(self) -> None:
        """End every VM of this provider."""
        ...
