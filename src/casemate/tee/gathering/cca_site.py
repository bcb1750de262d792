"""Upstream's configuration of the CCA verifier, and the files that it names, read from disk.

A path in it that is relative is so to the configuration's own folder. What is read counts for CCA
alone: the authority of a web server is no root of hardware.
"""

from pathlib import Path
from typing import NamedTuple

import msgspec

from casemate.errors import HostError, InputError
from casemate.tee.cca.configuration import Local, parse, require_meant
from casemate.tee.cca.options import CcaOptions
from casemate.tee.cca.report import TEE
from casemate.tee.evidence import Inputs
from casemate.tee.material import LARGEST_FILE, Material


class CcaSite(NamedTuple):
    """What a configuration says."""

    options: dict[str, str]
    """Options of the TEE, as written."""
    stores: Material = Material()

    def added_to(self, inputs: Inputs) -> Inputs:
        """Add stores and options; the configuration's options win over others of those names.

        Raises:
            InputError: they cannot be meant.
        """
        own = inputs.options.own
        merged = {**own, TEE: {**own.get(TEE, {}), **self.options}}
        anchors, options = inputs.anchors, inputs.options
        added = msgspec.structs.replace(
            inputs,
            anchors=msgspec.structs.replace(anchors, material=anchors.material | self.stores),
            options=msgspec.structs.replace(options, own=merged),
        )
        require_meant(added.options.of(TEE, CcaOptions))
        return added


def read(file: Path) -> CcaSite:
    """Read a configuration.

    Raises:
        InputError: another form, or a file that is not there or too large.
        HostError: a file cannot be read.
    """
    found = parse(_read(file, "cca-verifier"), str(file))
    folder = file.parent
    if isinstance(found, Local):
        stores = {
            name: _read(folder / path, f"{file}: {name}")
            for name, path in (("ta-store", found.ta_store), ("rv-store", found.rv_store))
        }
        return CcaSite({"address": ""}, Material.of_files(stores))
    options = {"address": found.address, "ca_cert": "", "ear_verification_key": ""}
    for option, path in (
        ("ca_cert", found.ca_cert),
        ("ear_verification_key", found.ear_verification_key),
    ):
        if path is not None:
            where = f"{file}: {option.replace('_', '-')}"
            options[option] = _text(_read(folder / path, where), where)
    return CcaSite(options)


def _read(file: Path, where: str) -> bytes:
    try:
        with file.open("rb") as stream:
            body = stream.read(LARGEST_FILE + 1)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        raise InputError(where, got=f"{file}: {error.strerror}", want="a file") from error
    except OSError as error:
        raise HostError(str(file), got=error.strerror, want="a readable file") from error
    if len(body) > LARGEST_FILE:
        raise InputError(where, got="a larger file", want=f"at most {LARGEST_FILE} bytes")
    return body


def _text(body: bytes, where: str) -> str:
    """Give a file that must hold something: an empty one would mean the default."""
    try:
        text = body.decode("ascii").strip()
    except UnicodeDecodeError as error:
        raise InputError(where, got="no text", want="PEM, or a JWK") from error
    if not text:
        raise InputError(where, got="an empty file", want="PEM, or a JWK")
    return text
