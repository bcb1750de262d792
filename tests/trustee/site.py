"""A whole Trustee in a folder, asked without a server, and the client that bends every step."""

import base64
import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from casemate.crypto import base64url, jwe, jwt
from casemate.crypto.authority import CertificateAuthority
from casemate.crypto.keys import Kind, PrivateKey
from casemate.secret import Secret
from casemate.tee.sample.attester import SampleAttester
from casemate.trustee.found import found
from casemate.trustee.kbs.exchange import Answer, Ask
from casemate.trustee.serve import Trustee
from casemate.wire import kbs

START = time.time()


@dataclass
class Clock:
    now: float = START

    def __call__(self) -> float:
        return self.now


@dataclass
class Site:
    folder: Path
    trustee: Trustee
    clock: Clock
    platform: CertificateAuthority

    @classmethod
    def found(cls, folder: Path, **settings: Any) -> "Site":
        found(folder)
        platform = CertificateAuthority.create("platform")
        (folder / "platform.pem").write_bytes(platform.certificate_pem)
        return cls.open(folder, Clock(), platform, **settings)

    @classmethod
    def open(
        cls, folder: Path, clock: Clock, platform: CertificateAuthority, **settings: Any
    ) -> "Site":
        overrides = {
            "profile": "development",
            "sample": True,
            "ak_authorities": ["platform.pem"],
            "resource_policy": "allow_all",
        } | {name.replace("__", "."): value for name, value in settings.items()}
        trustee = Trustee.build(
            folder / "trustee.toml", environment={}, overrides=overrides, clock=clock
        )
        return cls(folder, trustee, clock, platform)

    def reopened(self, **settings: Any) -> "Site":
        self.trustee.close()
        return Site.open(self.folder, self.clock, self.platform, **settings)

    def ask(self, method: str, path: str, body: bytes | object = b"", **headers: str) -> Answer:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        target = path if path.startswith("/") else f"/kbs/v0/{path}"
        assert self.trustee.broker is not None
        return self.trustee.broker.answer(
            Ask(method=method, target=target, headers=headers, body=data)
        )

    @property
    def admin_key(self) -> PrivateKey:
        return PrivateKey.from_pem((self.folder / "admin.key").read_bytes())

    def admin_token(self, key: PrivateKey | None = None, **claims: Any) -> str:
        whole = {"role": "admin", "exp": self.clock() + 60} | claims
        return jwt.sign({k: v for k, v in whole.items() if v is not None}, key or self.admin_key)

    def admin(self, method: str, path: str, body: bytes | object = b"", **claims: Any) -> Answer:
        token = self.admin_token(**claims)
        return self.ask(method, path, body, authorization=f"Bearer {token}")

    def set_policy(self, text: str) -> Answer:
        return self.admin("POST", "resource-policy", {"policy": base64url.encode(text.encode())})

    def register(self, **values: Any) -> Answer:
        payload = base64.b64encode(json.dumps(values).encode()).decode()
        return self.admin("POST", "reference-value", {"type": "sample", "payload": payload})

    def put(self, path: str, value: bytes) -> None:
        assert self.admin("POST", f"resource/{path}", value).status == 200

    def client(self, attester: Any = None) -> "Client":
        return Client(self, attester or SampleAttester())


@dataclass
class Client:
    """Steps of RCAR, one by one; every part can be swapped by an attacker."""

    site: Site
    attester: Any
    key: PrivateKey = field(default_factory=lambda: PrivateKey.generate(Kind.P256))
    cookie: str = ""
    nonce: str = ""

    def auth(self) -> Answer:
        request = {"version": "0.4.0", "tee": self.attester.tee, "extra-params": ""}
        answer = self.site.ask("POST", "auth", request)
        if answer.status == 200:
            self.nonce = json.loads(answer.body)["nonce"]
            self.cookie = dict(answer.headers)["set-cookie"].partition(";")[0]
        return answer

    def runtime_data(self) -> kbs.RuntimeData:
        return kbs.RuntimeData(self.nonce, jwe.recipient(self.key.public))

    def evidence(self, devices: str = "") -> bytes:
        evidence: bytes = self.attester.evidence(
            kbs.report_data(self.runtime_data(), devices).value
        )
        return evidence

    def attest(
        self, evidence: bytes | None = None, *, initdata: str | None = None, devices: str = ""
    ) -> Answer:
        attestation = kbs.Attestation(
            self.runtime_data(),
            kbs.CompositeEvidence(msgspec.Raw(evidence or self.evidence(devices)), devices),
            None if initdata is None else kbs.InitDataField("toml", initdata),
        )
        return self.site.ask("POST", "attest", kbs.encode(attestation), cookie=self.cookie)

    def token(self, **options: Any) -> str:
        assert self.auth().status == 200
        answer = self.attest(**options)
        assert answer.status == 200, answer.body
        return kbs.parse_token_answer(answer.body).token

    def get(self, path: str, **headers: str) -> Answer:
        return self.site.ask("GET", f"resource/{path}", **({"cookie": self.cookie} | headers))

    def secret(self, path: str) -> Secret:
        answer = self.get(path)
        assert answer.status == 200, answer.body
        return jwe.decrypt(answer.body, self.key)


def refusal(answer: Answer) -> kbs.ErrorBody:
    return kbs.parse_error(answer.body)


def variant(answer: Answer) -> str:
    return refusal(answer).type.removeprefix(kbs.ERROR_TYPE_PREFIX)


def claims_of(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = json.loads(jwt.parse(token).payload)
    return claims
