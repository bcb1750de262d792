"""Images on disk in the OCI image layout: a folder, or a tar of one, read and written."""

import json
import shutil
import tarfile
import tempfile
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Self

import msgspec

from casemate import files
from casemate.crypto.digest import Digest, sha256
from casemate.errors import InputError, PeerError
from casemate.oci.manifest import LARGEST, OCI_INDEX, Descriptor, Index, parse_document
from casemate.oci.source import Document, NotFoundError

NAME: Final = "org.opencontainers.image.ref.name"
_PIECE: Final = 256 << 10
_MARK: Final = json.dumps({"imageLayoutVersion": "1.0.0"}).encode()


class Layout:
    """An image layout folder, as a source and as a place to write to.

    Raises InputError where the folder is not one, PeerError where a blob is missing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if not (folder / "oci-layout").is_file():
            raise InputError(str(folder), got="no file oci-layout", want="an OCI image layout")

    @classmethod
    def create(cls, folder: Path) -> Self:
        """Make an empty layout.

        Raises:
            InputError: the folder exists and holds something.
        """
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise InputError(str(folder), got="something there", want="a new or empty folder")
        (folder / "blobs" / "sha256").mkdir(parents=True)
        (folder / "oci-layout").write_bytes(_MARK)
        empty = Index(schema_version=2, media_type=OCI_INDEX, manifests=())
        (folder / "index.json").write_bytes(msgspec.json.encode(empty))
        return cls(folder)

    @classmethod
    @contextmanager
    def creating(cls, folder: Path) -> Iterator[Self]:
        """Make a layout in the block; nothing of it is left when the block fails."""
        layout = cls.create(folder)
        try:
            yield layout
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    @property
    def index(self) -> Index:
        """The entry document."""
        parsed = parse_document(_read(self.folder / "index.json"), OCI_INDEX)
        if not isinstance(parsed, Index):
            raise PeerError(str(self.folder), got="a manifest as index.json", want="an index")
        return parsed

    def entry(self, name: str | None = None) -> Descriptor:
        """Give the image called ``name``, or the only one.

        Raises:
            InputError: there is none, or several and no name.
        """
        there = self.index.manifests
        found = [d for d in there if name is None or (d.annotations or {}).get(NAME) == name]
        if len(found) != 1:
            names = ", ".join((d.annotations or {}).get(NAME, d.digest) for d in there)
            raise InputError(
                str(self.folder), got=names or "no image", want=f"one {name or 'image'}"
            )
        return found[0]

    async def document(self, wanted: str) -> Document:
        """Read a manifest by digest, or by name; no name means the only image."""
        if ":" not in wanted:
            entry = self._named(wanted) if wanted else self.entry()
            return Document(_read(self._path(entry.content)), entry.media_type)
        return Document(_read(self._path(Digest.parse(wanted))), "")

    def _named(self, name: str) -> Descriptor:
        for entry in self.index.manifests:
            if _name(entry) == name:
                return entry
        raise NotFoundError(str(self.folder), got=f"no image {name}", want="one that is there")

    async def blob(self, descriptor: Descriptor) -> AsyncGenerator[bytes, None]:
        """Read a blob in pieces of 256 KiB."""
        with _opened(self._path(descriptor.content)) as file:
            while piece := file.read(_PIECE):
                yield piece

    def put(self, data: bytes, media_type: str, **members: Any) -> Descriptor:
        """Write a blob; gives its descriptor, with ``members`` added."""
        with self.writer() as blob:
            blob.write(data)
        return blob.descriptor(media_type, **members)

    @contextmanager
    def writer(self) -> Iterator["BlobWriter"]:
        """Write a blob piece by piece; it appears under its digest when the block ends well."""
        with tempfile.NamedTemporaryFile(dir=self.folder, prefix=".blob-", delete=False) as file:
            blob = BlobWriter(file)
            try:
                yield blob
                file.flush()
                target = self._path(blob.digest)
                target.parent.mkdir(parents=True, exist_ok=True)
                Path(file.name).chmod(0o644)
                Path(file.name).replace(target)
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise

    def add(self, manifest: Descriptor, name: str | None = None) -> None:
        """Enter a manifest under ``name``; an older one of that name goes."""
        kept = [d for d in self.index.manifests if name is None or _name(d) != name]
        if name:
            manifest = msgspec.structs.replace(manifest, annotations={NAME: name})
        self._write_index((*kept, manifest))

    def _write_index(self, manifests: tuple[Descriptor, ...]) -> None:
        index = Index(schema_version=2, media_type=OCI_INDEX, manifests=manifests)
        files.replace(self.folder / "index.json", msgspec.json.encode(index))

    def _path(self, digest: Digest) -> Path:
        return self.folder / "blobs" / digest.algorithm / digest.hex


class BlobWriter:
    """A blob being written: counts and hashes what passes."""

    def __init__(self, file: Any) -> None:
        import hashlib

        self._file = file
        self._hash = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> None:
        self._file.write(data)
        self._hash.update(data)
        self.size += len(data)

    @property
    def digest(self) -> Digest:
        """SHA-256 of what was written."""
        return Digest(sha256(b"").algorithm, self._hash.digest())

    def descriptor(self, media_type: str, **members: Any) -> Descriptor:
        """Describe what was written."""
        return Descriptor(media_type=media_type, digest=str(self.digest), size=self.size, **members)


@contextmanager
def opened(path: Path) -> Iterator[Layout]:
    """Open a layout folder, or unpack a tar of one into a temporary folder for the while.

    Raises:
        InputError: neither, or a tar with anything else in it.
    """
    if path.is_dir():
        yield Layout(path)
        return
    with tempfile.TemporaryDirectory(prefix="casemate-layout-") as folder:
        _extract(path, Path(folder))
        yield Layout(Path(folder))


def _extract(path: Path, folder: Path) -> None:
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                parts = [part for part in member.name.split("/") if part not in {"", "."}]
                if ".." in parts or not (member.isfile() or member.isdir()):
                    raise InputError(str(path), got=member.name, want="files of a layout only")
                if member.isfile() and (content := archive.extractfile(member)):
                    target = folder.joinpath(*parts)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    with target.open("wb") as file:
                        while piece := content.read(_PIECE):
                            file.write(piece)
    except (tarfile.TarError, OSError, EOFError) as error:
        raise InputError(
            str(path), got=error, want="an OCI image layout, or a tar of one"
        ) from error


def _name(descriptor: Descriptor) -> str:
    return (descriptor.annotations or {}).get(NAME, "")


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        file = path.open("rb")
    except OSError as error:
        raise NotFoundError(f"blob {path.name}", got=error.strerror, want="a file") from error
    with file:
        yield file


def _read(path: Path) -> bytes:
    with _opened(path) as file:
        data: bytes = file.read(LARGEST + 1)
    return data
