"""Composition of the data hub, for the vault."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from casemate.errors import CasemateError, InputError
from casemate.guest.attestation.agent import AttestationAgent
from casemate.guest.hub import credentials
from casemate.guest.hub.documents import Documents
from casemate.guest.hub.image_keys import ImageKeys
from casemate.guest.hub.image_settings import ImageRulesKeeper
from casemate.guest.hub.images import Images, Show
from casemate.guest.hub.mounting import SecureMount, secure_mounts
from casemate.guest.hub.pulls import Pulls
from casemate.guest.hub.resources import (
    BrokeredResources,
    FileResources,
    NoResources,
    Resources,
)
from casemate.guest.hub.settings import BrokerKind, BrokerSettings, HubSettings
from casemate.guest.reporting import Stations
from casemate.wire import aael

if TYPE_CHECKING:
    from casemate.net.ttrpc import Services

_log = logging.getLogger(__name__)


class Hub(msgspec.Struct, frozen=True):
    """The data hub of one guest."""

    settings: HubSettings
    resources: Resources
    documents: Documents
    images: Images
    pulls: Pulls
    keys: ImageKeys
    keeper: ImageRulesKeeper
    secure_mount: SecureMount

    def services(self) -> "Services":
        """Give the ttrpc services for containers."""
        from casemate.guest.hub.service import HubService  # protobuf, which no pull needs

        service = HubService(self.resources, self.keys, self.pulls, self.secure_mount)
        return service.services()

    async def prepare(self) -> None:
        """Attest and fetch what settings name, before anybody asks: it saves the first pull time.

        A failure is only logged (stations have reported it): whoever needs the thing meets the
        failure again.
        """
        try:
            await credentials.write_all(self.settings.credentials, self.resources)
            await self.keeper.rules()
        except CasemateError as error:
            _log.warning("data hub is not ready: %s", error)


def build(
    agent: AttestationAgent,
    settings: HubSettings,
    stations: Stations,
    *,
    secure_mount: SecureMount | None = None,
    show: Show | None = None,
) -> Hub:
    """Make the hub that its settings describe.

    Raises:
        InputError: they name a broker that cannot be trusted.
    """
    resources = _resources(settings.kbc, agent, stations)
    documents = Documents(resources)
    keeper = ImageRulesKeeper(settings.image, documents)
    keys = ImageKeys(resources)
    images = Images(
        keeper,
        keys,
        stations,
        work_dir=Path(settings.image.work_dir),
        show=show or bind,
        measure=lambda image, digest: _measure(agent, image, digest),
    )
    return Hub(
        settings,
        resources,
        documents,
        images,
        Pulls(images),
        keys,
        keeper,
        secure_mount or secure_mounts(documents),
    )


def bind(tree: Path, place: Path) -> None:
    """Show ``tree`` at ``place`` too, without copying.

    Raises:
        HostError: the kernel refuses.
    """
    from casemate.linux import mount  # with ctypes, which attesting does not need

    place.mkdir(parents=True, exist_ok=True)
    mount.mount(tree, place, "", ("bind",))


def _resources(
    kbc: BrokerSettings | None, agent: AttestationAgent, stations: Stations
) -> Resources:
    if kbc is None:
        return NoResources()
    if kbc.name is BrokerKind.FILES:
        return FileResources()
    if kbc.url is None:
        raise InputError("cdh.toml [kbc]", got="no url", want="the key broker's URL")
    broker = agent.brokers.get(kbc.url, kbc.kbs_cert, pinned_in="cdh.toml [kbc] kbs_cert")
    return BrokeredResources(broker, agent, stations)


def _measure(agent: AttestationAgent, image: str, digest: str) -> None:
    content = aael.pull_image_content(image, digest)
    agent.extend("github.com/confidential-containers", "PullImage", content)
