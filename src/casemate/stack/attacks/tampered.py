"""A copy of the pod VM's image in the attacker's hands: changed, with a manifest that agrees.

The host builds no VM but from files it holds, so it can change them and every digest beside them.
What it cannot change is what the pod's TPM measures and the Trustee expects.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from casemate.errors import HostError
from casemate.podvm import image as images
from casemate.podvm.image import PodVmImage


@contextmanager
def copy(genuine: PodVmImage, name: str, change: Callable[[bytes], bytes]) -> Iterator[Path]:
    """Give a folder like ``genuine``'s with its file ``name`` changed; it is gone afterwards."""
    place = Path(tempfile.mkdtemp(prefix="casemate-tampered-"))
    try:
        for file in images.FILES:
            _link(genuine.folder / file, place / file)
        changed = change((genuine.folder / name).read_bytes())
        (place / name).unlink()
        (place / name).write_bytes(changed)
        _agree(genuine, place, name)
        yield place
    finally:
        shutil.rmtree(place)


def swap(data: bytes, old: bytes, new: bytes) -> bytes:
    """Replace ``old`` by ``new`` padded with blanks: nothing else moves.

    Raises:
        HostError: there is nothing to replace, so the attack cannot be carried out.
    """
    if old not in data:
        raise HostError("attack", got=f"no {old[:40]!r} in the image", want="it to be there")
    return data.replace(old, new.ljust(len(old)))


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system: a copy does as well
        shutil.copyfile(source, target)


def _agree(genuine: PodVmImage, place: Path, name: str) -> None:
    facts = {**genuine.manifest.files, name: images.describe(place / name)}
    manifest = msgspec.structs.replace(genuine.manifest, files=facts)
    (place / images.MANIFEST).write_bytes(msgspec.json.encode(manifest))
