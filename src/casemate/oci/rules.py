"""Registry rules: mirrors, new locations, blocks (guest-components section 14.1).

A subset of containers-registries.conf version 2. Prefixes are anchored, and end at a component.
"""

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any, Final

import msgspec

from casemate import toml
from casemate.errors import MALFORMED_JSON, InputError
from casemate.oci.reference import DEFAULT_HOST, Reference

_SPEC: Final = "guest-components 14.1"
_LARGEST: Final = 1 << 20
_LIBRARY: Final = "library/"
_SEARCH: Final = {"search": "unqualified-search-registries"}


class Way(StrEnum):
    """Why a task is there."""

    ORIGINAL = "original"
    MIRROR = "mirror"
    REMAPPED = "remapped"
    SEARCH = "unqualified-search"


class Task(msgspec.Struct, frozen=True):
    """One place to try."""

    reference: Reference
    way: Way
    plain_http: bool = False


class Mirror(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Another place with the same images."""

    location: str
    insecure: bool = False


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to do with the images of a prefix."""

    prefix: str = ""
    location: str = ""
    insecure: bool = False
    blocked: bool = False
    mirror: tuple[Mirror, ...] = ()

    @property
    def start(self) -> str:
        """The prefix, which is the location if left out."""
        return self.prefix or self.location

    def matched(self, name: str) -> str | None:
        """Give the part of ``name`` this rule is about, or None."""
        if self.start.startswith("*."):
            host = name.partition("/")[0]
            return host if host.partition(":")[0].endswith(self.start[1:]) else None
        if not name.startswith(self.start):
            return None
        after = name[len(self.start) : len(self.start) + 1]
        ends = {"", "/", "@", ":"} if "/" in self.start else {"", "/"}
        return self.start if after in ends else None


class RegistryRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename=_SEARCH):
    """All rules of a document."""

    search: Annotated[tuple[str, ...], msgspec.Meta(max_length=100)] = (DEFAULT_HOST,)
    registry: Annotated[tuple[Rule, ...], msgspec.Meta(max_length=1000)] = ()

    def tasks(self, reference: Reference) -> tuple[Task, ...]:
        """Give the places to try for an image, in order.

        Raises:
            InputError: a rule blocks them all, or makes a name that is none.
        """
        found = tuple(self._tasks(reference))
        if not found:
            rule = self._rule(reference)
            raise InputError(
                f"image {reference}",
                got=f"blocked by the rule for {rule.start if rule else 'every registry'}",
                want="a registry that the rules allow",
                spec=_SPEC,
            )
        return found

    def _tasks(self, reference: Reference) -> Iterator[Task]:
        if reference.host != DEFAULT_HOST:
            yield from self._of_rule(reference, Way.ORIGINAL)
            return
        for host in self.search:
            name = str(reference).removeprefix(f"{DEFAULT_HOST}/")
            if host != DEFAULT_HOST:
                name = name.removeprefix(_LIBRARY)
            yield from self._of_rule(Reference.parse(f"{host}/{name}"), Way.SEARCH)

    def _of_rule(self, reference: Reference, way: Way) -> Iterator[Task]:
        rule = self._rule(reference)
        if rule is None:
            yield Task(reference, way)
        elif not rule.blocked:
            part = rule.matched(str(reference)) or ""
            for mirror in rule.mirror:
                moved = _moved(reference, part, mirror.location)
                yield Task(moved, Way.MIRROR, mirror.insecure)
            moved = _moved(reference, part, rule.location) if rule.location else reference
            yield Task(moved, way if moved == reference else Way.REMAPPED, rule.insecure)

    def _rule(self, reference: Reference) -> Rule | None:
        matching = [rule for rule in self.registry if rule.matched(str(reference)) is not None]
        return max(matching, key=lambda rule: len(rule.start), default=None)


NONE: Final = RegistryRules()
"""No rules: every image from where its name says."""


def parse(text: str) -> RegistryRules:
    """Read rules from TOML text, at most 1 MiB.

    Raises:
        InputError: not TOML, an unknown member, or a rule that names no place.
    """
    if len(text) > _LARGEST:
        raise _wrong(f"{len(text)} characters", f"at most {_LARGEST}")
    try:
        return from_table(toml.loads(text))
    except ValueError as error:
        raise _wrong(error, "TOML") from error


def from_table(table: dict[str, Any]) -> RegistryRules:
    """Read rules from a TOML table already parsed (``[image.registry_config]`` of cdh.toml).

    Raises:
        InputError: as ``parse``.
    """
    try:
        rules = msgspec.convert(table, RegistryRules)
    except MALFORMED_JSON as error:
        raise _wrong(error, "registry rules") from error
    for rule in rules.registry:
        if not rule.start or (rule.start.startswith("*.") and not rule.location):
            raise _wrong(f"[[registry]] prefix {rule.prefix!r}", "a prefix or a location")
    return rules


def _moved(reference: Reference, part: str, location: str) -> Reference:
    return Reference.parse(location + str(reference)[len(part) :])


def _wrong(got: object, want: str) -> InputError:
    return InputError("registry rules", got=got, want=want, spec=_SPEC)
