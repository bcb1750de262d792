"""The table of clouds. Adding one is adding a room below ``clouds/`` and a line here."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from casemate.crypto.authority import CertificateAuthority
from casemate.errors import InputError
from casemate.peerpods.image import FindImage
from casemate.peerpods.provider import Provider

Make = Callable[..., Provider]


def _qemu(
    settings: Mapping[str, Any],
    *,
    authority: CertificateAuthority,
    find_image: FindImage,
    cache: Path,
    tasks: asyncio.TaskGroup,
) -> Provider:
    from casemate.peerpods.clouds.qemu.provider import QemuProvider, QemuSettings

    chosen = QemuSettings(
        pods=Path(settings["pods"]),
        accel=settings["qemu.accel"],
        vcpus=settings["qemu.vcpus"],
        memory=settings["qemu.memory"],
        scratch=settings["qemu.scratch"],
        cache=cache,
    )
    return QemuProvider(chosen, authority=authority, find_image=find_image, tasks=tasks)


PROVIDERS: Final[Mapping[str, Make]] = {"qemu": _qemu}


def make(name: str, settings: Mapping[str, Any], **parts: Any) -> Provider:
    """Make the provider of that name from the adaptor's settings.

    Raises:
        InputError: no such provider.
    """
    if name not in PROVIDERS:
        raise InputError("provider", got=name, want=", ".join(PROVIDERS))
    return PROVIDERS[name](settings, **parts)
