"""``cdh.toml``: key broker, images, credentials (guest-components §8.1, §13.1)."""

from enum import StrEnum
from pathlib import PurePosixPath
from typing import Annotated, Any, Final

import msgspec

from casemate.errors import InputError
from casemate.guest import configuration
from casemate.guest.attestation.settings import LogSettings
from casemate.wire.initdata import Initdata

CREDENTIALS: Final = PurePosixPath("/run/confidential-containers/cdh/kbs")
"""The only folder that fetched credentials are written to."""

DOCUMENT: Final = "cdh.toml"
WORK_DIR: Final = "/run/kata-containers/image/"
_RESOURCE: Final = "kbs://"
_Layers = Annotated[int, msgspec.Meta(ge=1, le=16)]


class BrokerKind(StrEnum):
    """Where resources come from."""

    ATTESTED = "cc_kbc"
    FILES = "offline_fs_kbc"


class BrokerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """``[kbc]``. ``kbs_cert`` is the PEM anchor the broker's TLS certificate must chain to."""

    name: BrokerKind
    url: str | None = None
    kbs_cert: str | None = None


class CredentialSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A resource that is fetched at start and written to ``path``."""

    resource_uri: str
    path: str

    @property
    def target(self) -> PurePosixPath:
        """The path, once it is known to lie in the credentials folder.

        Raises:
            InputError: it lies elsewhere, or walks.
        """
        parts = self.path.split("/")
        path = PurePosixPath(self.path)
        walks = any(part in {"", ".", ".."} for part in parts[1:])
        if walks or CREDENTIALS not in path.parents or "\0" in self.path:
            raise InputError("credentials path", got=self.path, want=f"a path in {CREDENTIALS}")
        return path


class ProxySettings(msgspec.Struct, frozen=True, kw_only=True):
    """``[image.image_pull_proxy]``."""

    https_proxy: str | None = None
    http_proxy: str | None = None
    no_proxy: str | None = None


class ImageSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[image]``. Unknown members are refused: a policy under a misspelt name is no policy."""

    work_dir: str = WORK_DIR
    image_security_policy_uri: str | None = None
    image_security_policy: str | None = None
    sigstore_config_uri: str | None = None
    sigstore_config: str | None = None
    authenticated_registry_credentials_uri: str | None = None
    registry_configuration_uri: str | None = None
    registry_config: dict[str, Any] | None = None
    max_concurrent_layer_downloads_per_image: _Layers = 3
    image_pull_proxy: ProxySettings | None = None
    extra_root_certificates: tuple[str, ...] = ()


class HubSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The whole document; without a ``[kbc]`` no resource can be had."""

    socket: str = "unix:///run/confidential-containers/cdh.sock"
    kbc: BrokerSettings | None = None
    credentials: tuple[CredentialSettings, ...] = ()
    image: ImageSettings = ImageSettings()
    skip_sealed_secret_verification: bool = False
    log: LogSettings = LogSettings()

    @property
    def begins_with_attestation(self) -> bool:
        """Whether something is fetched at start that only an attested guest gets."""
        if self.kbc is None or self.kbc.name is not BrokerKind.ATTESTED:
            return False
        image = msgspec.structs.astuple(self.image)
        places = (value for value in image if isinstance(value, str))
        return bool(self.credentials) or any(place.startswith(_RESOURCE) for place in places)


def of(initdata: Initdata | None) -> HubSettings:
    """Give what ``cdh.toml`` in ``initdata`` says; without it, a hub that has no broker.

    Raises:
        InputError: as :func:`parse`.
    """
    return parse("" if initdata is None else initdata.data.get(DOCUMENT, ""))


def parse(text: str) -> HubSettings:
    """Read ``cdh.toml``.

    Raises:
        InputError: not TOML, a wrong type, an unknown ``[image]`` member, or a credential that
            would be written outside its folder.
    """
    settings = configuration.parse(text, HubSettings, name=DOCUMENT)
    for credential in settings.credentials:
        _ = credential.target
    return settings
