"""What differs between two images, in words a person can use."""

from pathlib import Path

import msgspec

from casemate.errors import MALFORMED_JSON, InputError
from casemate.podvm import image
from casemate.podvm.image import PodVmImage


class Difference(msgspec.Struct, frozen=True):
    """One thing that two images do not share."""

    what: str
    left: str
    right: str


class _Checksum(msgspec.Struct):
    value: str = msgspec.field(name="checksumValue")


class _Package(msgspec.Struct):
    name: str
    checksums: list[_Checksum]
    number: str = msgspec.field(name="versionInfo")


class _Bill(msgspec.Struct):
    packages: list[_Package]


def compare(left: PodVmImage, right: PodVmImage) -> list[Difference]:
    """List what differs: inputs first, then what follows from them."""
    found = [
        *_differences("", _facts(left), _facts(right)),
        *_differences("package ", _packages(left.sbom), _packages(right.sbom)),
        *_differences("", _registers(left), _registers(right)),
    ]
    return [difference for difference in found if difference.left != difference.right]


def _facts(one: PodVmImage) -> dict[str, str]:
    manifest = one.manifest
    return {
        "variant": manifest.variant,
        "kernel": manifest.kernel,
        "firmware": manifest.firmware.code_sha256,
        "command line": manifest.command_line,
        "root hash": manifest.root_hash,
        "kernel image": manifest.files[image.UKI].sha256,
    }


def _registers(one: PodVmImage) -> dict[str, str]:
    return {f"pcr{number:02}": value for number, value in sorted(one.measurements.items())}


def _differences(prefix: str, left: dict[str, str], right: dict[str, str]) -> list[Difference]:
    names = [*left, *(name for name in right if name not in left)]
    return [Difference(prefix + n, left.get(n, "absent"), right.get(n, "absent")) for n in names]


def _packages(sbom: Path) -> dict[str, str]:
    try:
        bill = msgspec.json.decode(sbom.read_bytes(), type=_Bill)
        return {p.name: f"{p.number} sha256:{p.checksums[0].value[:12]}" for p in bill.packages}
    except (LookupError, *MALFORMED_JSON) as error:
        raise InputError(str(sbom), got=error, want="a bill of materials, SPDX 2.3") from error
