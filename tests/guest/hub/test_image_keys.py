import json

import pytest

from casemate.errors import CasemateError, InputError, PeerError, VerificationError
from casemate.guest.hub.image_keys import ImageKeys
from casemate.oci.encryption import packet as packets
from casemate.oci.encryption.packet import AnnotationPacket, WrapType
from casemate.secret import Secret
from casemate.wire import key_provider
from casemate.wire.resource_uri import ResourceUri
from tests.vectors import vector

KID = "kbs:///default/image-key/1"
OPTIONS = Secret(b'{"symkey":"..."}')


class Shelf:
    """Keys held in memory; counts how often it is asked."""

    def __init__(self, **keys: bytes) -> None:
        self.keys = {f"default/image-key/{name}": key for name, key in keys.items()}
        self.asked = 0

    async def get(self, uri: ResourceUri) -> Secret:
        self.asked += 1
        return Secret(self.keys[uri.path])


def wrapped(kid: str = KID, wrap_type: WrapType = WrapType.A256GCM) -> AnnotationPacket:
    iv = bytes(12 if wrap_type is WrapType.A256GCM else 16)
    return packets.wrap(OPTIONS, kek=Secret(bytes(32)), kid=kid, iv=iv, wrap_type=wrap_type)


@pytest.mark.parametrize("wrap_type", WrapType)
async def test_question_of_a_puller_is_answered(wrap_type: WrapType) -> None:
    keys = ImageKeys(Shelf(**{"1": bytes(32)}))
    question = key_provider.encode_unwrap(packets.encode(wrapped(wrap_type=wrap_type)))
    answer = json.loads(await keys.answer(question))
    assert bytes(answer["keyunwrapresults"]["optsdata"]) == OPTIONS.reveal()


@pytest.mark.parametrize("kid", ["/default/image-key/1", "file:///key", "default/image-key/1", ""])
async def test_key_id_must_be_a_full_uri(kid: str) -> None:
    shelf = Shelf(**{"1": bytes(32)})
    with pytest.raises(PeerError):
        await ImageKeys(shelf).unwrap(wrapped(kid))
    assert shelf.asked == 0


async def test_other_key_does_not_open_the_packet() -> None:
    with pytest.raises(VerificationError):
        await ImageKeys(Shelf(**{"1": b"\1" * 32})).unwrap(wrapped())


async def test_key_of_the_wrong_size_is_an_error() -> None:
    with pytest.raises(CasemateError):
        await ImageKeys(Shelf(**{"1": bytes(16)})).unwrap(wrapped())


async def test_keys_of_one_image_are_fetched_once_and_not_kept() -> None:
    shelf = Shelf(**{"1": bytes(32)})
    keys = ImageKeys(shelf)
    for times in (1, 2):
        with keys.of_one_image() as once:
            assert await once.unwrap(wrapped()) == await once.unwrap(wrapped()) == OPTIONS
        assert shelf.asked == times


async def test_questions_that_are_none_are_refused() -> None:
    with pytest.raises(InputError):
        await ImageKeys(Shelf()).answer(b"{}")


async def test_upstreams_version_one_packet_is_understood() -> None:
    folder = ("guest", "upstream", "guest-components", "ocicrypt-rs", "data")
    raw = vector(*folder, "sample_kbc_annotation.json").read_bytes()
    packet = packets.parse(raw)
    assert packet.kid == "kbs:///default/key/1"
    with pytest.raises(VerificationError):
        await ImageKeys(_Sample()).unwrap(packet)


class _Sample:
    async def get(self, uri: ResourceUri) -> Secret:
        assert uri.path == "default/key/1"
        return Secret(bytes(32))
