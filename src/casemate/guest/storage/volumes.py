"""Secure mounts of block devices: LUKS2, opened or made with a key of the pod's owner (§12.1)."""

import asyncio
import os
import re
import shlex
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from casemate.crypto import base64url
from casemate.errors import HostError, InputError
from casemate.guest.storage import filesystem, luks_header
from casemate.linux import block
from casemate.linux.process import run_async
from casemate.secret import Secret

HEADERS: Final = Path("/run/confidential-containers/cdh/luks-headers")
"""Headers of volumes we make are kept here, so that the host cannot put an old one back."""

_HEADER_SIZE: Final = 16 << 20
_LONGEST: Final = 300.0
_RANDOM_KEY: Final = 4096
_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,100}")
_FLAGS: Final = frozenset({"ro", "rw", "nosuid", "nodev", "noexec", "noatime", "relatime"})
_ENVIRONMENT: Final = {"DM_DISABLE_UDEV": "1"}

FetchKey = Callable[[str], Awaitable[Secret]]
"""Gives the key that ``kbs://``, ``file://`` or a sealed secret names."""


class BlockDevice(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True
):
    """Options of volume type ``block-device``."""

    device_id: str = ""
    device_path: str = ""
    source_type: str = "empty"
    target_type: str = "fileSystem"
    key: str = ""
    encryption_type: str = "luks2"
    filesystem_type: str = "ext4"
    mkfs_opts: str = ""
    data_integrity: str = "false"
    mapper_name: str = ""


class SecureMounts:
    """Mounts volumes; ``fetch_key`` asks the data hub for an owner's key."""

    def __init__(self, fetch_key: FetchKey, *, headers: Path = HEADERS) -> None:
        self._fetch_key = fetch_key
        self._headers = headers

    async def mount(
        self,
        volume_type: str,
        options: Mapping[str, str],
        flags: Sequence[str],
        mount_point: Path,
    ) -> None:
        """Mount a volume at ``mount_point``; ``flags`` are mount flags such as ``ro``.

        Raises:
            InputError: an unknown type, option or flag.
            VerificationError: the key is refused, or the header is weaker than one of ours.
            HostError: the device, cryptsetup or the kernel fails; a wrong key too.
        """
        if volume_type != "block-device":
            raise InputError("SecureMount", got=volume_type, want="block-device")
        wanted = parse(options)
        if unknown := set(flags) - _FLAGS:
            raise InputError("SecureMount flags", got=min(unknown), want=", ".join(sorted(_FLAGS)))
        device = _device(wanted)
        name = wanted.mapper_name or _name()
        key = await self._key(wanted)
        header: Path | None = None
        try:
            header = await self._header(wanted, device)
            await _open(wanted, device, name, header, key)
            await _show(wanted, Path("/dev/mapper") / name, mount_point, flags)
        except BaseException:
            await _take_back(name, header)
            raise
        finally:
            key.wipe()

    async def _key(self, wanted: BlockDevice) -> Secret:
        if wanted.key:
            return await self._fetch_key(wanted.key)
        if wanted.source_type == "empty":
            return Secret(os.urandom(_RANDOM_KEY))
        raise InputError("SecureMount", got="no key", want="the key of an encrypted volume")

    async def _header(self, wanted: BlockDevice, device: Path) -> Path:
        """The header to open with, out of the host's reach: a new one, or a copy found sound."""
        if wanted.source_type == "empty":
            return self._make_header(device)
        file = self._headers / f"{_name()}.header"
        try:
            await asyncio.to_thread(luks_header.copy, device, file)
            metadata = await _cryptsetup(["luksDump", "--dump-json-metadata", str(file)])
            luks_header.require_sound(metadata, integrity=wanted.data_integrity == "true")
        except BaseException:
            _forget(file)
            raise
        return file

    def _make_header(self, device: Path) -> Path:
        name = base64url.encode(str(device).encode())
        file = self._headers / f"{name}.header"
        try:
            self._headers.mkdir(parents=True, exist_ok=True, mode=0o700)
            with file.open("xb") as header:
                header.truncate(_HEADER_SIZE)
        except OSError as error:
            raise HostError(f"header for {device}", got=error, want="a device used once") from error
        return file


