"""Whose name a signature speaks for: the ``signedIdentity`` rules (guest-components 15.1)."""

import msgspec

from casemate.errors import InputError
from casemate.oci.reference import Reference


class MatchExact(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="matchExact"):
    """Same repository and tag; an image asked for by digest never matches."""

    def accepts(self, image: Reference, signed: str) -> bool:
        tag = image.digest is None and image.tag
        return bool(tag) and _full(signed) == f"{image.repository}:{image.tag}"


class MatchRepoDigestOrExact(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="matchRepoDigestOrExact"
):
    """By tag: exact. By digest: same repository."""

    def accepts(self, image: Reference, signed: str) -> bool:
        if image.digest is not None:
            return _repository(signed) == image.repository
        return MatchExact().accepts(image, signed)


class MatchRepository(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="matchRepository"
):
    """Same repository, any tag."""

    def accepts(self, image: Reference, signed: str) -> bool:
        return _repository(signed) == image.repository


class ExactReference(
    msgspec.Struct,
    frozen=True,
    forbid_unknown_fields=True,
    tag="exactReference",
    rename={"reference": "dockerReference"},
):
    """The signed name is this one, whatever the image is called."""

    reference: str

    def accepts(self, image: Reference, signed: str) -> bool:
        del image
        return _full(signed) == _full(self.reference) is not None


class ExactRepository(
    msgspec.Struct,
    frozen=True,
    forbid_unknown_fields=True,
    tag="exactRepository",
    rename={"repository": "dockerRepository"},
):
    """The signed repository is this one, whatever the image is called."""

    repository: str

    def accepts(self, image: Reference, signed: str) -> bool:
        del image
        return _repository(signed) == _repository(self.repository) is not None


class RemapIdentity(
    msgspec.Struct,
    frozen=True,
    forbid_unknown_fields=True,
    tag="remapIdentity",
    rename="camel",
):
    """The image's name with ``prefix`` swapped, then as matchRepoDigestOrExact."""

    prefix: str
    signed_prefix: str

    def accepts(self, image: Reference, signed: str) -> bool:
        rest = image.repository.removeprefix(self.prefix)
        if image.repository.startswith(self.prefix) and rest[:1] in {"", "/"}:
            host, _, path = (self.signed_prefix + rest).partition("/")
            image = msgspec.structs.replace(image, host=host, path=path)
        return MatchRepoDigestOrExact().accepts(image, signed)


Identity = (
    MatchExact
    | MatchRepoDigestOrExact
    | MatchRepository
    | ExactReference
    | ExactRepository
    | RemapIdentity
)
"""Any of the rules; msgspec tells them apart by their ``type``."""


def _repository(text: str) -> str | None:
    try:
        return Reference.parse(text).repository
    except InputError:
        return None  # a name that is none matches nothing


def _full(text: str) -> str | None:
    """Give ``repository:tag`` of a signed name that has a tag and no digest."""
    try:
        reference = Reference.parse(text)
    except InputError:
        return None
    written = text.rpartition("/")[2]
    return str(reference) if ":" in written and reference.digest is None else None
