"""What the host hands in before the network: user data and, in it, the pod's initdata (§8.1, §11).

The host chooses all of it; only the initdata is bound to the TEE, so only the initdata may decide
anything that matters. The vault binds it (vault.py) before any network is used.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from casemate.errors import HostError, InputError
from casemate.guest.console import Console
from casemate.linux import block
from casemate.trace import Station
from casemate.wire import forwarder, initdata, userdata
from casemate.wire.forwarder import ForwarderConfig
from casemate.wire.initdata import Initdata

SERIAL: Final = "userdata"
"""Serial of the virtio disk that carries the user data."""

_LARGEST_DISK: Final = 2 << 20
_UNPACKED: Final = ("aa.toml", "cdh.toml", "policy.rego")
_PEERPOD: Final = Path("run/peerpod")
_AGENT: Final = Path("run/confidential-containers/initdata")


class Provision(msgspec.Struct, frozen=True, kw_only=True):
    """What this pod VM was given."""

    forwarder: ForwarderConfig
    initdata: Initdata | None
    scratch: bool
    """The adaptor promised a scratch disk."""


def receive(console: Console) -> tuple[Provision, Mapping[str, bytes]]:
    """Read what we were given: what it means, and the files to ``write``; nothing is bound yet.

    Raises:
        CasemateError: the pod cannot be what it must be.
    """
    console.begin(Station.INITDATA)
    return parse(read_disk())


def read_disk() -> bytes:
    """Read the user-data disk.

    Raises:
        HostError: there is none, or it cannot be read.
    """
    device = block.find_by_serial(SERIAL)
    if device is None:
        raise HostError(
            "user data",
            got="no disk with serial userdata",
            want="the adaptor's user-data disk",
            spec="runtime.md §8.1",
        )
    return block.read(device, _LARGEST_DISK)


def parse(disk: bytes) -> tuple[Provision, Mapping[str, bytes]]:
    """Read the disk into what it means, and the files as they came.

    Raises:
        PeerError: not a user-data disk, or no forwarder configuration in it.
        InputError: the initdata is no initdata.
    """
    files = userdata.parse(disk)
    encoded = files.get(userdata.INITDATA)
    provision = Provision(
        forwarder=forwarder.parse(files.get(userdata.APF, b"")),
        initdata=None if encoded is None else initdata.parse_annotation(_text(encoded)),
        scratch=userdata.SCRATCH_SPACE in files,
    )
    return provision, files


def write(provision: Provision, files: Mapping[str, bytes], *, root: Path = Path("/")) -> None:
    """Write the files where upstream's components look for them, for our eyes only (0600)."""
    for path, content in files.items():
        if path in userdata.HONOURED:
            _write(root / path.lstrip("/"), content)
    document = provision.initdata
    if document is None:
        return
    _write(root / _PEERPOD / "initdata.digest", document.digest.hex.encode())
    _write(root / _AGENT / "initdata.toml", document.raw)
    for name in _UNPACKED:
        if (text := document.data.get(name)) is not None:
            _write(root / _PEERPOD / name, text.encode())
            _write(root / _AGENT / name, text.encode())


def _text(encoded: bytes) -> str:
    try:
        return encoded.decode("ascii")
    except UnicodeDecodeError as error:
        raise InputError("initdata", got="no ASCII text", want="base64 of gzip") from error


def _write(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb") as out:  # noqa: PTH123  # a descriptor has no path
        out.write(content)
