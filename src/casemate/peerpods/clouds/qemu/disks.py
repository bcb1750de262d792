"""The files of one VM: its firmware variables, user data, scratch space, TPM state."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from casemate.errors import HostError
from casemate.peerpods.image import VmImage
from casemate.wire import userdata

ROOM: Final = 256 << 20
"""Bytes that must be free where VMs live, beyond what is written at once: scratch space grows."""


class VmFiles(msgspec.Struct, frozen=True, kw_only=True):
    """Paths below one VM's private folder (mode 0700)."""

    folder: Path
    firmware_variables: Path
    user_data: Path
    scratch: Path
    tpm: Path


def make(
    folder: Path,
    image: VmImage,
    user_data: Mapping[str, bytes],
    *,
    scratch_mib: int,
    room: int = ROOM,
) -> VmFiles:
    """Make the files of a VM. Scratch space is sparse: it costs what the guest writes.

    ``room`` is how many bytes must be free.

    Raises:
        InputError: user data that does not fit.
        HostError: no room on the disk, or a part of the image is missing.
    """
    files = VmFiles(
        folder=folder,
        firmware_variables=folder / "variables.fd",
        user_data=folder / "userdata.img",
        scratch=folder / "scratch.img",
        tpm=folder / "tpm",
    )
    disk = userdata.encode(user_data)
    _verify_present(image)
    try:
        folder.mkdir(mode=0o700, parents=True)
        _verify_room(folder, room)
        files.tpm.mkdir(mode=0o700)
        shutil.copyfile(image.firmware_variables, files.firmware_variables)
        files.user_data.write_bytes(disk)
        with files.scratch.open("wb") as scratch:
            os.truncate(scratch.fileno(), scratch_mib << 20)
    except OSError as error:
        remove(folder)  # a file in the way stays: it is not ours
        raise HostError(
            str(folder),
            got=error.strerror or error,
            want="room for a VM's files",
            remedy="Free some space, or give another folder with --state.",
        ) from error
    except HostError:
        remove(folder)
        raise
    return files


def remove(folder: Path) -> None:
    """Remove a VM's files; what is gone already is no error."""
    shutil.rmtree(folder, ignore_errors=True)


def _verify_room(folder: Path, room: int) -> None:
    found = os.statvfs(folder)
    free = found.f_bavail * found.f_frsize
    if free < room:
        raise HostError(
            str(folder),
            got=f"{free >> 20} MiB free",
            want=f"at least {room >> 20} MiB for a VM's disks",
            remedy="Free some space, or give another folder with --state.",
        )


def _verify_present(image: VmImage) -> None:
    for part in (image.firmware_code, image.firmware_variables):
        if not part.is_file():
            raise HostError(
                str(part), got="no file", want="UEFI firmware", remedy="apt-get install ovmf"
            )
    for part in (image.uki, image.root):
        if not part.is_file():
            raise HostError(
                str(part), got="no file", want="a built image", remedy="casemate podvm build"
            )
