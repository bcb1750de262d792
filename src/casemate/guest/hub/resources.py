"""Resources of a key broker, for those who may have them (guest-components §6 step 7, §7)."""

import base64
import binascii
from pathlib import Path
from typing import Final, Protocol

import msgspec

from casemate.crypto import jwe
from casemate.errors import MALFORMED_JSON, HostError, InputError, Refusal, VerificationError
from casemate.guest.attestation import rcar
from casemate.guest.broker import Broker
from casemate.guest.reporting import Stations
from casemate.secret import Secret
from casemate.trace import Station
from casemate.wire import kbs
from casemate.wire.resource_uri import ResourceUri

_TRIES: Final = 3
_LARGEST_FILE: Final = 8 << 20
OFFLINE_FILES: Final = (
    Path("/etc/aa-offline_fs_kbc-keys.json"),
    Path("/etc/aa-offline_fs_kbc-resources.json"),
)


class Resources(Protocol):
    """Where resources come from."""

    async def get(self, uri: ResourceUri) -> Secret:
        """Fetch one.

        Raises:
            VerificationError: refused, with the broker's reason.
            PeerError: the broker cannot be reached, or breaks the protocol.
            InputError: no broker is configured.
        """
        ...


class PassportOffice(Protocol):
    """The attestation agent, as the hub sees it."""

    async def passport(self) -> rcar.Passport: ...

    def drop(self, passport: rcar.Passport) -> None: ...


class BrokeredResources:
    """Resources of an attested broker, all over one passport."""

    def __init__(self, broker: Broker, office: PassportOffice, stations: Stations) -> None:
        self._broker = broker
        self._office = office
        self._stations = stations
        self._shown: rcar.Passport | None = None

    async def get(self, uri: ResourceUri) -> Secret:
        """Fetch and open one; a refusal of a passport used before is tried again with a new one."""
        with self._stations.at(Station.RELEASE, str(uri)):
            passport = await self._office.passport()
            try:
                return await self._fetch(uri, passport)
            except VerificationError:
                if passport is not self._shown:
                    raise
                self._office.drop(passport)
            finally:
                self._shown = passport
            return await self._fetch(uri, await self._office.passport())

    async def _fetch(self, uri: ResourceUri, passport: rcar.Passport) -> Secret:
        answer = await self._broker.request(
            "GET",
            f"{kbs.PREFIX}/{uri.request_path}",
            station=Station.RELEASE,
            tries=_TRIES,
            headers=(("authorization", f"Bearer {passport.token}"),),
        )
        if answer.status != 200:
            raise rcar.failure(answer.status, answer.body, station=Station.RELEASE, claim=str(uri))
        return jwe.decrypt(answer.body, passport.key)


class FileResources:
    """Resources from files of the measured image: ``{"repo/type/tag": base64}``; later ones win."""

    def __init__(self, files: tuple[Path, ...] = OFFLINE_FILES) -> None:
        self._files = files

    async def get(self, uri: ResourceUri) -> Secret:
        for file in reversed(self._files):
            if (text := _entries(file).get(uri.path)) is not None:
                return Secret(_decoded(text, file))
        raise VerificationError(_absent(uri))


class NoResources:
    """What a guest without a key broker has."""

    async def get(self, uri: ResourceUri) -> Secret:
        raise InputError("cdh.toml", got="no [kbc]", want=f"a key broker to ask for {uri}")


def _entries(file: Path) -> dict[str, str]:
    try:
        if not file.exists():
            return {}
        if file.stat().st_size > _LARGEST_FILE:
            raise HostError(str(file), got="over 8 MiB", want="a smaller file")
        return msgspec.json.decode(file.read_bytes(), type=dict[str, str])
    except OSError as error:
        raise HostError(str(file), got=str(error), want="a readable file") from error
    except MALFORMED_JSON as error:
        raise HostError(str(file), got=str(error), want="names and base64 texts") from error


def _decoded(text: str, file: Path) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise HostError(str(file), got="a text that is not base64", want="base64") from error


def _absent(uri: ResourceUri) -> Refusal:
    return Refusal(
        step=Station.RELEASE.value,
        claim=str(uri),
        got="no such resource in the image",
        expected="a resource of that name",
        rule=f"cdh.toml [kbc] name = {OFFLINE_FILES[0].name!r} and its neighbour",
        remedy="Build the image with it, or name a key broker that has it.",
    )
