"""The Trustee's composition root: settings become objects, objects become a server."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from casemate import metrics, settings
from casemate.crypto.keys import PrivateKey, PublicKey
from casemate.crypto.x509 import split_pem
from casemate.errors import InputError
from casemate.tee.evidence import Anchors
from casemate.tee.verifiers import VERIFIERS
from casemate.trustee.attestation.policy import AttestationPolicies
from casemate.trustee.attestation.service import AttestationService
from casemate.trustee.attestation.signer import TokenSigner
from casemate.trustee.kbs.admin import Acl, Administrators, Issuer
from casemate.trustee.kbs.administration import Administration
from casemate.trustee.kbs.broker import Broker
from casemate.trustee.kbs.handshake import Handshake
from casemate.trustee.kbs.passport import PassportControl
from casemate.trustee.kbs.policy import ResourcePolicy
from casemate.trustee.kbs.resource import Resources
from casemate.trustee.kbs.session import Sessions
from casemate.trustee.measures import Measures
from casemate.trustee.reference_values.service import ReferenceValues
from casemate.trustee.settings import PREFIX, PROFILES, TABLE
from casemate.trustee.storage import Storage

_SOFT: dict[str, str] = {"sample": "sample", "tpm": "profile"}
_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Trustee:
    """A Trustee, ready to be asked. ``values`` are settings; paths are relative to ``folder``."""

    folder: Path
    values: Mapping[str, Any]
    storage: Storage
    broker: Broker

    @classmethod
    def build(
        cls,
        file: Path,
        *,
        environment: Mapping[str, str],
        overrides: Mapping[str, Any] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> Self:
        """Read settings and build everything.

        Raises:
            InputError: a setting or a file it names cannot be meant.
            HostError: the storage cannot be opened.
        """
        values = settings.read(
            TABLE, file=file, prefix=PREFIX, environment=environment, overrides=overrides or {}
        )
        tees = tees_of(values)
        folder = file.resolve().parent
        storage = Storage(folder / values["storage"])
        return cls(folder, values, storage, _broker(folder, values, storage, tees, clock))

    @property
    def largest_body(self) -> int:
        """Bytes."""
        return int(self.values["http.largest_body"]) * _MIB

    def close(self) -> None:
        """Close the storage."""
        self.storage.close()


def tees_of(values: Mapping[str, Any]) -> frozenset[str]:
    """Give the TEEs a profile listens to.

    Raises:
        InputError: no such profile, or ``sample`` wanted in production.
    """
    profile = values["profile"]
    if profile not in PROFILES:
        raise InputError("profile", got=profile, want=" or ".join(PROFILES))
    hardware = frozenset(VERIFIERS) - _SOFT.keys()
    if profile == "production":
        if values["sample"]:
            raise InputError("sample", got="true", want="false in profile production")
        return hardware
    return hardware | {"tpm"} | ({"sample"} if values["sample"] else set())


def _broker(
    folder: Path,
    values: Mapping[str, Any],
    storage: Storage,
    tees: frozenset[str],
    clock: Callable[[], float],
) -> Broker:
    measures = Measures(metrics.registry())
    reference_values = ReferenceValues(storage, clock=clock)
    policies = AttestationPolicies(storage, reference_values, clock=clock)
    resource_policy = ResourcePolicy(storage, initial=_initial_policy(values))
    sessions = Sessions(
        storage, lifetime=values["sessions.lifetime"], most=values["sessions.most"], clock=clock
    )
    attestation = AttestationService(
        tees=tees,
        anchors=Anchors(ak_authorities=tuple(_bundles(folder, values["ak_authorities"]))),
        policies=policies,
        signer=_signer(folder, values, clock),
        clock=clock,
    )
    authorities = [
        der for pem in _bundles(folder, values["token.authorities"]) for der in split_pem(pem)
    ]
    return Broker(
        handshake=Handshake(sessions, attestation, measures),
        administration=Administration(
            _administrators(folder, values, clock), policies, resource_policy, reference_values
        ),
        passports=PassportControl(authorities, clock=clock),
        policy=resource_policy,
        resources=Resources(storage),
        measures=measures,
        timer=time.perf_counter,
    )


def _initial_policy(values: Mapping[str, Any]) -> str:
    by_profile = {"production": "production", "development": "local"}
    return str(values["resource_policy"] or by_profile[values["profile"]])


def _signer(folder: Path, values: Mapping[str, Any], clock: Callable[[], float]) -> TokenSigner:
    return TokenSigner(
        PrivateKey.from_pem(read(folder / values["token.key"])),
        split_pem(read(folder / values["token.certificate"])),
        lifetime=values["token.lifetime"],
        clock=clock,
        issuer=values["token.issuer"],
    )


def _administrators(
    folder: Path, values: Mapping[str, Any], clock: Callable[[], float]
) -> Administrators:
    issuers = [
        Issuer(PublicKey.from_pem(pem), values["admin.issuer"], values["admin.audience"])
        for pem in _bundles(folder, values["admin.keys"])
    ]
    return Administrators(issuers, [Acl.parse(text) for text in values["admin.acls"]], clock=clock)


def _bundles(folder: Path, names: list[str]) -> list[bytes]:
    return [read(folder / name) for name in names]


def read(file: Path) -> bytes:
    """Read a small file that a setting names; InputError when it cannot be."""
    try:
        return file.read_bytes()
    except OSError as error:
        raise InputError(str(file), got=error.strerror, want="a readable file") from error
