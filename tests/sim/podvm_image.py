"""A small image folder: a manifest and files it names, with nothing to boot."""

from pathlib import Path

import msgspec

from casemate.podvm import image
from casemate.podvm.image import Firmware, Manifest
from casemate.podvm.recipe import Variant

BILL = {
    "packages": [
        {"name": "crun", "versionInfo": "1.8", "checksums": [{"checksumValue": "ab" * 32}]}
    ]
}


def small_image(
    folder: Path,
    *,
    root: bytes = b"root",
    variant: Variant = Variant.PRODUCTION,
    uki: bytes = b"kernel image",
) -> Path:
    """Make an image folder with the given root disk; give the folder."""
    folder.mkdir(parents=True)
    registers = {"4": "04" * 32, "11": "11" * 32}
    contents = {
        image.UKI: uki,
        image.ROOT: root,
        image.MEASUREMENTS: msgspec.json.encode(registers),
        image.REFERENCE_VALUES: b"{}",
        image.SBOM: msgspec.json.encode(BILL),
    }
    for name, data in contents.items():
        (folder / name).write_bytes(data)
    manifest = Manifest(
        variant=variant,
        key="00" * 32,
        root_hash="0a" * 32,
        kernel="6.1.0",
        command_line="quiet",
        firmware=Firmware(code="/code", code_sha256="c0", vars="/vars", vars_sha256="d0"),
        files={name: image.describe(folder / name) for name in contents},
    )
    (folder / image.MANIFEST).write_bytes(msgspec.json.encode(manifest))
    return folder
