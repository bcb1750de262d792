"""The operator's reference values, ``rvstore.json``: firmware and realms that are known to be good.

    {"platform": [{"implementation-id", "sw-components": [{"component-type"?, "measurement-value",
                   "signer-id", "version"?}], "platform-configuration"}],
     "realm": [{"initial-measurement", "rak-hash-algorithm"?, "extensible-measurements"?,
                "personalization-value"?}]}                                     all hex (tee §9)

A list that is there and empty accepts nothing; a list that is absent is not compared.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import chain
from typing import Final

import msgspec

from casemate.errors import MALFORMED_JSON, InputError
from casemate.tee.cca.platform import Component, Platform
from casemate.tee.cca.realm import Realm

_SPEC: Final = "tee §9"
_MARKS: Final = (b'"sw-components"', b'"initial-measurement"')
_MEMBERS: Final = frozenset({"platform", "realm"})


class ReferenceComponent(msgspec.Struct, frozen=True, rename="kebab"):
    """Firmware that is known. What it leaves out is not compared."""

    measurement_value: str
    signer_id: str
    component_type: str | None = None
    version: str | None = None

    def matches(self, seen: Component) -> bool:
        """Say whether this is the component that was measured."""
        return (
            bytes.fromhex(self.measurement_value) == seen.value
            and bytes.fromhex(self.signer_id) == seen.signer
            and self.component_type in {None, seen.kind}
            and self.version in {None, seen.version}
        )


class ReferencePlatform(msgspec.Struct, frozen=True, rename="kebab"):
    """One good state of a platform: its configuration and all of its firmware, in order."""

    implementation_id: str
    sw_components: tuple[ReferenceComponent, ...]
    platform_configuration: str

    def differences(self, seen: Platform) -> tuple[str, ...]:
        """Name what differs; nothing when this is the state that was seen."""
        found = []
        if bytes.fromhex(self.platform_configuration) != seen.config:
            found.append(f"config {seen.config.hex()}")
        if len(self.sw_components) != len(seen.components):
            found.append(f"{len(seen.components)} components, not {len(self.sw_components)}")
        found += [
            f"component {one.kind or at} {one.value.hex()}"
            for at, (known, one) in enumerate(
                zip(self.sw_components, seen.components, strict=False)
            )
            if not known.matches(one)
        ]
        return tuple(found)


class ReferenceRealm(msgspec.Struct, frozen=True, rename="kebab"):
    """A realm that is known. What it leaves out is not compared."""

    initial_measurement: str
    rak_hash_algorithm: str | None = None
    extensible_measurements: tuple[str, ...] | None = None
    personalization_value: str | None = None

    def differences(self, seen: Realm) -> tuple[str, ...]:
        """Name what differs; nothing when this is the realm that was seen."""
        found = []
        if bytes.fromhex(self.initial_measurement) != seen.initial:
            found.append(f"initial measurement {seen.initial.hex()}")
        if self.rak_hash_algorithm not in {None, seen.key_hash_name}:
            found.append(f"hash of the key {seen.key_hash_name}")
        if self.extensible_measurements is not None:
            known = tuple(bytes.fromhex(one) for one in self.extensible_measurements)
            if known != seen.extensible:
                found.append(f"extensible measurements {[one.hex() for one in seen.extensible]}")
        personal = self.personalization_value
        if personal is not None and bytes.fromhex(personal) != seen.personalization:
            found.append(f"personalization value {seen.personalization.hex()}")
        return tuple(found)


class ReferenceValues(msgspec.Struct, frozen=True):
    """All stores together. None where no store speaks of the part at all."""

    platform: tuple[ReferencePlatform, ...] | None = None
    realm: tuple[ReferenceRealm, ...] | None = None


def read(files: Mapping[str, bytes]) -> ReferenceValues:
    """Gather the stores among ``files``, told by what they hold.

    Raises:
        InputError: a store that cannot be read.
    """
    stores = [_read(file) for file in files.values() if is_store(file)]
    platforms = [one.platform for one in stores if one.platform is not None]
    realms = [one.realm for one in stores if one.realm is not None]
    return ReferenceValues(
        platform=tuple(chain.from_iterable(platforms)) if platforms else None,
        realm=tuple(chain.from_iterable(realms)) if realms else None,
    )


def is_store(file: bytes) -> bool:
    """Say whether a file is meant as such a store, an empty or a broken one among them."""
    if file.lstrip()[:1] != b"{":
        return False
    if any(mark in file for mark in _MARKS):
        return True
    try:
        members = msgspec.json.decode(file, type=dict[str, msgspec.Raw])
    except MALFORMED_JSON:
        return False
    return bool(members) and members.keys() <= _MEMBERS


@lru_cache(maxsize=8)
def _read(file: bytes) -> ReferenceValues:
    where = "reference value store"
    try:
        found = msgspec.json.decode(file, type=ReferenceValues)
    except MALFORMED_JSON as error:
        raise InputError(where, got=error, want="the form of rvstore.json", spec=_SPEC) from error
    for text in _hex_members(found):
        try:
            bytes.fromhex(text)
        except ValueError as error:
            raise InputError(where, got=text, want="hex", spec=_SPEC) from error
    return found


def _hex_members(store: ReferenceValues) -> Iterable[str]:
    for platform in store.platform or ():
        yield platform.implementation_id
        yield platform.platform_configuration
        for component in platform.sw_components:
            yield component.measurement_value
            yield component.signer_id
    for realm in store.realm or ():
        yield realm.initial_measurement
        yield from realm.extensible_measurements or ()
        yield realm.personalization_value or ""
