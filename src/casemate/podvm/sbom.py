"""Bill of materials of an image, as SPDX 2.3 JSON: packages, wheels, our own code, with digests."""

import re
from collections.abc import Iterable
from importlib.metadata import version
from typing import Any, Final

import msgspec

from casemate.podvm.sources import Source

_EPOCH: Final = "1970-01-01T00:00:00Z"
"""A bill that tells its own time would make two equal builds differ."""


def compose(
    *, key: str, debian: Iterable[Source], wheels: Iterable[Source], code_digest: str
) -> bytes:
    """Write the bill.

    Args:
        key: the image's content key; names the document.
        debian: Debian packages of which files are inside, or which the build used.
        wheels: Python packages inside.
        code_digest: SHA-256 over our own modules inside, hex.
    """
    packages = [
        *(_package(source, f"pkg:deb/debian/{source.name}@{source.version}?arch=amd64")
          for source in debian),
        *(_package(source, f"pkg:pypi/{source.name}@{source.version}") for source in wheels),
        _entry("casemate-guest", version("casemate"), code_digest, "pkg:pypi/casemate"),
    ]  # fmt: skip
    return msgspec.json.format(msgspec.json.encode(_document(key, packages)), indent=1)


def _document(key: str, packages: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": "casemate-podvm",
        "documentNamespace": f"urn:casemate:podvm:{key}",
        "creationInfo": {"created": _EPOCH, "creators": ["Tool: casemate-podvm"]},
        "packages": packages,
        "relationships": [
            {
                "spdxElementId": "SPDXRef-DOCUMENT",
                "relationshipType": "DESCRIBES",
                "relatedSpdxElement": package["SPDXID"],
            }
            for package in packages
        ],
    }


def _package(source: Source, locator: str) -> dict[str, Any]:
    return _entry(source.name, source.version, source.sha256, locator)


def _entry(name: str, number: str, digest: str, locator: str) -> dict[str, Any]:
    identifier = re.sub(r"[^A-Za-z0-9.-]", "-", f"{locator.partition(':')[2]}")
    return {
        "SPDXID": f"SPDXRef-{identifier}",
        "name": name,
        "versionInfo": number,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
        "checksums": [{"algorithm": "SHA256", "checksumValue": digest}],
        "externalRefs": [
            {
                "referenceCategory": "PACKAGE-MANAGER",
                "referenceType": "purl",
                "referenceLocator": locator,
            }
        ],
    }
