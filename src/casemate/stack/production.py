"""A Trustee with the production policy, which listens even to the sample TEE.

In profile production it would not listen to that TEE at all; here the policy alone must hold.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from casemate.linux import daemon, process
from casemate.net import ports
from casemate.stack import probe
from casemate.stack.attacks.client import HostileClient
from casemate.stack.program import CASEMATE

_SETTINGS: Final = {
    "CASEMATE_TRUSTEE_PROFILE": "development",
    "CASEMATE_TRUSTEE_SAMPLE": "true",
    "CASEMATE_TRUSTEE_RESOURCE_POLICY": "production",
}


@asynccontextmanager
async def production_trustee() -> AsyncIterator[HostileClient]:
    """Run such a Trustee for a moment; gives a client of it."""
    with tempfile.TemporaryDirectory(prefix="casemate-production-") as place:
        folder = Path(place) / "trustee"
        await process.run_async([*CASEMATE, "trustee", "init", folder], timeout=60)
        port = ports.free()
        log = Path(place) / "log"
        started = daemon.spawn(
            [*CASEMATE, "trustee", "serve", "--config", folder / "trustee.toml"],
            log=log,
            env={**_SETTINGS, "CASEMATE_TRUSTEE_HTTP_PORT": str(port)},
        )
        try:
            anchors = (folder / "ca.pem").read_bytes()
            url = f"https://{ports.LOOPBACK}:{port}"
            await probe.ready("trustee", started, probe.answers(url, anchors_pem=anchors), log=log)
            async with HostileClient(url, anchors_pem=anchors.decode()) as client:
                yield client
        finally:
            await asyncio.to_thread(daemon.stop, started, grace=5.0)
