"""Reference manifests: what cannot be one, and how measurements are compared."""

import pytest

from casemate.errors import PeerError
from casemate.tee.nvidia.fake_manifest import FIELDS, Publisher
from casemate.tee.nvidia.manifest import Manifest
from casemate.tee.simulation import Changes
from tests.tee.simulated import NOW, refused_at, simulated, verdicts

PUBLISHER = Publisher(Changes(FIELDS, {}), NOW)
RIGHT = PUBLISHER.manifest("GH100", "550.90.07", {0: bytes(48), 3: b"\1" * 48})


def test_active_measurements_and_their_values_are_read() -> None:
    found = Manifest.parse(RIGHT)
    assert (found.product, found.version) == ("GH100", "550.90.07")
    assert dict(found.golden) == {
        0: frozenset({bytes(48), b"\x11" * 48}),
        3: frozenset({b"\1" * 48, b"\x11" * 48}),
    }


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"SoftwareIdentity", b"Software"),
        (b"ns0:Meta", b"ns0:Beta"),
        (b"ns0:Payload", b"ns0:Load"),
        (b'index="1"', b'index="0"'),
        (b'index="1"', b'index="-1"'),
        (b'index="1"', b'index="1000"'),
        (b'index="1"', b'index="256"'),
        (b'index="1"', b'index="\xd9\xa1"'),
        (b'active="True"', b'active="Yes"'),
        (b'active="True"', b'inactive="True"'),
        (b'alternatives="2"', b'alternatives="0"'),
        (b'alternatives="2"', b'alternatives="3"'),
        (b'alternatives="2"', b'alternatives="99"'),
        (b'size="48"', b'size="47"'),
        (b'Hash1="11', b'Hash1="1'),
        (b'Hash1="11', b'Hash1="zz'),
        (b'Hash1="11', b'Hash1="1111'),
    ],
)
def test_what_is_no_manifest_is_refused(old: bytes, new: bytes) -> None:
    assert old in RIGHT
    with pytest.raises(PeerError):
        Manifest.parse(RIGHT.replace(old, new))


@pytest.mark.check("nvidia", 10)
def test_measurement_that_the_device_does_not_have_is_refused() -> None:
    wrong = {"manifests": "vbios", "measurement.2": ""}
    assert refused_at(simulated("nvidia", **wrong)) == "10 manifests"


def test_measurement_of_a_disabled_decoder_does_not_count() -> None:
    assert verdicts(simulated("nvidia", manifests="given"))
    enabled = {"manifests": "given", "opaque.nvdec0_status": "41"}
    assert refused_at(simulated("nvidia", **enabled)) == "10 manifests"


def test_second_of_the_good_values_is_good_too() -> None:
    other = {"manifests": "given", "measurement.5": "11" * 48}
    assert verdicts(simulated("nvidia", **other))


def test_manifest_of_another_version_is_not_compared() -> None:
    one = simulated("nvidia", manifests="driver", manifest_version="1", manifest_value="ab" * 48)
    (found,) = verdicts(one)
    assert found.claims["manifests"] == []
