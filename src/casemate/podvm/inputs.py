"""All inputs of a build, gathered and named by one digest: the same key means the same bytes."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

import casemate
from casemate.crypto.digest import sha256
from casemate.errors import HostError, InputError
from casemate.podvm import debian, guest_code, wheels
from casemate.podvm import recipe as recipes
from casemate.podvm.recipe import Recipe, Variant
from casemate.podvm.sources import Fetched, Progress, load

_SOURCE: Final = Path(casemate.__file__).parents[1]
_BUILDERS: Final = ("casemate/podvm", "casemate/tee/vtpm")
"""Our code that makes the image: a change of it may change the bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What a build works from; nothing else reaches it."""

    recipe: Recipe
    debian: Fetched
    wheels: Fetched
    ours: dict[str, bytes]
    """Our modules inside the image: path below site → source, as the key was made from it."""
    key: str
    """64 hex digits."""

    @property
    def code_digest(self) -> str:
        """SHA-256 over our modules and their paths, hex."""
        return _digest(self.ours.items())


def gather(recipe: Recipe, cache: Path, *, progress: Progress, refresh: bool = False) -> Inputs:
    """Gather the inputs, fetching what is not kept yet.

    Raises:
        HostError: a package client or its archive fails.
        InputError: the requirements are missing, or our code reaches a forbidden room.
    """
    packages, python = _folders(recipe, cache)
    kept = None if refresh else load(packages)
    kept_python = load(python)
    return _inputs(
        recipe,
        kept
        or debian.fetch(
            packages,
            recipes.PACKAGES,
            recipes.KERNEL_METAPACKAGE,
            suite=recipes.SUITE,
            progress=progress,
        ),
        kept_python or wheels.fetch(python, recipe.requirements, progress=progress),
    )


def kept(recipe: Recipe, cache: Path) -> Inputs | None:
    """Gather the inputs without any network; None when something must be fetched first."""
    packages, python = (load(folder) for folder in _folders(recipe, cache))
    if packages is None or python is None:
        return None
    return _inputs(recipe, packages, python)


def _folders(recipe: Recipe, cache: Path) -> tuple[Path, Path]:
    """Where fetched packages and wheels are kept: named by what was asked for."""
    asked = msgspec.json.encode([recipes.SUITE, recipes.KERNEL_METAPACKAGE, recipes.PACKAGES])
    return (
        cache / "packages" / sha256(asked).hex[:16],
        cache / "wheels" / sha256(_requirements(recipe)).hex[:16],
    )


def _inputs(recipe: Recipe, packages: Fetched, python: Fetched) -> Inputs:
    ours = {name: file.read_bytes() for name, file in _guest_code(recipe).items()}
    facts = {
        "variant": recipe.variant,
        "compression": recipe.compression,
        "debian": packages.sources,
        "wheels": python.sources,
        "ours": _digest(ours.items()),
        "builders": _digest(_builders()),
        "firmware": [
            sha256(_read(recipe.firmware_code)).hex,
            sha256(_read(recipe.firmware_vars)).hex,
        ],
    }
    return Inputs(
        recipe=recipe,
        debian=packages,
        wheels=python,
        ours=ours,
        key=sha256(msgspec.json.encode(facts, order="sorted")).hex,
    )


def _guest_code(recipe: Recipe) -> dict[str, Path]:
    if recipe.variant is Variant.BARE:
        return {}
    return guest_code.closure(_SOURCE, recipes.GUEST_ENTRY, forbidden=recipes.FORBIDDEN_ROOMS)


def _builders() -> Iterable[tuple[str, bytes]]:
    for folder in _BUILDERS:
        for file in sorted((_SOURCE / folder).rglob("*")):
            if file.suffix in {".py", ".c"}:
                yield str(file.relative_to(_SOURCE)), file.read_bytes()


def _digest(files: Iterable[tuple[str, bytes]]) -> str:
    state = hashlib.sha256()
    for name, data in files:
        state.update(msgspec.json.encode([name, sha256(data).hex]))
    return state.hexdigest()


def _requirements(recipe: Recipe) -> bytes:
    try:
        return recipe.requirements.read_bytes()
    except OSError as error:
        raise InputError(
            "podvm requirements",
            got=error.strerror,
            want="the pinned Python packages of the guest",
            remedy="Build from a checkout of Casemate.",
        ) from error


def _read(firmware: Path) -> bytes:
    try:
        return firmware.read_bytes()
    except OSError as error:
        raise HostError(
            f"firmware {firmware}",
            got=error.strerror,
            want="OVMF's 2 MB build",
            remedy="apt-get install ovmf",
        ) from error
