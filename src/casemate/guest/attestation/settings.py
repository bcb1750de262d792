"""``aa.toml``: where to attest and what to measure (guest-components §4.2)."""

from enum import StrEnum
from typing import Annotated, Final

import msgspec

from casemate.guest import configuration

_DEFAULT_PCR: Final = 17


class TeeKeyAlgorithm(StrEnum):
    """Kind of the ephemeral key that secrets are sealed to."""

    EC_P256 = "ECDH-ES+A256KW-P256"
    EC_P521 = "ECDH-ES+A256KW-P521"
    RSA = "RSA-OAEP-256"


class KbsSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One key broker. ``cert`` is the PEM anchor its TLS certificate must chain to."""

    url: str
    cert: str | None = None
    tee_key_algorithm: TeeKeyAlgorithm = TeeKeyAlgorithm.EC_P256


class ServiceSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One attestation service, asked directly. ``cert`` is ours: upstream has no anchor here."""

    url: str
    cert: str | None = None


class TokenSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where tokens come from; a kind without a section cannot be asked for."""

    kbs: KbsSettings | None = None
    coco_as: ServiceSettings | None = None


class EventLogSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Run-time measurements: off unless asked for, as upstream."""

    init_pcr: Annotated[int, msgspec.Meta(ge=0, le=23)] = _DEFAULT_PCR
    enable_eventlog: bool = False


class LogSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How much the process says."""

    level: str = "info"


class AgentSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The whole document; every section may be missing, unknown members are passed over."""

    token_configs: TokenSettings = TokenSettings()
    eventlog_config: EventLogSettings = EventLogSettings()
    log: LogSettings = LogSettings()


def parse(text: str) -> AgentSettings:
    """Read ``aa.toml``.

    Raises:
        InputError: not TOML, or a member of the wrong type.
    """
    return configuration.parse(text, AgentSettings, name="aa.toml")
