"""What a pulled image says of its process, as the OCI runtime document of its bundle (§13.2)."""

from pathlib import Path
from typing import Any, Final

import msgspec

from casemate.errors import HostError, InputError
from casemate.oci.manifest import ImageConfig

_NAME: Final = "config.json"
_HOSTNAME: Final = "image-rs"


def runtime_document(config: ImageConfig) -> bytes:
    """Make the document. The user stays a name: who that is, only the root file system knows."""
    process = config.process
    document: dict[str, Any] = {
        "ociVersion": "1.0.2",
        "process": {
            "user": {"uid": 0, "gid": 0, "username": process.user},
            "args": config.arguments,
            "env": process.env or (),
            "cwd": process.working_dir or "/",
        },
        "root": {"path": "rootfs"},
        "hostname": _HOSTNAME,
    }
    return msgspec.json.encode(document)


def write(bundle: Path, config: ImageConfig) -> None:
    """Write the document into ``bundle``, which is made if need be and has none yet.

    Raises:
        InputError: there is one already.
        HostError: the bundle cannot be written to.
    """
    try:
        bundle.mkdir(parents=True, exist_ok=True)
        with (bundle / _NAME).open("xb") as file:
            file.write(runtime_document(config))
    except FileExistsError as error:
        raise InputError(str(bundle), got=f"a {_NAME}", want="a bundle without one") from error
    except OSError as error:
        raise HostError(str(bundle), got=str(error), want="a folder to write to") from error
