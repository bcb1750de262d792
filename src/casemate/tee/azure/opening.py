"""Guests of Azure: found by the paravisor's report in the TPM, attested with the metadata service.

Evidence takes some seconds (the paravisor makes its report when it likes), and asks by HTTP; both
block, so whoever serves others meanwhile calls from a thread of its own.
"""

import asyncio
import time
from pathlib import Path
from typing import Final

from casemate.errors import HostError, PeerError
from casemate.linux.tpm import TpmDevice
from casemate.net.http import HttpClient
from casemate.tee.az_snp_vtpm import attester as snp
from casemate.tee.az_tdx_vtpm import attester as tdx
from casemate.tee.azure import metadata
from casemate.tee.azure.attester import WAIT, AzureAttester, kind_of
from casemate.tee.azure.hcl import Kind
from casemate.tee.machine import Machine
from casemate.tee.vtpm.attester import find_device

_TIMEOUT: Final = 10.0
"""Seconds for each answer of the metadata service."""


class SharedDevice:
    """A TPM device that is opened for each command, so that it serves several threads."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def transmit(self, command: bytes) -> bytes:
        device = TpmDevice(self._path)
        try:
            return device.transmit(command)
        finally:
            device.close()


def kind(machine: Machine) -> Kind | None:
    """Say which hardware is below the paravisor; None without one.

    Raises:
        HostError: there is no TPM, or it refuses.
    """
    return kind_of(_tpm(machine))


def open_snp(machine: Machine) -> AzureAttester:
    """Make the attester of a guest on SEV-SNP."""
    return snp.attester(_tpm(machine), fetch=fetch, wait=_wait)


def open_tdx(machine: Machine) -> AzureAttester:
    """Make the attester of a guest on TDX."""
    return tdx.attester(_tpm(machine), fetch=fetch, wait=_wait)


def fetch(request: metadata.Request) -> bytes:
    """Ask the metadata service; blocks, and may not be called where a loop runs.

    Raises:
        HostError: it is not there, or refuses.
    """
    return asyncio.run(_fetch(request))


async def _fetch(request: metadata.Request) -> bytes:
    client = HttpClient(timeout=_TIMEOUT)
    try:
        answer = await client.request(
            "POST" if request.body else "GET",
            request.url,
            request.headers,
            request.body,
            largest=metadata.LARGEST,
        )
    except PeerError as error:
        raise HostError(
            "metadata service",
            got=error.got,
            want=f"an answer of {metadata.HOST}",
            spec="tee §7.5",
            remedy="169.254.169.254 must be reachable from this guest",
        ) from error
    finally:
        await client.close()
    if answer.status != 200:
        raise HostError(
            "metadata service", got=f"status {answer.status}", want="status 200", spec="tee §7.5"
        )
    return answer.body


def _tpm(machine: Machine) -> SharedDevice:
    device = find_device(machine.environ, root=machine.root)
    if device is None:
        raise HostError("TPM", got="no device", want="Azure's virtual TPM", spec="tee §7.5")
    return SharedDevice(device)


def _wait() -> None:
    time.sleep(WAIT)
