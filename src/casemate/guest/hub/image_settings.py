"""What decides about images: policy, registry rules, credentials, anchors; fetched once (§13.1)."""

import asyncio
from pathlib import Path
from typing import Final

import msgspec

from casemate.errors import InputError
from casemate.guest.hub.documents import Documents
from casemate.guest.hub.settings import ImageSettings
from casemate.oci import credentials, rules
from casemate.oci.credentials import Credentials
from casemate.oci.rules import RegistryRules
from casemate.oci.signature import lookaside, policy
from casemate.oci.signature.lookaside import Places
from casemate.oci.signature.policy import ACCEPT_ANYTHING, Policy

SYSTEM_ROOTS: Final = Path("/etc/ssl/certs/ca-certificates.crt")
HOST_CREDENTIALS: Final = Path("/run/peerpod/auth.json")
"""Where a pod VM gets pull secrets of Kubernetes, when the owner's settings name none."""


class ImageRules(msgspec.Struct, frozen=True):
    """The settings in the form a pull uses."""

    policy: Policy
    registries: RegistryRules
    credentials: Credentials
    sigstore: Places | None
    """Where simple-signing signatures lie."""
    anchors_pem: str | None


class ImageRulesKeeper:
    """Fetches rules and keys at the first pull and keeps them; a failure is not kept."""

    def __init__(
        self,
        settings: ImageSettings,
        documents: Documents,
        *,
        host_credentials: Path = HOST_CREDENTIALS,
        system_roots: Path = SYSTEM_ROOTS,
    ) -> None:
        self._settings = settings
        self._documents = documents
        self._host_credentials = host_credentials
        self._system_roots = system_roots
        self._lock = asyncio.Lock()
        self._kept: dict[str, bytes] = {}
        self._rules: ImageRules | None = None

    async def rules(self) -> ImageRules:
        """Give the rules.

        Raises:
            InputError: a document is malformed, or a proxy is asked for.
            VerificationError, PeerError, HostError: a document cannot be had.
        """
        if self._settings.image_pull_proxy is not None:
            raise InputError("[image.image_pull_proxy]", got="a proxy", want="a direct way")
        async with self._lock:
            if self._rules is None:
                self._rules = ImageRules(
                    policy=await self._policy(),
                    registries=await self._registries(),
                    credentials=await self._credentials(),
                    sigstore=await self._sigstore(),
                    anchors_pem=self._anchors(),
                )
            return self._rules

    async def key(self, place: str) -> bytes:
        """Give a key that the policy names."""
        async with self._lock:
            if place not in self._kept:
                self._kept[place] = await self._documents.fetch(place)
            return self._kept[place]

    async def _policy(self) -> Policy:
        if (place := self._settings.image_security_policy_uri) is not None:
            return policy.parse(await self._documents.fetch(place))
        if (text := self._settings.image_security_policy) is not None:
            return policy.parse(text.encode())
        return ACCEPT_ANYTHING

    async def _registries(self) -> RegistryRules:
        if (table := self._settings.registry_config) is not None:
            return rules.from_table(table)
        if (place := self._settings.registry_configuration_uri) is not None:
            return rules.parse(_text(await self._documents.fetch(place), place))
        return rules.NONE

    async def _credentials(self) -> Credentials:
        place = self._settings.authenticated_registry_credentials_uri
        if place is None:
            if not self._host_credentials.exists():
                return Credentials()
            place = str(self._host_credentials)
        return credentials.parse(await self._documents.fetch(place))

    async def _sigstore(self) -> Places | None:
        if (place := self._settings.sigstore_config_uri) is not None:
            return lookaside.parse(_text(await self._documents.fetch(place), place))
        if (text := self._settings.sigstore_config) is not None:
            return lookaside.parse(text)
        return None

    def _anchors(self) -> str | None:
        """The system's roots and the extra ones; None leaves the choice to the TLS library."""
        extra = self._settings.extra_root_certificates
        if not extra:
            return None
        system = self._system_roots.read_text() if self._system_roots.exists() else ""
        return "\n".join((*extra, system))


def _text(document: bytes, place: str) -> str:
    try:
        return document.decode()
    except UnicodeDecodeError as error:
        raise InputError(place, got="bytes that are no text", want="UTF-8") from error
