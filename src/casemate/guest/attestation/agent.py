"""The attestation agent itself: what its sockets, the hub and the REST server all ask."""

import hmac
from collections.abc import Sequence
from typing import Final, Protocol

import msgspec

from casemate.crypto import base64url
from casemate.crypto.digest import Algorithm, Digest
from casemate.errors import InputError, PeerError, Refusal, VerificationError
from casemate.guest.attestation import rcar
from casemate.guest.attestation.handshake import (
    EvidenceSource,
    Handshake,
    evidence_of,
    gather,
)
from casemate.guest.attestation.measurements import Measurements, Outcome
from casemate.guest.attestation.passports import Passports
from casemate.guest.attestation.settings import AgentSettings
from casemate.guest.broker import Brokers
from casemate.guest.reporting import Stations
from casemate.trace import Station
from casemate.wire.initdata import Initdata

_AS_TRIES: Final = 3
_JSON: Final = ("content-type", "application/json")


class Attester(Protocol):
    """The TEE, as ``casemate.tee.attesters`` gives it."""

    @property
    def tee(self) -> str: ...

    @property
    def has_registers(self) -> bool: ...

    def evidence(self, report_data: bytes) -> bytes: ...

    def bind_init_data(self, digest: Digest) -> None: ...

    def extend(self, register: int, digest: bytes, event: bytes = b"") -> None: ...


class AttestationAgent:
    """One guest's agent.

    Args:
        settings: what ``aa.toml`` says.
        attester: the TEE this guest runs in.
        initdata: the pod's initdata; its digest is already bound to the TEE.
        stations: told what happens.
        devices: what attests beside the TEE, in order.
        measurements: run-time measurements; those of the settings unless given.
    """

    def __init__(
        self,
        settings: AgentSettings,
        attester: Attester,
        initdata: Initdata | None,
        stations: Stations,
        *,
        devices: Sequence[EvidenceSource] = (),
        measurements: Measurements | None = None,
    ) -> None:
        self._settings = settings
        self._attester = attester
        self._initdata = initdata
        self._bound = None if initdata is None else initdata.digest.value
        self._stations = stations
        self._devices = devices
        self._measurements = measurements or Measurements(attester, settings.eventlog_config)
        self._passports: Passports | None = None
        self.brokers = Brokers()
        """Connections to trusted parties; the hub asks the same broker over the same ones."""

    @property
    def tee(self) -> str:
        """Name of the TEE on the wire."""
        return self._attester.tee

    @property
    def additional_tees(self) -> tuple[str, ...]:
        """Devices that attest beside the CPU."""
        return tuple(device.tee for device in self._devices)

    async def evidence(self, runtime_data: bytes) -> bytes:
        """Evidence of the primary TEE bound to ``runtime_data``, as JSON.

        Raises:
            HostError: the device is gone or refuses.
        """
        return await evidence_of(self._attester, runtime_data)

    async def additional_evidence(self, runtime_data: bytes) -> bytes:
        """Evidence of every device bound to ``runtime_data``: a JSON object, empty without devices.

        Raises:
            HostError: one of them is gone or refuses.
        """
        return rcar.additional_evidence(await gather(self._devices, runtime_data)).encode()

    async def passport(self) -> rcar.Passport:
        """Give the shared passport of the configured key broker, attesting if there is none.

        Raises:
            InputError: no key broker is configured, or not one that can be trusted.
            VerificationError: the broker is not the pinned one, or refuses.
            PeerError: it cannot be reached, or breaks the protocol.
        """
        return await self._broker_passports().get()

    def drop(self, passport: rcar.Passport) -> None:
        """Forget a passport that a broker no longer takes."""
        if self._passports is not None:
            self._passports.drop(passport)

    async def token(self, kind: str) -> bytes:
        """Give a token as ``GetToken`` does (guest-components §4.4): ``kbs`` or ``coco_as``.

        A ``kbs`` token comes with its private key, so the answer is secret.
        """
        match kind:
            case "kbs":
                passport = await self.passport()
                key = passport.key.token_pem().reveal().decode("ascii")
                return msgspec.json.encode({"token": passport.token, "tee_keypair": key})
            case "coco_as":
                return await self._service_token()
            case _:
                raise InputError("TokenType", got=kind, want="kbs or coco_as")

    def extend(
        self, domain: str, operation: str, content: str, register: int | None = None
    ) -> Outcome:
        """Measure a run-time event; see ``Measurements.extend``."""
        return self._measurements.extend(domain, operation, content, register)

    def bind_init_data(self, digest: bytes) -> None:
        """Bind initdata, once; the digest that is bound already is accepted again.

        Raises:
            InputError: not the size of a digest.
            VerificationError: other initdata is bound.
        """
        if self._bound is None:
            self._attester.bind_init_data(_digest(digest))
            self._bound = digest
        elif not hmac.compare_digest(self._bound, digest):
            raise VerificationError(_other_initdata(digest, self._bound))

    async def close(self) -> None:
        """Close idle connections."""
        await self.brokers.close()

    def _broker_passports(self) -> Passports:
        if self._passports is None:
            kbs = self._settings.token_configs.kbs
            if kbs is None:
                raise InputError("aa.toml", got="no [token_configs.kbs]", want="a key broker")
            pinned_in = "aa.toml [token_configs.kbs] cert"
            handshake = Handshake(
                self.brokers.get(kbs.url, kbs.cert, pinned_in=pinned_in),
                self._attester,
                self._stations,
                devices=self._devices,
                key_algorithm=kbs.tee_key_algorithm,
                initdata=None if self._initdata is None else self._initdata.raw.decode(),
            )
            self._passports = Passports(handshake.attest)
        return self._passports

    async def _service_token(self) -> bytes:
        service = self._settings.token_configs.coco_as
        if service is None:
            raise InputError("aa.toml", got="no [token_configs.coco_as]", want="a service")
        evidence = base64url.encode(await self.evidence(b""))
        requests = [{"tee": self.tee, "evidence": evidence}]
        pinned_in = "aa.toml [token_configs.coco_as] cert"
        broker = self.brokers.get(service.url, service.cert, pinned_in=pinned_in)
        answer = await broker.request(
            "POST",
            "/attestation",
            station=Station.ATTEST,
            tries=_AS_TRIES,
            headers=(_JSON,),
            body=msgspec.json.encode({"verification_requests": requests, "policy_ids": []}),
        )
        if answer.status != 200:
            raise PeerError("attestation service", got=f"status {answer.status}", want="200")
        return answer.body


def _digest(value: bytes) -> Digest:
    for algorithm in Algorithm:
        if algorithm.size == len(value):
            return Digest(algorithm, value)
    raise InputError("Digest", got=f"{len(value)} bytes", want="32, 48 or 64 bytes")


def _other_initdata(asked: bytes, bound: bytes) -> Refusal:
    return Refusal(
        step=Station.INITDATA.value,
        claim="digest of the initdata",
        got=asked[:64].hex(),
        expected=bound.hex(),
        rule="initdata is bound once, before the network is used",
        remedy="Start another pod for other initdata.",
    )
