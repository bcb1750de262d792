"""The owner's desk on a table: image built, encrypted, pushed and signed, and the guest's pull."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from casemate.crypto.digest import Digest
from casemate.crypto.keys import Kind, PrivateKey
from casemate.net.http import HttpClient
from casemate.oci.credentials import Credentials
from casemate.oci.encryption.packet import AnnotationPacket, unwrap
from casemate.oci.layout import Layout
from casemate.oci.pull import Guards, PulledImage, pull
from casemate.oci.reference import Reference
from casemate.oci.registry import Registry
from casemate.oci.rules import NONE, RegistryRules
from casemate.oci.signature import policy as policies
from casemate.oci.signature.identity import MatchRepository
from casemate.secret import Secret
from casemate.workload import application, encryption, publish
from casemate.workload.encryption import WrappingKey
from tests.sim.registry import RunningRegistry

KEY_URI = "kbs:///default/image-key/demo"


@dataclass(slots=True)
class Desk:
    """An owner with keys and a registry; every step may be taken again, or wrongly."""

    registry: RunningRegistry
    folder: Path
    wrapping: WrappingKey = field(default_factory=lambda: WrappingKey.create(KEY_URI))
    signer: PrivateKey = field(default_factory=lambda: PrivateKey.generate(Kind.P256))
    asked: list[AnnotationPacket] = field(default_factory=list)
    credentials: Credentials | None = None
    names: Iterator[int] = field(default_factory=lambda: iter(range(1000)))

    def reference(self, name: str) -> Reference:
        return Reference.parse(f"{self.registry.host}/{name}")

    def http(self) -> HttpClient:
        return HttpClient(anchors_pem=self.registry.anchors_pem, timeout=20)

    async def push(self, name: str, *, encrypt: bool = True) -> Digest:
        number = next(self.names)
        layout = Layout.create(self.folder / f"plain-{number}")
        entry = application.build(layout)
        if encrypt:
            sealed = Layout.create(self.folder / f"sealed-{number}")
            await encryption.encrypt_image(
                layout,
                entry,
                into=sealed,
                name="demo",
                wrapping=self.wrapping,
                layers=[application.APPLICATION_LAYER],
            )
            layout, entry = sealed, sealed.entry("demo")
        reference = self.reference(name)
        async with self.http() as http:
            registry = Registry(http, reference, credentials=self.credentials)
            pushed = await publish.push(layout, entry, registry, reference, lambda _: None)
        return pushed.digest

    async def sign(self, name: str, digest: Digest, key: PrivateKey | None = None) -> None:
        reference = self.reference(name)
        async with self.http() as http:
            registry = Registry(http, reference, credentials=self.credentials)
            await publish.sign(registry, reference, digest, key or self.signer)

    def policy(self) -> policies.Policy:
        """Only images of this registry, signed by the owner, pass."""
        signed: policies.Requirement = policies.SigstoreSigned(
            key_path="kbs:///default/cosign/key",
            signed_identity=MatchRepository(),
        )
        table: dict[str, dict[str, tuple[policies.Requirement, ...]]]
        table = {"docker": {self.registry.host: (signed,)}}
        return policies.Policy(default=(policies.Reject(),), transports=table)

    async def unwrap_key(self, packet: AnnotationPacket) -> Secret:
        self.asked.append(packet)
        assert packet.kid == self.wrapping.uri
        return unwrap(packet, self.wrapping.key)

    async def read_key(self, path: str) -> bytes:
        assert path == "kbs:///default/cosign/key"
        await asyncio.sleep(0)
        return self.signer.public.pem()

    async def pull(
        self,
        name: str,
        target: Path,
        policy: policies.Policy | None = None,
        *,
        rules: RegistryRules = NONE,
    ) -> PulledImage:
        guards = Guards(policy or self.policy(), self.read_key, self.unwrap_key)
        async with self.http() as http:
            return await pull(
                self.reference(name),
                http=http,
                guards=guards,
                target=target,
                rules=rules,
                credentials=self.credentials,
            )
