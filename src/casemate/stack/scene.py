"""A set stage: the stack is up, the owner's image and rules are in place, one pod runs."""

import asyncio
import hashlib
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from casemate.crypto.digest import Algorithm
from casemate.errors import HostError, PeerError
from casemate.guest.attestation import rcar
from casemate.podvm.image import PodVmImage
from casemate.runtime import asking, companion
from casemate.runtime.asking import Wishes
from casemate.runtime.sandbox import Sandboxes
from casemate.runtime.tracing import Trace
from casemate.secret import Secret
from casemate.stack.attacks.client import HostileClient
from casemate.stack.command import casemate
from casemate.stack.folder import Record, StateFolder
from casemate.stack.owner.desk import Desk
from casemate.trustee.evidence_archive import EvidenceArchive
from casemate.wire import kbs
from casemate.workload.application import ARRIVED, GREETING

_SHOWN_WITHIN: Final = 30.0  # seconds; the container starts before its first line is out
_PAUSE: Final = 0.2


class Pod(msgspec.Struct, frozen=True):
    """A running pod, as ``casemate pod run`` names it."""

    pod: str


@dataclass(frozen=True, slots=True)
class Recording:
    """Genuine evidence of the running pod, and the handshake that it answers."""

    binding: rcar.Binding
    evidence: bytes


@dataclass(slots=True, kw_only=True)
class Scene:
    """Everything that attacks and the demo's last steps look at.

    The application's secret is here and with the Trustee, nowhere else on the host: one of the
    attacks searches for it.
    """

    folder: StateFolder
    record: Record
    image: PodVmImage
    owner: Desk
    reference: str
    """The demo's image, as pods name it."""
    initdata: Path
    secret: Secret
    _pod: Pod | None = None
    _recording: Recording | None = None

    @property
    def pod(self) -> Pod:
        assert self._pod is not None, "the stage is set"
        return self._pod

    @property
    def secret_path(self) -> str:
        return GREETING

    @property
    def secret_digest(self) -> str:
        """SHA-256 of the secret in hex: what may be shown."""
        return hashlib.sha256(self.secret.reveal()).hexdigest()

    @property
    def initdata_text(self) -> str:
        return self.initdata.read_text()

    @property
    def trustee_authority(self) -> str:
        """PEM of the authority that the Trustee's certificate chains to."""
        return (self.folder.trustee / "ca.pem").read_text()

    async def start(self, progress: Callable[[str], None]) -> None:
        """Run the genuine pod, as ``casemate pod run`` does."""
        wishes = Wishes(image=self.reference, initdata=self.initdata, podvm=self.image.folder)
        sandboxes = Sandboxes(self.folder.root)
        pod = await sandboxes.run(asking.request(wishes), progress=progress)
        self._pod = Pod(pod.id)

    async def trace(self) -> Trace:
        """Give the pod's road so far; also once it has ended."""
        return msgspec.convert(await self._command("trace", self.pod.pod), Trace)

    async def stop(self) -> None:
        """End the genuine pod."""
        await self._command("rm", self.pod.pod)

    async def boot(self, image: Path, initdata: Path) -> str:
        """Run a pod as an attacker would have it; nothing of it stays."""
        name = f"attacker-{secrets.token_hex(4)}"
        try:
            await self._run(image, initdata, "--name", name)
        finally:
            await self._command("rm", name)
        return "the pod ran"

    async def secret_shown(self) -> str:
        """Wait for the line in which the application tells the digest of its secret."""
        loop = asyncio.get_running_loop()
        end = loop.time() + _SHOWN_WITHIN
        while True:
            text = await self._logs(self.pod.pod)
            line = next((t for t in text.splitlines() if t.startswith(ARRIVED)), None)
            if line is not None:
                return line
            if loop.time() > end:
                raise HostError("pod logs", got=text, want="a line with the secret's digest")
            await asyncio.sleep(_PAUSE)

    async def add(self, reference: str, *command: str) -> bytes:
        """Run one more container in the genuine pod, to its end; give what it printed."""
        pod = Sandboxes(self.folder.root).pods.find(self.pod.pod)
        done = await companion.run(pod, reference, command)
        if done.status != 0:
            words = done.stderr.decode(errors="replace")
            raise PeerError("container", got=f"status {done.status}: {words}", want="status 0")
        return done.stdout

    def recording(self) -> Recording:
        """Give the running pod's genuine handshake, as the Trustee kept it.

        An attacker who overheard it all, under TLS, would hold no more than this.
        """
        if self._recording is None:
            kept = EvidenceArchive(self.folder.trustee / "evidence", most=1).newest_first()
            bodies = (kbs.parse_attestation(file.read_bytes()) for file in kept)
            ours = (body for body in bodies if _initdata(body) == self.initdata_text)
            if (genuine := next(ours, None)) is None:
                raise HostError("evidence", got="none kept", want="the running pod's handshake")
            binding = rcar.Binding(genuine.runtime_data, Algorithm.SHA384)
            evidence = bytes(genuine.tee_evidence.primary_evidence)
            self._recording = Recording(binding, evidence)
        return self._recording

    def hostile_client(self) -> HostileClient:
        """Give a client of the Trustee that the attacker drives."""
        url = f"https://127.0.0.1:{self.record.trustee_port}"
        return HostileClient(url, anchors_pem=self.trustee_authority)

    @contextmanager
    def document(self, name: str, text: str) -> Iterator[Path]:
        """Write a document of the attacker's; it is gone afterwards."""
        file = self.folder.root / f"{secrets.token_hex(4)}-{name}"
        file.write_text(text)
        try:
            yield file
        finally:
            file.unlink()

    async def _run(self, image: Path, initdata: Path, *more: str) -> Pod:
        options: tuple[str | Path, ...] = ("--initdata", initdata, "--podvm", image, *more)
        answer = await self._command("run", self.reference, options=options)
        return msgspec.convert(answer, Pod)

    async def _logs(self, *arguments: str) -> str:
        answer = await self._command("logs", *arguments)
        return str(answer["stdout"])

    async def _command(
        self, verb: str, *arguments: str, options: tuple[str | Path, ...] = ()
    ) -> Any:
        return await casemate("pod", verb, *arguments, "--state", self.folder.root, *options)


def _initdata(body: kbs.Attestation) -> str | None:
    return body.init_data.body if body.init_data else None
