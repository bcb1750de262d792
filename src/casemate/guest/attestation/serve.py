"""Composition of the attestation agent, for the vault."""

from typing import TYPE_CHECKING, Final

from casemate.guest.attestation import settings
from casemate.guest.attestation.agent import AttestationAgent, Attester
from casemate.guest.reporting import Stations
from casemate.tee import attesters
from casemate.wire.initdata import Initdata

if TYPE_CHECKING:
    from casemate.net.ttrpc import Services

DOCUMENT: Final = "aa.toml"


def build(attester: Attester, initdata: Initdata | None, stations: Stations) -> AttestationAgent:
    """Make the agent that ``aa.toml`` in ``initdata`` describes; without it, one that only quotes.

    The digest of ``initdata`` is bound to the TEE by the caller, before the network is used. What
    attests beside the TEE is found here.

    Raises:
        InputError: ``aa.toml`` cannot be read.
    """
    text = "" if initdata is None else initdata.data.get(DOCUMENT, "")
    devices = attesters.detect_devices(attester.tee)
    return AttestationAgent(settings.parse(text), attester, initdata, stations, devices=devices)


def services(agent: AttestationAgent) -> "Services":
    """Give the ttrpc services for containers."""
    from casemate.guest.attestation.service import SERVICE, methods  # protobuf

    return {SERVICE: methods(agent)}
