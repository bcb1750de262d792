"""An IBM Z machine with a VM on it, the service that vouches for it, and a guest that attests."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from casemate.crypto.keys import Kind, PrivateKey
from casemate.guest.attestation import rcar
from casemate.guest.attestation.settings import TeeKeyAlgorithm
from casemate.tee.se.fake_vendor import ROOT, FakeVendor
from casemate.tee.se.image_header import ImageTags, encode_header
from casemate.tee.se.report import SeRequest, SeResponse
from casemate.tee.se.request_block import hash_of
from casemate.tee.se.ultravisor import Ultravisor

IMAGE = ImageTags(b"\1" * 64, b"\2" * 64, b"\3" * 64, b"\4" * 16)
OTHER_IMAGE = ImageTags(b"\1" * 64, b"\2" * 64, b"\3" * 64, b"\5" * 16)

Post = Callable[[str, bytes, str], Awaitable[tuple[int, bytes, str]]]
"""Path, body, cookie -> status, body, cookie."""


@dataclass
class Mainframe:
    """The machine, and what its vendor publishes about it."""

    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    host: PrivateKey = field(default_factory=lambda: PrivateKey.generate(Kind.P521))
    image: ImageTags = IMAGE

    def __post_init__(self) -> None:
        self.vendor = FakeVendor(self.now)

    @property
    def machine(self) -> Ultravisor:
        own = hash_of(self.host.public)
        return Ultravisor(host_key=self.host, image=self.image, image_key_hash=own, cuid=b"c" * 16)

    def install(
        self, folder: Path, fault: str = "", images: tuple[ImageTags, ...] = (IMAGE,)
    ) -> None:
        """Write upstream's folders, right or with one fault."""
        roots, published = self.vendor.publishes({"host-key.pem": self.host.public}, fault)
        for name in ("hkds", "certs", "crls", "hdr"):
            (folder / name).mkdir(parents=True, exist_ok=True)
            for old in (folder / name).iterdir():
                old.unlink()
        (folder / "root_ca.crt").write_bytes(roots[ROOT])
        for name, body in published.items():
            kind = "crls" if "list" in name else "hkds" if name == "host-key.pem" else "certs"
            (folder / kind / name).write_bytes(body)
        for number, image in enumerate(images):
            (folder / "hdr" / f"hdr{number}.bin").write_bytes(encode_header(image))


def settings(folder: Path, images: int = 1) -> dict[str, Any]:
    """Give the Trustee's settings for folders that ``install`` wrote."""
    return {
        "se.host_key_documents": str(folder / "hkds"),
        "se.certificates": str(folder / "certs"),
        "se.root": str(folder / "root_ca.crt"),
        "se.lists": str(folder / "crls"),
        "se.image_headers": [str(folder / "hdr" / f"hdr{n}.bin") for n in range(images)],
    }


@dataclass
class SecureGuest:
    """Attests as upstream's guest does; every message can be changed on its way."""

    machine: Ultravisor
    post: Post
    key: rcar.TeeKey = field(default_factory=lambda: rcar.TeeKey.generate(TeeKeyAlgorithm.EC_P256))
    challenge: bytes = b""
    cookie: str = ""

    async def auth(self, body: bytes | None = None) -> tuple[int, bytes]:
        status, answer, cookie = await self.post("auth", body or rcar.request("se"), "")
        if status == 200:
            self.challenge, self.cookie = answer, cookie.partition(";")[0]
        return status, answer

    @property
    def nonce(self) -> str:
        return str(json.loads(self.challenge)["nonce"])

    def response(self, nonce: str | None = None) -> SeResponse:
        """Let the machine answer the challenge, bound to the guest's key."""
        binding = rcar.bind(self.challenge, self.key)
        request = msgspec.json.decode(nonce or self.nonce, type=SeRequest)
        own = msgspec.structs.replace(request, runtime_data_digest=binding.report_data().value)
        assert own.runtime_data_digest is not None
        return self.machine.answer(own, own.runtime_data_digest)

    async def attest(
        self, response: SeResponse | None = None, *, initdata: str | None = None
    ) -> tuple[int, bytes]:
        binding = rcar.bind(self.challenge, self.key)
        evidence = msgspec.json.encode(response or self.response())
        body = rcar.attestation(binding, evidence, initdata=initdata)
        status, answer, _ = await self.post("attest", body, self.cookie)
        return status, answer
