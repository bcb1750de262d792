"""A built image: a folder whose manifest names every file with its digest."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from casemate import files
from casemate.crypto.digest import sha256
from casemate.errors import MALFORMED_JSON, InputError, Refusal, VerificationError
from casemate.podvm.recipe import Variant

MANIFEST: Final = "manifest.json"
UKI: Final = "uki.efi"
ROOT: Final = "root.img"
MEASUREMENTS: Final = "measurements.json"
REFERENCE_VALUES: Final = "reference-values.json"
SBOM: Final = "sbom.spdx.json"
FILES: Final = (UKI, ROOT, MEASUREMENTS, REFERENCE_VALUES, SBOM)

_LARGEST_MANIFEST: Final = 1 << 20
_Kind = TypeVar("_Kind")


class FileFacts(msgspec.Struct, frozen=True):
    """One file of an image: ``size`` in bytes, ``sha256`` in lower-case hex."""

    size: int
    sha256: str


class Firmware(msgspec.Struct, frozen=True, kw_only=True):
    """The firmware that the predicted measurements hold for."""

    code: str
    """Path on the machine that built the image."""
    code_sha256: str
    vars: str
    vars_sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an image folder says of itself."""

    variant: Variant
    key: str
    """Digest of all inputs: the same key means the same bytes."""
    root_hash: str
    kernel: str
    command_line: str
    firmware: Firmware
    files: dict[str, FileFacts]


@dataclass(frozen=True, slots=True, kw_only=True)
class PodVmImage:
    """An image whose files have been found to match its manifest."""

    folder: Path
    manifest: Manifest
    measurements: Mapping[int, str]
    """Predicted PCR values by number, lower-case hex (SHA-256)."""

    @property
    def uki(self) -> Path:
        return self.folder / UKI

    @property
    def root(self) -> Path:
        return self.folder / ROOT

    @property
    def root_hash(self) -> bytes:
        """dm-verity root hash, 32 bytes."""
        return bytes.fromhex(self.manifest.root_hash)

    @property
    def variant(self) -> Variant:
        return self.manifest.variant

    @property
    def key(self) -> str:
        return self.manifest.key

    @property
    def firmware_code(self) -> Path:
        return Path(self.manifest.firmware.code)

    @property
    def firmware_vars(self) -> Path:
        return Path(self.manifest.firmware.vars)

    @property
    def reference_values(self) -> Path:
        """Payload for the reference value provider, type ``sample``."""
        return self.folder / REFERENCE_VALUES

    @property
    def sbom(self) -> Path:
        return self.folder / SBOM

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(facts.size for facts in self.manifest.files.values())


def load(folder: Path) -> PodVmImage:
    """Open an image folder, comparing each file with the manifest.

    Raises:
        InputError: it is no image folder.
        VerificationError: a file is missing or is not the one that was built.
    """
    manifest = read_manifest(folder)
    for name in FILES:
        _require_same(folder, name, manifest.files.get(name))
    measurements = _decode(folder, MEASUREMENTS, dict[int, str])
    return PodVmImage(folder=folder, manifest=manifest, measurements=measurements)


def read_manifest(folder: Path) -> Manifest:
    """Read what a folder says of itself; nothing is compared.

    Raises:
        InputError: there is no manifest, or it is malformed.
    """
    return _decode(folder, MANIFEST, Manifest)


def _decode(folder: Path, name: str, kind: type[_Kind]) -> _Kind:
    try:
        raw = files.read(folder / name, largest=_LARGEST_MANIFEST)
        return msgspec.json.decode(raw, type=kind)
    except (InputError, *MALFORMED_JSON) as error:
        got = f"{name}: {error.got}" if isinstance(error, InputError) else error
        raise InputError(
            str(folder), got=got, want="a pod VM image", remedy="Make one: casemate podvm build"
        ) from error


def describe(file: Path) -> FileFacts:
    """Measure one file."""
    data = file.read_bytes()
    return FileFacts(len(data), sha256(data).hex)


def _require_same(folder: Path, name: str, expected: FileFacts | None) -> None:
    file = folder / name
    got = describe(file) if file.is_file() else None
    if got != expected or got is None:
        raise VerificationError(
            Refusal(
                step="podvm image",
                claim=str(file),
                got=f"sha256:{got.sha256}" if got else "no such file",
                expected=f"sha256:{expected.sha256}" if expected else "a file the manifest names",
                rule="digests in the image's manifest.json",
                remedy="Take a fresh copy of the image, or build it again: casemate podvm build",
            )
        )
