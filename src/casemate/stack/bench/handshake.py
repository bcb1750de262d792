"""Handshakes with a resource against a Trustee of its own, beside their bare cryptography.

The server is another process on the loopback, TLS kept alive, evidence ``sample``. Ours is what
one core of the server does: handshakes for each second of its processor time, so that the client
(which costs as much) and other work of the machine do not count. The floor is the cryptography
that the server cannot leave out, in this process.
"""

import asyncio
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from casemate.crypto import jwe
from casemate.crypto.keys import Kind, PrivateKey
from casemate.errors import PeerError
from casemate.linux import daemon, program
from casemate.net import ports
from casemate.net.http import HttpClient, Response
from casemate.net.kbs_admin import KbsAdmin
from casemate.stack import probe
from casemate.stack.bench.result import BenchResult
from casemate.stack.program import CASEMATE
from casemate.tee.sample.attester import SampleAttester
from casemate.wire import kbs

_PATH: Final = "default/bench/secret"
_SECRET: Final = bytes(32)
_POLICY: Final = 'package policy\nimport rego.v1\ndefault allow := false\nallow if {\n\
data.plugin == "resource"\ninput.submods.cpu0["ear.veraison.annotated-evidence"].sample\n}\n'
_GRACE: Final = 5.0  # seconds for the server to end
_TICKS: Final = os.sysconf("SC_CLK_TCK")


async def run(
    progress: Callable[[str], None], *, handshakes: int = 2000, clients: int = 8
) -> BenchResult:
    """Measure.

    Raises:
        HostError: no server could be started.
        PeerError: it refused a handshake.
    """
    folder = Path(tempfile.mkdtemp(prefix="casemate-bench-"))
    try:
        return await _run(folder, progress, handshakes, clients)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _run(
    folder: Path, progress: Callable[[str], None], handshakes: int, clients: int
) -> BenchResult:
    progress("floor: bare cryptography")
    floor = bare(200)
    site = folder / "trustee"
    program.run([*CASEMATE, "trustee", "init", site], timeout=60)
    port = ports.free()
    server = daemon.spawn(
        [*CASEMATE, "trustee", "serve", "--config", site / "trustee.toml"],
        log=folder / "log",
        env={
            "CASEMATE_TRUSTEE_HTTP_PORT": str(port),
            "CASEMATE_TRUSTEE_PROFILE": "development",
            "CASEMATE_TRUSTEE_SAMPLE": "true",
        },
    )
    try:
        url = f"https://{ports.LOOPBACK}:{port}"
        anchors = (site / "ca.pem").read_text()
        ask = probe.answers(f"{url}/healthz", anchors_pem=anchors.encode())
        await probe.ready("Trustee", server, ask, log=folder / "log")
        await _prepare(url, anchors, PrivateKey.from_pem((site / "admin.key").read_bytes()))
        progress(f"{handshakes} handshakes with {clients} clients")
        await _drive(url, anchors, handshakes // 10, clients)
        return await _measure(url, anchors, server.pid, handshakes, clients, floor)
    finally:
        daemon.stop(server, grace=_GRACE)


async def _measure(  # noqa: PLR0917 - private, called once
    url: str, anchors: str, pid: int, handshakes: int, clients: int, floor: float
) -> BenchResult:
    processor, wall = _processor_seconds(pid), time.perf_counter()
    done = await _drive(url, anchors, handshakes, clients)
    wall = time.perf_counter() - wall
    processor = _processor_seconds(pid) - processor
    return BenchResult(
        name="handshake",
        unit="handshakes with a resource /s on one core",
        ours=done / processor,
        floor=1 / floor,
        floor_name="bare cryptography of a handshake",
        ratio=done / processor * floor,
        details={
            "handshakes": done,
            "handshakes_per_second_seen": done / wall,
            "server_cores_used": processor / wall,
            "server_ms_per_handshake": processor / done * 1000,
            "floor_ms_per_handshake": floor * 1000,
        },
    )


def bare(rounds: int) -> float:
    """Seconds of the server's cryptography in one handshake: report data, ES256 twice, one JWE."""
    signer, tee = PrivateKey.generate(Kind.P256), PrivateKey.generate(Kind.P256)
    recipient = jwe.recipient(tee.public)
    runtime, message = kbs.RuntimeData("n" * 44, recipient), bytes(2048)
    begin = time.process_time()
    for _ in range(rounds):
        kbs.report_data(runtime, "")
        signer.public.verify(signer.sign(message), message, "ES256")
        jwe.encrypt(_SECRET, recipient)
    return (time.process_time() - begin) / rounds


async def _prepare(url: str, anchors: str, key: PrivateKey) -> None:
    async with HttpClient(anchors_pem=anchors) as http:
        owner = KbsAdmin(http, url, key)
        await owner.set_resource(_PATH, _SECRET)
        await owner.set_resource_policy(_POLICY)


async def _drive(url: str, anchors: str, handshakes: int, clients: int) -> int:
    each = max(1, handshakes // clients)
    async with asyncio.TaskGroup() as group:
        for _ in range(clients):
            group.create_task(_client(url, anchors, each))
    return each * clients


async def _client(url: str, anchors: str, rounds: int) -> None:
    key = PrivateKey.generate(Kind.P256)
    recipient = jwe.recipient(key.public)
    request = kbs.encode(kbs.Request("0.4.0", "sample", kbs.EMPTY_PARAMETERS))
    attester = SampleAttester()
    async with HttpClient(anchors_pem=anchors) as http:

        async def ask(method: str, path: str, body: bytes = b"", cookie: str = "") -> Response:
            headers = [("cookie", cookie)] if cookie else []
            answer = await http.request(method, f"{url}{kbs.PREFIX}/{path}", headers, body)
            if answer.status != 200:
                raise PeerError(path, got=answer.body.decode(errors="replace"), want="status 200")
            return answer

        for number in range(rounds):
            challenge = await ask("POST", "auth", request)
            cookie = (challenge.header("set-cookie") or "").partition(";")[0]
            runtime = kbs.RuntimeData(kbs.parse_challenge(challenge.body).nonce, recipient)
            evidence = attester.evidence(kbs.report_data(runtime, "").value)
            attestation = kbs.Attestation(runtime, kbs.CompositeEvidence(msgspec.Raw(evidence)))
            await ask("POST", "attest", kbs.encode(attestation), cookie)
            sealed = await ask("GET", f"resource/{_PATH}", cookie=cookie)
            if number == 0 and jwe.decrypt(sealed.body, key).reveal() != _SECRET:
                raise PeerError("resource", got="another secret", want="the one stored")


def _processor_seconds(pid: int) -> float:
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:  # noqa: PTH123 - procfs answers at once
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS
