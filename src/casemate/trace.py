"""The eleven stations of a pod's road (docs/architecture.md), and the spans measured on it."""

from enum import StrEnum

import msgspec


class Station(StrEnum):
    """Names that traces, logs, errors and documents share, in the order of the road."""

    REQUEST = "request"
    LAUNCH = "launch"
    BOOT = "boot"
    INITDATA = "initdata"
    CONNECT = "connect"
    ATTEST = "attest"
    RELEASE = "release"
    PULL = "pull"
    START = "start"
    SERVE = "serve"
    STOP = "stop"


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """One measured stretch of the road.

    ``start`` and ``end`` are seconds since the Unix epoch on the node's clock; ``note`` says what
    happened in a few words and never holds a secret.
    """

    station: Station
    start: float
    end: float
    note: str = ""
    where: str = "node"
    """``node``, ``guest`` or ``trustee``."""

    @property
    def seconds(self) -> float:
        return self.end - self.start
