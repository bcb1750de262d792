"""What the demo's owner does before any pod runs, each by a command that a person can repeat."""

import secrets
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from casemate.oci.layout import Layout
from casemate.oci.manifest import Manifest, parse_document
from casemate.podvm.image import PodVmImage
from casemate.secret import Secret
from casemate.stack import command
from casemate.stack.folder import Record, StateFolder
from casemate.stack.owner import documents
from casemate.wire.initdata import Initdata, parse
from casemate.workload.application import APPLICATION_LAYER, GREETING

_MARKER: Final = 48  # bytes: too many to be found by chance
_GATEWAY: Final = "10.0.2.2"
"""This machine, as a guest behind QEMU's user-mode network sees it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """The owner's folder, and the parties the owner speaks to. ``tell`` is given each command."""

    folder: StateFolder
    record: Record
    tell: Callable[[str], None]

    @property
    def registry(self) -> str:
        """The registry as images name it."""
        return f"localhost:{self.record.registry_port}"

    @property
    def initdata_file(self) -> Path:
        return self.folder.owner / "initdata.toml"

    async def application(self) -> Path:
        """Make the tiny application image, in clear; give its OCI layout."""
        layout = self.folder.owner / "app"
        shutil.rmtree(layout, ignore_errors=True)
        await self._run("image", "build", layout)
        return layout

    async def marker(self) -> bytes:
        """Give bytes out of the layer that is worth hiding: wherever they show, it is readable."""
        layout = Layout(self.folder.owner / "app")
        manifest = parse_document((await layout.document("")).raw)
        assert isinstance(manifest, Manifest), "an image built here is no index"
        layer = manifest.layers[APPLICATION_LAYER]
        blob = b"".join([piece async for piece in layout.blob(layer)])
        return blob[len(blob) // 2 :][:_MARKER]

    async def publish(self, tag: str, *, signed_with: Path | None) -> str:
        """Encrypt the application anew, push it under ``tag``, sign it; give the reference."""
        layout = self.folder.owner / f"app-{tag}"
        shutil.rmtree(layout, ignore_errors=True)
        plain, key = self.folder.owner / "app", self.folder.owner / f"{tag}.key"
        resource = f"{documents.IMAGE_KEY}-{tag}"
        reference = f"{self.registry}/{documents.REPOSITORY}:{tag}"
        sealing = ("--key-id", f"kbs:///{resource}", "--key-file", key)
        await self._run("image", "encrypt", plain, layout, *sealing)
        await self._kbs_run("set", resource, key)
        await self._run("image", "push", layout, reference, *self._registry_authority)
        if signed_with is not None:
            signing = ("--key", signed_with, *self._registry_authority)
            await self._run("image", "sign", reference, *signing)
        return reference

    async def layer_digest(self, reference: str) -> str:
        """Give the digest of an image's first layer, as the registry keeps it."""
        return str((await self.inspect(reference))["layers"][0]["digest"])

    async def inspect(self, reference: str) -> Any:
        """Read back what the registry holds."""
        return await self._run("image", "inspect", reference, *self._registry_authority)

    async def rules(self, image: PodVmImage, initdata: Initdata) -> None:
        """Tell the Trustee which pod VM may have what, and who may sign images."""
        rule = self._kept("resource.rego", documents.resource_policy(initdata).encode())
        policy = self._kept("image-policy.json", documents.image_policy(self.registry))
        public = (await self.signing_key()).with_suffix(".key.pub")
        await self._kbs_run("reference", "set", image.reference_values)
        await self._kbs_run("policy", "set", "resource", rule)
        await self._kbs_run("set", documents.IMAGE_POLICY, policy)
        await self._kbs_run("set", documents.SIGNING_KEY, public)

    async def secret(self) -> Secret:
        """Make the application's secret and give it to the Trustee; it touches no disk of ours."""
        secret = Secret(secrets.token_hex(32).encode())
        await self._kbs_run("set", GREETING, "-", input=secret.reveal())
        return secret

    async def initdata(self) -> Initdata:
        """Write the pod's own configuration; its digest is what the pod will be bound to."""
        trustee = f"https://{_GATEWAY}:{self.record.trustee_port}"
        authority = (self.folder.trustee / "ca.pem").read_text()
        agent = documents.agent_configuration(trustee=trustee, authority=authority)
        hub = documents.hub_configuration(
            trustee=trustee,
            authority=authority,
            registry=self.registry,
            reachable_at=f"{_GATEWAY}:{self.record.registry_port}",
            registry_authority=(self.folder.registry / "ca.pem").read_text(),
        )
        files = [
            self._kept("aa.toml", agent.encode()),
            self._kept("cdh.toml", hub.encode()),
            self._kept("policy.rego", documents.agent_policy(self.registry).encode()),
        ]
        words: tuple[str | Path, ...] = ("initdata", "build", *files, "-o", self.initdata_file)
        self.tell(self._shown(words))
        await command.plain(*words)
        return parse(self.initdata_file.read_bytes())

    async def signing_key(self) -> Path:
        """Give the file of the owner's signing key; it is made the first time."""
        file = self.folder.owner / "cosign.key"
        if not file.exists():
            await self._run("image", "keygen", file)
        return file

    @property
    def environment(self) -> dict[str, str]:
        """How the owner reaches the Trustee: what the shown commands leave out."""
        trustee = self.folder.trustee
        return {
            "CASEMATE_KBS_URL": f"https://127.0.0.1:{self.record.trustee_port}",
            "CASEMATE_KBS_CA": str(trustee / "ca.pem"),
            "CASEMATE_KBS_ADMIN_KEY": str(trustee / "admin.key"),
        }

    def tell_environment(self) -> None:
        """Show the variables, so that the commands shown later can be repeated."""
        self.tell(f"export STATE={self.folder.root}")
        for name, value in self.environment.items():
            self.tell(f"export {name}={self._short(value)}")

    @property
    def _registry_authority(self) -> tuple[str | Path, ...]:
        return ("--ca", self.folder.registry / "ca.pem")

    def _kept(self, name: str, content: bytes) -> Path:
        file = self.folder.owner / name
        file.write_bytes(content)
        return file

    async def _kbs_run(
        self,
        *arguments: str | Path,
        input: bytes | None = None,  # noqa: A002
    ) -> Any:
        return await self._run("kbs", *arguments, input=input)

    async def _run(
        self,
        *arguments: str | Path,
        input: bytes | None = None,  # noqa: A002
    ) -> Any:
        self.tell(self._shown(arguments))
        return await command.casemate(*arguments, input=input, env=self.environment)

    def _shown(self, arguments: tuple[str | Path, ...]) -> str:
        """The command as a person would type it."""
        return self._short(" ".join(("casemate", *map(str, arguments))))

    def _short(self, text: str) -> str:
        return text.replace(str(self.folder.root), "$STATE")
