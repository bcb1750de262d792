"""What a benchmark says."""

import msgspec


class BenchResult(msgspec.Struct, frozen=True, kw_only=True):
    """Our number beside one that nobody can beat, or that a peer reaches, on the same machine."""

    name: str
    unit: str
    ours: float
    floor: float
    floor_name: str
    """What the floor is: ``bare crypto of one handshake``, ``skopeo + umoci``."""
    ratio: float
    """How we stand to it; above 1 is better than the floor where ``unit`` is a rate."""
    details: dict[str, float] = {}
