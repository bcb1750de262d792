"""A set stage: the stack is up, the owner's image and rules are in place, one pod runs."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from casemate.errors import HostError
from casemate.guest.attestation import rcar
from casemate.podvm.image import PodVmImage
from casemate.secret import Secret
from casemate.stack.command import casemate
from casemate.stack.folder import Record, StateFolder

GATEWAY = "10.0.2.2"
"""This machine, as a guest behind QEMU's user-mode network sees it."""


class Pod(msgspec.Struct, frozen=True):
    """A running pod, as ``casemate pod run`` names it."""

    pod: str
    container: str


class Recording(msgspec.Struct, frozen=True):
    """Genuine evidence of the running pod, and the handshake that it answers."""

    binding: rcar.Binding
    evidence: bytes


@dataclass(slots=True, kw_only=True)
class Scene:
    """Everything that attacks and the demo's last steps look at.

    The application's secret is here and in the Trustee, nowhere else on the host: that is what
    one of the attacks searches for.
    """

    folder: StateFolder
    record: Record
    image: PodVmImage
    reference: str
    """The demo's image, as pods name it."""
    initdata: Path
    secret: Secret
    secret_path: str
    marker: bytes
    """A text inside the encrypted layer."""
    pod: Pod
    _evidence: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def trustee_url(self) -> str:
        return f"https://127.0.0.1:{self.record.trustee_port}"

    @property
    def registry(self) -> str:
        return f"localhost:{self.record.registry_port}"

    @property
    def initdata_text(self) -> str:
        return self.initdata.read_text()

    @property
    def trustee_authority(self) -> str:
        """PEM of the authority that the Trustee's certificate chains to."""
        return (self.folder.trustee / "ca.pem").read_text()
