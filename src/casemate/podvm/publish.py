"""Take an image from place to place without trusting the places: every hop compares digests.

The digest of an image is the digest of its manifest, which names every file's digest. Whoever
built the image writes that one value down; every later hop (download, upload to an image store,
deployment) is compared with it.
"""

import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

from casemate.crypto.digest import Digest, sha256
from casemate.errors import HostError, InputError, Refusal, VerificationError
from casemate.podvm import image
from casemate.podvm.image import PodVmImage
from casemate.podvm.signature import SUFFIX

_SIGNATURE: Final = image.REFERENCE_VALUES + SUFFIX
"""Of whoever vouches for the image; it carries its own proof, so no manifest names it."""


def digest(folder: Path) -> Digest:
    """Digest of the image in ``folder``: that of its manifest.

    Raises:
        InputError: it is no image folder.
    """
    image.read_manifest(folder)
    return sha256((folder / image.MANIFEST).read_bytes())


def receive(folder: Path, expected: Digest | None) -> PodVmImage:
    """Open an image that came from elsewhere.

    Raises:
        InputError: it is no image folder.
        VerificationError: it is not the ``expected`` one, or not what its manifest says.
    """
    if expected is not None:
        _require_digest(folder, expected)
    return image.load(folder)


def publish(source: Path, destination: Path, *, expected: Digest | None = None) -> PodVmImage:
    """Copy an image to ``destination``, compared before and after; nothing half-done is left.

    Args:
        source: image folder.
        destination: folder to make; the same image there already is left as it is.
        expected: digest that the builder wrote down.

    Raises:
        InputError: ``source`` is no image, or something else is at ``destination``.
        VerificationError: the image was changed, before or on the way.
        HostError: it cannot be written.
    """
    receive(source, expected)
    wanted = digest(source)
    if destination.exists():
        return _already(destination, wanted)
    try:
        _copy(source, destination, wanted)
    except OSError as error:
        raise HostError(
            str(destination), got=error.strerror or error, want="a place to publish to"
        ) from error
    return receive(destination, wanted)


def _copy(source: Path, destination: Path, wanted: Digest) -> None:
    destination.parent.mkdir(parents=True, exist_ok=True)
    new = Path(tempfile.mkdtemp(prefix=".publish-", dir=destination.parent))
    try:
        for name in (*image.FILES, image.MANIFEST):
            _copy_file(source / name, new / name)
        if (source / _SIGNATURE).exists():
            _copy_file(source / _SIGNATURE, new / _SIGNATURE)
        new.chmod(0o755)
        receive(new, wanted)
        new.rename(destination)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _copy_file(source: Path, target: Path) -> None:
    """Copy bytes and see that they are on the disk."""
    shutil.copyfile(source, target)
    with target.open("rb") as file:
        os.fsync(file.fileno())


def _already(destination: Path, wanted: Digest) -> PodVmImage:
    try:
        return receive(destination, wanted)
    except InputError as error:
        raise InputError(
            str(destination), got="something else", want="an empty place or the same image"
        ) from error


def _require_digest(folder: Path, expected: Digest) -> None:
    got = digest(folder)
    if not expected.matches(got.value):
        raise VerificationError(
            Refusal(
                step="podvm publish",
                claim=f"image in {folder}",
                got=str(got),
                expected=str(expected),
                rule="image digest written down by its builder",
                remedy="Take the image from where it was built, or build it again.",
            )
        )
