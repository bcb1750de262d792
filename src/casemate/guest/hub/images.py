"""Pulling images inside the guest, so that the host never sees one (guest-components §13.2)."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

from casemate.errors import CasemateError, PeerError, VerificationError
from casemate.guest.hub import bundle as bundles
from casemate.guest.hub.image_keys import ImageKeys
from casemate.guest.hub.image_settings import ImageRules, ImageRulesKeeper
from casemate.guest.reporting import Stations
from casemate.net.http import HttpClient
from casemate.oci.pull import PulledImage, pull_from
from casemate.oci.reference import Reference
from casemate.oci.registry import Registry
from casemate.oci.rules import Task
from casemate.oci.signature.judgement import Judgement
from casemate.oci.signature.lookaside import SigstorePlaces
from casemate.trace import Station

_TIMEOUT: Final = 60.0
_ROOTFS: Final = "rootfs"

Show = Callable[[Path, Path], None]
"""Makes a pulled tree visible at the bundle's ``rootfs``."""
Measure = Callable[[str, str], None]
"""Measures that an image (reference as asked, manifest digest) was pulled."""


class Images:
    """Pulls images into bundles, several at once.

    Args:
        work_dir: where trees are unpacked: the encrypted scratch disk when there is one.
    """

    def __init__(
        self,
        keeper: ImageRulesKeeper,
        keys: ImageKeys,
        stations: Stations,
        *,
        work_dir: Path,
        show: Show,
        measure: Measure,
    ) -> None:
        self._keeper = keeper
        self._keys = keys
        self._stations = stations
        self._work_dir = work_dir
        self._show = show
        self._measure = measure

    async def pull(self, image_url: str, bundle: Path) -> PulledImage:
        """Pull an image; its tree appears at ``bundle/rootfs``, its process in ``config.json``.

        No key is fetched before the image satisfied the policy.

        Raises:
            InputError: not an image name, or blocked by the rules.
            VerificationError: signature, digest, or a key that is refused.
            PeerError: no registry of the rules gives it.
            HostError: no space, or no right to write.
        """
        reference = Reference.parse(image_url)
        with self._stations.at(Station.PULL, image_url):
            rules = await self._keeper.rules()
            async with HttpClient(anchors_pem=rules.anchors_pem, timeout=_TIMEOUT) as http:
                image = await self._pull_any(reference, rules, http, self._tree(bundle))
            bundles.write(bundle, image.config)
            self._show(image.rootfs, bundle / _ROOTFS)
            self._measure(image_url, str(image.manifest_digest))
            return image

    def drop(self, bundle: Path) -> None:
        """Delete the tree of a bundle whose container, with all mounts, is gone."""
        shutil.rmtree(self._tree(bundle).parent, ignore_errors=True)

    async def _pull_any(
        self, reference: Reference, rules: ImageRules, http: HttpClient, target: Path
    ) -> PulledImage:
        """Try the places the rules give, in order; a refusal outweighs an absence."""
        failures: list[CasemateError] = []
        for task in rules.registries.tasks(reference):
            try:
                return await self._pull_task(task, reference, rules, http, target)
            except (PeerError, VerificationError) as error:
                failures.append(error)
        refusals = [error for error in failures if isinstance(error, VerificationError)]
        raise (refusals or failures)[-1]

    async def _pull_task(
        self,
        task: Task,
        reference: Reference,
        rules: ImageRules,
        http: HttpClient,
        target: Path,
    ) -> PulledImage:
        source = Registry(
            http, task.reference, credentials=rules.credentials, plain_http=task.plain_http
        )
        judge = Judgement(
            rules.policy,
            reference,
            source=source,
            read_key=self._keeper.key,
            task=task.reference,
            lookaside=SigstorePlaces(rules.sigstore, http) if rules.sigstore else None,
        )
        with self._keys.of_one_image() as keys:
            return await pull_from(
                source,
                task.reference,
                judge=judge,
                unwrap_key=keys.unwrap,
                target=target,
                report=lambda note: self._stations.note(Station.PULL, note),
            )

    def _tree(self, bundle: Path) -> Path:
        return self._work_dir / bundle.name / _ROOTFS