def _name() -> str:
    """A name that nothing else has."""
    return os.urandom(16).hex()


def parse(options: Mapping[str, str]) -> BlockDevice:
    """Read the options of a volume.

    Raises:
        InputError: an unknown option, or a value that is not one of its own.
    """
    try:
        wanted = msgspec.convert(dict(options), BlockDevice)
    except msgspec.ValidationError as error:
        raise InputError("SecureMount options", got=error, want="those of §12.1") from error
    for name, value, allowed in (
        ("sourceType", wanted.source_type, ("empty", "encrypted")),
        ("targetType", wanted.target_type, ("fileSystem", "device")),
        ("encryptionType", wanted.encryption_type, ("luks2",)),
        ("filesystemType", wanted.filesystem_type, ("ext4",)),
        ("dataIntegrity", wanted.data_integrity, ("true", "false")),
    ):
        if value not in allowed:
            raise InputError(f"SecureMount {name}", got=value, want=" or ".join(allowed))
    if wanted.mapper_name and _NAME.fullmatch(wanted.mapper_name) is None:
        raise InputError("SecureMount mapperName", got=wanted.mapper_name, want="a plain name")
    return wanted


def format_arguments(wanted: BlockDevice, device: Path, header: Sequence[str]) -> list[str]:
    """Plan ``cryptsetup luksFormat``; the key comes on standard input, never here."""
    integrity = ["--integrity", "hmac-sha256", "--integrity-no-wipe", "--integrity-no-journal"]
    return [
        *("luksFormat", "--batch-mode", "--type", "luks2", "--cipher", "aes-xts-plain64"),
        *("--sector-size", "4096", "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"),
        *(integrity if wanted.data_integrity == "true" else ()),
        *header,
        str(device),
    ]


async def _open(wanted: BlockDevice, device: Path, name: str, header: Path, key: Secret) -> None:
    """Open the volume under ``name`` by ``header`` alone; an empty one is made first."""
    detached = ["--header", str(header)]
    if wanted.source_type == "empty":
        await _cryptsetup(format_arguments(wanted, device, detached), key)
    await _cryptsetup(["open", "--type", "luks2", *detached, str(device), name], key)
    if wanted.source_type == "encrypted":
        _forget(header)  # our copy: the kernel has what it needs


async def _show(wanted: BlockDevice, mapped: Path, mount_point: Path, flags: Sequence[str]) -> None:
    if wanted.target_type == "device":
        _link(mount_point, mapped)
        return
    if wanted.source_type == "empty":
        await asyncio.to_thread(filesystem.make_ext4, mapped, shlex.split(wanted.mkfs_opts))
    await asyncio.to_thread(filesystem.mount_ext4, mapped, mount_point, ("nodev", *flags))


async def _take_back(name: str, header: Path | None) -> None:
    """Leave nothing of a volume that could not be mounted."""
    if header is not None:
        _forget(header)
    await run_async(["cryptsetup", "close", name], timeout=_LONGEST, env=_ENVIRONMENT, check=False)


def _forget(header: Path) -> None:
    header.unlink(missing_ok=True)


def _link(place: Path, device: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(device)


def _device(wanted: BlockDevice) -> Path:
    if wanted.device_id:
        return block.by_number(wanted.device_id)
    device = Path(wanted.device_path)
    if not wanted.device_path.startswith("/dev/") or ".." in device.parts:
        raise InputError("SecureMount devicePath", got=wanted.device_path, want="/dev/...")
    return device


async def _cryptsetup(arguments: Sequence[str], key: Secret | None = None) -> bytes:
    """Run cryptsetup, with ``key`` on its standard input; give what it prints."""
    fed = [] if key is None else ["--key-file", "-"]
    done = await run_async(
        ["cryptsetup", *fed, *arguments],
        input=None if key is None else key.reveal(),
        timeout=_LONGEST,
        env=_ENVIRONMENT,
    )
    return done.stdout
