"""What Secure Execution needs of an operator, read from the folders that settings name (tee §12).

Revocation lists and host key documents come and go while a Trustee runs, so folders are read again
when what was read is a minute old. Trust in them ends at this TEE: other verifiers never see it.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Final

import msgspec

from casemate.errors import HostError, InputError
from casemate.secret import Secret
from casemate.tee.anchors import Anchors
from casemate.tee.evidence import Inputs
from casemate.tee.material import LARGEST_FILE, MOST_FILES, Material
from casemate.tee.se.report import TEE
from casemate.tee.se.sealing import SECRET_SIZE
from casemate.tee.se.site import CHALLENGE_KEY, CUSTOMER_KEY
from casemate.trustee.storage import CHALLENGE_KEYS, Storage

_FRESH: Final = 60.0  # seconds
_FOLDERS: Final = ("se.host_key_documents", "se.certificates", "se.lists")
_SKIP: Final = "se.skip_host_key_verification"


def challenge_key(storage: Storage) -> Secret:
    """Give the key that challenges are sealed with; made once for a storage.

    Raises:
        HostError: the storage fails.
    """
    storage.put_if_absent(CHALLENGE_KEYS, TEE, os.urandom(SECRET_SIZE))
    return Secret(storage.get(CHALLENGE_KEYS, TEE) or b"")


class SecureExecutionFiles:
    """The folders, and what was last read from them. ``clock`` gives seconds."""

    tee: ClassVar[str] = TEE

    def __init__(
        self,
        folder: Path,
        values: Mapping[str, Any],
        *,
        key: Secret,
        clock: Callable[[], float],
    ) -> None:
        self._folder = folder
        self._values = values
        self._key = key
        self._clock = clock
        self._read_at = float("-inf")
        self._anchors = Anchors()
        self._collateral = Material()

    def added_to(self, inputs: Inputs) -> Inputs:
        """Add anchors, collateral and options of Secure Execution.

        Raises:
            InputError: a file is too large, or there are too many.
            HostError: one cannot be read.
        """
        now = self._clock()
        if not 0 <= now - self._read_at < _FRESH:
            self._anchors = Anchors.of_folder(self._trusted())
            self._collateral = Material.of_files(self._published())
            self._read_at = now
        others = inputs.options.own
        skip = {_SKIP.partition(".")[2]: str(self._values[_SKIP]).lower()}
        options = {**others, TEE: {**others.get(TEE, {}), **skip}}
        return msgspec.structs.replace(
            inputs,
            anchors=self._anchors,
            collateral=self._collateral,
            options=msgspec.structs.replace(inputs.options, own=options),
        )

    def _trusted(self) -> dict[str, bytes]:
        named = self._values["se.image_headers"]
        headers = {f"header-{at:04}": name for at, name in enumerate(named)}
        singles = {"root": self._values["se.root"], CUSTOMER_KEY: self._values["se.customer_key"]}
        found = {CHALLENGE_KEY: self._key.reveal()}
        for kept, name in {**headers, **singles}.items():
            if name and (body := _read(self._folder / name)) is not None:
                found[kept] = body
        return found

    def _published(self) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        for setting in _FOLDERS:
            for file in _inside(self._folder / self._values[setting]):
                body = _read(file)
                if body is not None:
                    found[f"{setting}/{file.name}"] = body
        return found


def _inside(folder: Path) -> Iterator[Path]:
    try:
        files = sorted(one for one in folder.iterdir() if one.is_file())
    except FileNotFoundError:
        return
    except OSError as error:
        raise HostError(str(folder), got=error.strerror, want="a readable folder") from error
    if len(files) > MOST_FILES:
        raise InputError(str(folder), got=len(files), want=f"at most {MOST_FILES} files")
    yield from files


def _read(file: Path) -> bytes | None:
    """Read a file; None when there is none: what then lacks, the challenge says."""
    try:
        with file.open("rb") as stream:
            body = stream.read(LARGEST_FILE + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise HostError(str(file), got=error.strerror, want="a readable file") from error
    if len(body) > LARGEST_FILE:
        raise InputError(str(file), got="a larger file", want=f"at most {LARGEST_FILE} bytes")
    return body
