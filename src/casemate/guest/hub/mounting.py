"""Volumes mounted with keys that documents hold; loaded at the first one, since few pods do."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from casemate.guest.hub.documents import Documents
from casemate.secret import Secret

SecureMount: TypeAlias = Callable[[str, Mapping[str, str], Sequence[str], Path], Awaitable[None]]
"""Mounts a volume: type, options, flags, mount point."""


def secure_mounts(documents: Documents) -> SecureMount:
    """Give what mounts a volume, with a key from ``documents``."""

    async def fetch(place: str) -> Secret:
        return Secret(await documents.fetch(place))

    async def secure_mount(
        kind: str, options: Mapping[str, str], flags: Sequence[str], mount_point: Path
    ) -> None:
        from casemate.guest import machine
        from casemate.guest.storage.volumes import SecureMounts

        for modules in (machine.SCRATCH_MODULES, machine.VOLUME_MODULES):
            machine.load_modules(modules)
        await SecureMounts(fetch).mount(kind, options, flags, mount_point)

    return secure_mount
