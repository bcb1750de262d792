"""What an operator may change for CCA."""

from typing import Literal

import msgspec


class CcaOptions(msgspec.Struct, frozen=True):
    """Options of TEE ``cca``. Without any, tokens are verified here with the operator's stores."""

    address: str = ""
    """Veraison service that vouches for platforms in place of the stores. With a configuration
    file of upstream's form, this and the next two are what stands there."""
    ca_cert: str = ""
    """Certificates (PEM) that its TLS chain must end in; the system's unless given."""
    ear_verification_key: str = ""
    """Key (JWK) that must have signed its verdicts. Without it, the one that it publishes counts,
    which is worth as much as the TLS connection it came over."""
    allow_http: bool = False
    """Speak plain HTTP with a service on another machine. Needs ``ear_verification_key``."""
    realm_values: Literal["optional", "required"] = "optional"
    """Whether the service must know the realm's measurements too. By default, a realm that it has
    no reference values for (executables 33, unrecognized) is left to the attestation policy."""
