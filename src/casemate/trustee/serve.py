"""The Trustee's composition root: settings become objects, objects become a server."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import msgspec

from casemate import metrics, settings
from casemate.crypto.keys import PrivateKey, PublicKey
from casemate.crypto.vendor_chain import ChainMemory
from casemate.crypto.x509 import split_pem
from casemate.errors import InputError
from casemate.files import read
from casemate.tee.evidence import Inputs
from casemate.tee.gathering.gatherer import Gatherer
from casemate.tee.plugins import with_plugins
from casemate.tee.verifiers import VERIFIERS
from casemate.trustee.attestation.evaluation import AskedValues, OwnValues
from casemate.trustee.attestation.policy import AttestationPolicies
from casemate.trustee.attestation.secure_execution import (
    SecureExecutionFiles,
    challenge_key,
)
from casemate.trustee.attestation.service import AttestationService, InputsOf
from casemate.trustee.attestation.signer import TokenSigner, require_pair
from casemate.trustee.attestation.trust import (
    CcaConfiguration,
    RootsFolder,
    gatherer_of,
    options_of,
)
from casemate.trustee.evidence_archive import EvidenceArchive
from casemate.trustee.kbs.admin import Acl, Administrators, Issuer
from casemate.trustee.kbs.administration import Administration
from casemate.trustee.kbs.broker import Broker
from casemate.trustee.kbs.handshake import Handshake
from casemate.trustee.kbs.parts import Attests, KeepsPolicies, KeepsReferenceValues
from casemate.trustee.kbs.passport import PassportControl
from casemate.trustee.kbs.policy import ResourcePolicy
from casemate.trustee.kbs.resource import Resources
from casemate.trustee.kbs.session import Sessions
from casemate.trustee.measures import Measures
from casemate.trustee.reference_values.service import ReferenceValues
from casemate.trustee.settings import PREFIX, PROFILES, TABLE
from casemate.trustee.storage import Storage

_SOFT: Final = frozenset({"sample", "sampledevice", "tpm"})
"""TEEs that are off unless a profile turns them on."""
_SAMPLES: Final = frozenset({"sample", "sampledevice"})
_DEVELOPMENT_ONLY: Final = (
    "sample",
    "se.skip_host_key_verification",
    "verifier.allow_debug",
    "verifier.allow_migration",
)
_REMOTE: Final = 10.0  # seconds that another part may take for an answer
_MIB: Final = 1 << 20

if TYPE_CHECKING:
    from casemate.net.grpc import GrpcClient, Services


class Part(StrEnum):
    """A part that runs by itself; the others are reached over gRPC."""

    KBS = "kbs"
    AS = "as"
    RVPS = "rvps"


@dataclass(frozen=True, slots=True)
class Trustee:
    """A Trustee, ready to be asked. ``values`` are settings; paths are relative to ``folder``.

    ``broker`` is None where only another part runs; ``services`` are that part's. ``gatherer``
    brings collateral, and is closed by whoever serves.
    """

    folder: Path
    values: Mapping[str, Any]
    storage: Storage
    broker: Broker | None
    gatherer: Gatherer
    services: "Services" = field(default_factory=dict)
    grpc_port: int = 0

    @classmethod
    def build(
        cls,
        file: Path,
        *,
        environment: Mapping[str, str],
        overrides: Mapping[str, Any] | None = None,
        clock: Callable[[], float] = time.time,
        only: Part | None = None,
    ) -> Self:
        """Read settings and build everything, or ``only`` one part.

        Raises:
            InputError: a setting or a file it names cannot be meant.
            HostError: the storage cannot be opened.
        """
        values = settings.read(
            TABLE, file=file, prefix=PREFIX, environment=environment, overrides=overrides or {}
        )
        folder = file.resolve().parent
        require_profile(values)
        storage = Storage(folder / values["storage"])
        gatherer = gatherer_of(folder, values, clock=clock)
        parts = _Parts(folder, values, storage, clock, gatherer)
        whole = partial(cls, folder, values, storage)
        match only:
            case Part.AS:
                return whole(None, gatherer, parts.attesting(), values["as.port"])
            case Part.RVPS:
                return whole(None, gatherer, parts.providing(), values["rvps.port"])
            case Part.KBS:
                return whole(parts.split_broker(), gatherer)
            case None:
                return whole(parts.whole_broker(), gatherer)

    @property
    def largest_body(self) -> int:
        """Bytes."""
        return int(self.values["http.largest_body"]) * _MIB

    def close(self) -> None:
        """Close the storage."""
        self.storage.close()


@dataclass(frozen=True, slots=True)
class _Parts:
    """Builds the parts from settings."""

    folder: Path
    values: Mapping[str, Any]
    storage: Storage
    clock: Callable[[], float]
    gatherer: Gatherer

    def whole_broker(self) -> Broker:
        values = self._own_values()
        policies = self._policies(values)
        return self._broker(self._attestation(policies), policies, values)

    def split_broker(self) -> Broker:
        from casemate.trustee.kbs import remote

        waiting = float(self.values["collateral.timeout"])  # it may wait for a vendor meanwhile
        client = self._client("as.address", timeout=_REMOTE + waiting)
        return self._broker(
            remote.RemoteAttestation(client),
            remote.RemotePolicies(client),
            remote.RemoteReferenceValues(client),
        )

    def attesting(self) -> "Services":
        from casemate.trustee import rpc
        from casemate.trustee.kbs.remote import RemoteReferenceValues

        values: KeepsReferenceValues
        if self.values["rvps.address"]:
            values = RemoteReferenceValues(self._client("rvps.address"))
            policies = AttestationPolicies(self.storage, AskedValues(values.query))
        else:
            values = own = self._own_values()
            policies = self._policies(own)
        service = self._attestation(policies)
        return {**rpc.attestation(service, policies), **rpc.reference_values(values)}

    def providing(self) -> "Services":
        from casemate.trustee import rpc

        return rpc.reference_values(self._own_values())

    def _own_values(self) -> ReferenceValues:
        return ReferenceValues(self.storage, clock=self.clock)

    def _policies(self, values: ReferenceValues) -> AttestationPolicies:
        return AttestationPolicies(self.storage, OwnValues(values, clock=self.clock))

    def _attestation(self, policies: AttestationPolicies) -> AttestationService:
        return AttestationService(
            tees=tees_of(self.values),
            inputs=self._inputs(),
            policies=policies,
            signer=self._signer(),
            clock=self.clock,
            gather=self.gatherer.gather,
            table=with_plugins(self.values["verifier.plugins"]),
            session_lifetime=self.values["sessions.lifetime"],
        )

    def _inputs(self) -> InputsOf:
        shared = Inputs(
            now=datetime.fromtimestamp(self.clock(), UTC),
            options=options_of(self.values),
            memory=ChainMemory(),
        )
        roots = RootsFolder(
            self.folder / self.values["roots"] if self.values["roots"] else None,
            tuple(self._bundles("ak_authorities")),
            self.clock,
        )
        secure_execution = SecureExecutionFiles(
            self.folder, self.values, key=challenge_key(self.storage), clock=self.clock
        )

        cca = CcaConfiguration(self.folder / self.values["cca.config"], self.clock)

        def of(tee: str, now: datetime) -> Inputs:
            inputs = msgspec.structs.replace(shared, now=now, anchors=roots.anchors())
            for own in (secure_execution, cca):
                if tee == own.tee:
                    return own.added_to(inputs)
            return inputs

        return of

    def _broker(
        self, attestation: Attests, policies: KeepsPolicies, values: KeepsReferenceValues
    ) -> Broker:
        measures = Measures(metrics.registry())
        resource_policy = ResourcePolicy(self.storage, initial=_initial_policy(self.values))
        sessions = Sessions(
            self.storage,
            lifetime=self.values["sessions.lifetime"],
            most=self.values["sessions.most"],
            clock=self.clock,
        )
        authorities = [der for pem in self._bundles("token.authorities") for der in split_pem(pem)]
        return Broker(
            handshake=Handshake(
                sessions,
                attestation,
                measures,
                EvidenceArchive(self.folder / "evidence", most=self.values["evidence.keep"]),
            ),
            administration=Administration(
                self._administrators(), policies, resource_policy, values
            ),
            passports=PassportControl(authorities, clock=self.clock),
            policy=resource_policy,
            resources=Resources(self.storage),
            measures=measures,
            timer=time.perf_counter,
        )

    def _signer(self) -> TokenSigner:
        key = PrivateKey.from_pem(self._read("token.key"))
        chain = split_pem(self._read("token.certificate"))
        signer = TokenSigner(
            key,
            chain,
            lifetime=self.values["token.lifetime"],
            clock=self.clock,
            issuer=self.values["token.issuer"],
        )
        require_pair(key, chain[0])
        return signer

    def _administrators(self) -> Administrators:
        issuer, audience = self.values["admin.issuer"], self.values["admin.audience"]
        issuers = [
            Issuer(PublicKey.from_pem(pem), issuer, audience) for pem in self._bundles("admin.keys")
        ]
        acls = [Acl.parse(text) for text in self.values["admin.acls"]]
        return Administrators(issuers, acls, clock=self.clock)

    def _client(self, setting: str, *, timeout: float = _REMOTE) -> "GrpcClient":
        from casemate.net.grpc import GrpcClient

        return GrpcClient(str(self.values[setting]), timeout=timeout)

    def _read(self, setting: str) -> bytes:
        return read(self.folder / self.values[setting])

    def _bundles(self, setting: str) -> list[bytes]:
        return [read(self.folder / name) for name in self.values[setting]]


def require_profile(values: Mapping[str, Any]) -> None:
    """Refuse a profile that there is not, and development's settings in production (InputError)."""
    if values["profile"] not in PROFILES:
        raise InputError("profile", got=values["profile"], want=" or ".join(PROFILES))
    for name in _DEVELOPMENT_ONLY:
        if values["profile"] == "production" and values[name]:
            raise InputError(name, got="true", want="false in profile production")


def tees_of(values: Mapping[str, Any]) -> frozenset[str]:
    """Give the TEEs a profile listens to."""
    hardware = (frozenset(VERIFIERS) | set(values["verifier.plugins"])) - _SOFT
    if values["profile"] == "production":
        return hardware
    return hardware | {"tpm"} | (_SAMPLES if values["sample"] else set())


def _initial_policy(values: Mapping[str, Any]) -> str:
    by_profile = {"production": "production", "development": "local"}
    return str(values["resource_policy"] or by_profile[values["profile"]])
