"""What a demo found out: the object that ``casemate demo --json`` prints."""

from collections.abc import Mapping

import msgspec

from casemate.stack.attacks.attack import AttackResult


class Measurements(msgspec.Struct, frozen=True, kw_only=True):
    """Registers of the pod's TPM (``pcr04`` → hex): foretold from files, and quoted by the pod."""

    predicted: Mapping[str, str]
    seen: Mapping[str, str]

    @property
    def equal(self) -> bool:
        return bool(self.predicted) and dict(self.predicted) == dict(self.seen)


class ImageFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The application's image."""

    reference: str
    digest: str
    layers: int
    encrypted: int
    """Layers that nobody can read without the owner's key."""
    signed: bool


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The whole outcome. ``seconds`` counts from the command to the end of the last attack."""

    ok: bool
    seconds: float
    accel: str
    spans: Mapping[str, float]
    """Station of the road → seconds."""
    attacks: tuple[AttackResult, ...]
    measurements: Measurements
    image: ImageFacts
    pod: str
    secret_arrived: bool
    failures: tuple[str, ...]
    """Why ``ok`` is false; empty otherwise."""
