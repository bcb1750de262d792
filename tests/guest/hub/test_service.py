from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casemate.errors import CasemateError, HostError, InputError
from casemate.guest.attestation import serve as agents
from casemate.guest.hub import credentials
from casemate.guest.hub import serve as hubs
from casemate.guest.hub import settings as hub_settings
from casemate.guest.hub.documents import Documents
from casemate.guest.hub.names import IMAGES, KEYS, MOUNTS, RESOURCES
from casemate.guest.hub.settings import CREDENTIALS, CredentialSettings
from casemate.guest.reporting import Stations
from casemate.net.ttrpc import Client, Server
from casemate.secret import Secret
from casemate.tee.sample.attester import SampleAttester
from casemate.wire import initdata
from casemate.wire.console import ConsoleEvent
from casemate.wire.pb import confidential_data_hub_pb2 as pb
from casemate.wire.resource_uri import ResourceUri


class Mounts:
    """Takes down what it was asked to mount."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str], tuple[str, ...], Path]] = []

    async def mount(
        self, kind: str, options: Mapping[str, str], flags: Sequence[str], point: Path
    ) -> None:
        self.asked.append((kind, dict(options), tuple(flags), point))


class Shelf:
    """Resources held in memory, all the same."""

    async def get(self, uri: ResourceUri) -> Secret:
        return Secret(str(uri).encode())


def hub(mounts: Mounts | None = None, cdh: str = "") -> hubs.Hub:
    events: list[ConsoleEvent] = []
    stations = Stations(events.append)
    data = initdata.build({"cdh.toml": cdh})
    agent = agents.build(SampleAttester(), data, stations)
    return hubs.build(
        agent, hub_settings.of(data), stations, secure_mount=mounts.mount if mounts else None
    )


async def test_every_service_answers_on_the_socket(tmp_path: Path) -> None:
    mounts = Mounts()
    server = Server(hub(mounts).services())
    await server.serve_unix(tmp_path / "cdh.sock")
    request = pb.SecureMountRequest(
        volume_type="block-device", options={"deviceId": "7:0"}, flags=["ro"], mount_point="/mnt"
    )
    async with await Client.connect_unix(tmp_path / "cdh.sock") as client:
        await client.call(MOUNTS, "SecureMount", request.SerializeToString(), timeout=5)
        for service, method in (
            (RESOURCES, "GetResource"),
            (IMAGES, "PullImage"),
            (KEYS, "UnWrapKey"),
        ):
            with pytest.raises(CasemateError, match="INVALID_ARGUMENT"):
                await client.call(service, method, b"", timeout=5)
    await server.close()
    assert mounts.asked == [("block-device", {"deviceId": "7:0"}, ("ro",), Path("/mnt"))]


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/run/kata-containers",
        "/run/kata-containers/..",
        "/run/kata-containers/a/b",
        "/run/kata-containers/../etc",
        "/etc",
        "run/kata-containers/a",
        "/run/kata-containers/a\0",
    ],
)
async def test_bundle_is_a_containers_own_folder(path: str) -> None:
    pulls = hub().pulls
    with pytest.raises(InputError, match="bundle_path"):
        await pulls.pull("registry.test/app:1", path)
    with pytest.raises(InputError, match="bundle_path"):
        await pulls.drop(path)


async def test_image_name_is_read_before_anything_is_done() -> None:
    request = pb.ImagePullRequest(image_url="UPPER", bundle_path="/run/kata-containers/none")
    with pytest.raises(InputError, match="UPPER"):
        await hub().services()[IMAGES]["PullImage"](request.SerializeToString())


def test_only_the_agent_may_have_images_forgotten() -> None:
    """Containers may reach what the hub's own socket serves, by REST or a mount."""
    served = {name: set(methods) for name, methods in hub().services().items()}
    assert served == {
        RESOURCES: {"GetResource"},
        IMAGES: {"PullImage"},
        MOUNTS: {"SecureMount"},
        KEYS: {"UnWrapKey"},
    }


@pytest.mark.parametrize(
    "cdh",
    [
        "[kbc]\nname = 'cc_kbc'",
        "[kbc]\nname = 'cc_kbc'\nurl = 'http://10.0.2.2:8080'",
        "[kbc]\nname = 'cc_kbc'\nurl = 'https://10.0.2.2:8080'",
    ],
)
def test_broker_that_could_be_anybody_is_not_taken(cdh: str) -> None:
    with pytest.raises(InputError):
        hub(cdh=cdh)


@settings(max_examples=50)
@given(st.binary(max_size=64))
async def test_any_bytes_to_any_method_raise_only_our_errors(payload: bytes) -> None:
    for methods in hub(Mounts()).services().values():
        for method in methods.values():
            try:
                await method(payload)
            except CasemateError:
                continue


async def test_documents_come_from_broker_file_or_path(tmp_path: Path) -> None:
    (tmp_path / "policy").write_bytes(b"text")
    documents = Documents(Shelf())
    assert await documents.fetch("kbs:///a/b/c") == b"kbs:///a/b/c"
    assert await documents.fetch(f"file://{tmp_path}/policy") == b"text"
    assert await documents.fetch(f"{tmp_path}/policy") == b"text"


@pytest.mark.parametrize("place", ["", "policy", "file://relative", "http://x/y", "kbs://", "/a\0"])
async def test_other_places_hold_no_documents(place: str) -> None:
    with pytest.raises(InputError):
        await Documents(Shelf()).fetch(place)


async def test_missing_and_huge_documents_are_told(tmp_path: Path) -> None:
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(5 << 20)
    for name in ("missing", "huge"):
        with pytest.raises(HostError):
            await Documents(Shelf()).fetch(str(tmp_path / name))


async def test_credentials_are_written_for_us_alone(tmp_path: Path) -> None:
    wanted = CredentialSettings(resource_uri="kbs:///a/b/c", path=f"{CREDENTIALS}/aws/key.json")
    await credentials.write_all([wanted], Shelf(), root=tmp_path)
    written = tmp_path / wanted.path.lstrip("/")
    assert written.read_bytes() == b"kbs:///a/b/c"
    assert written.stat().st_mode & 0o777 == 0o600


async def test_credential_does_not_follow_a_link(tmp_path: Path) -> None:
    wanted = CredentialSettings(resource_uri="kbs:///a/b/c", path=f"{CREDENTIALS}/key")
    target = tmp_path / wanted.path.lstrip("/")
    target.parent.mkdir(parents=True)
    target.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(HostError):
        await credentials.write_all([wanted], Shelf(), root=tmp_path)
    assert not (tmp_path / "elsewhere").exists()
