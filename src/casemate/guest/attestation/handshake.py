"""RCAR over the network: the thin IO around ``rcar``."""

import asyncio
import re
from collections.abc import Iterable, Sequence
from typing import Final, Protocol

from casemate.errors import PeerError
from casemate.guest.attestation import rcar
from casemate.guest.attestation.settings import TeeKeyAlgorithm
from casemate.guest.broker import Broker
from casemate.guest.reporting import Stations
from casemate.net.http import Headers, Response
from casemate.tee.attesters import SLOW
from casemate.trace import Station
from casemate.wire import kbs

_TRIES: Final = 5
_JSON: Final = ("content-type", "application/json")
_COOKIE: Final = re.compile(rf"{kbs.SESSION_COOKIE}=([0-9A-Za-z._~+/=-]{{1,256}})(?:;.*)?")


class EvidenceSource(Protocol):
    """The part of an attester that a handshake needs."""

    @property
    def tee(self) -> str: ...

    def evidence(self, report_data: bytes) -> bytes: ...


async def evidence_of(source: EvidenceSource, report_data: bytes) -> bytes:
    """Have evidence made: here, or on a thread of its own where it takes seconds.

    Raises:
        CasemateError: what the source raises.
    """
    if source.tee in SLOW:
        return await asyncio.to_thread(source.evidence, report_data)
    return source.evidence(report_data)


async def gather(devices: Iterable[EvidenceSource], report_data: bytes) -> dict[str, bytes]:
    """Have the evidence of devices made, one after the other: TEE name → JSON.

    Raises:
        CasemateError: one of them refuses; nothing is attested without it.
    """
    return {device.tee: await evidence_of(device, report_data) for device in devices}


class Handshake:
    """Everything one kind of handshake needs, but its fresh key.

    Args:
        broker: whom to attest to.
        attester: the TEE this guest runs in.
        stations: told what happens.
        devices: what attests beside it, in order.
        key_algorithm: of the fresh key.
        initdata: the TOML text that the TEE has bound.
    """

    def __init__(
        self,
        broker: Broker,
        attester: EvidenceSource,
        stations: Stations,
        *,
        devices: Sequence[EvidenceSource] = (),
        key_algorithm: TeeKeyAlgorithm = TeeKeyAlgorithm.EC_P256,
        initdata: str | None = None,
    ) -> None:
        self._broker = broker
        self._attester = attester
        self._stations = stations
        self._devices = devices
        self._key_algorithm = key_algorithm
        self._initdata = initdata

    async def attest(self) -> rcar.Passport:
        """Attest anew, with a fresh key.

        Raises:
            VerificationError: the broker is not the pinned one, or refuses; with its reason.
            PeerError: it cannot be reached, or breaks the protocol.
            HostError: the TEE or a device refuses.
        """
        tee = self._attester.tee
        with self._stations.at(Station.ATTEST, f"{tee} evidence to {self._broker.url}"):
            key = rcar.TeeKey.generate(self._key_algorithm)
            challenge = await self._post("auth", rcar.request(tee))
            binding = rcar.bind(challenge.body, key, tee)
            devices = await gather(self._devices, binding.device_report_data.value)
            additional = rcar.additional_evidence(devices)
            evidence = await evidence_of(self._attester, binding.asked(tee, additional))
            body = rcar.attestation(
                binding, evidence, additional_evidence=additional, initdata=self._initdata
            )
            answer = await self._post("attest", body, _session(challenge))
            return rcar.passport(answer.body, key)

    async def _post(self, path: str, body: bytes, cookie: Headers = ()) -> Response:
        answer = await self._broker.request(
            "POST",
            f"{kbs.PREFIX}/{path}",
            station=Station.ATTEST,
            tries=_TRIES,
            headers=(_JSON, *cookie),
            body=body,
        )
        if answer.status != 200:
            raise rcar.failure(
                answer.status,
                answer.body,
                station=Station.ATTEST,
                claim=f"{self._attester.tee} evidence",
            )
        return answer


def _session(answer: Response) -> Headers:
    """Carry the session cookie on; its attributes do not concern us."""
    for name, value in answer.headers:
        if name == "set-cookie" and (match := _COOKIE.fullmatch(value)):
            return (("cookie", f"{kbs.SESSION_COOKIE}={match[1]}"),)
    raise PeerError("key broker", got="no session cookie", want=kbs.SESSION_COOKIE)
