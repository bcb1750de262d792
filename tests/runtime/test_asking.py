from pathlib import Path

import pytest

from casemate.errors import InputError
from casemate.runtime import asking
from casemate.runtime.asking import Wishes
from casemate.wire import initdata


def test_an_image_becomes_a_pod_of_one_container(tmp_path: Path) -> None:
    document = initdata.build({"aa.toml": "a = 1\n"})
    (tmp_path / "i.toml").write_bytes(document.raw)
    pod = asking.request(
        Wishes(
            image="localhost:5000/demo/My.App:1",
            arguments=("run", "it"),
            environment=("A=1=2", "B="),
            initdata=tmp_path / "i.toml",
            podvm=tmp_path,
            memory=512,
        )
    )
    (container,) = pod.containers
    assert pod.name == container.name == "my-app"
    assert container.environment == {"A": "1=2", "B": ""}
    assert pod.initdata is not None
    assert pod.initdata.raw == document.raw
    assert (pod.vm_image, pod.memory) == (str(tmp_path), 512)


def test_a_policy_takes_its_place_in_the_initdata(tmp_path: Path) -> None:
    (tmp_path / "p.rego").write_text("package agent_policy\n")
    (tmp_path / "i.toml").write_bytes(initdata.build({"aa.toml": "a"}).raw)
    pod = asking.request(
        Wishes(image="a", initdata=tmp_path / "i.toml", policy=tmp_path / "p.rego")
    )
    assert pod.initdata is not None
    assert dict(pod.initdata.data) == {"aa.toml": "a", "policy.rego": "package agent_policy\n"}


@pytest.mark.parametrize(
    "wishes",
    [
        Wishes(),
        Wishes(image="a", environment=("novalue",)),
        Wishes(image="a", name="Not A Name"),
        Wishes(image="a", initdata=Path("/nonexistent")),
        Wishes(image="a", file=Path("/nonexistent")),
        Wishes(file=Path("/nonexistent")),
    ],
)
def test_what_cannot_be_meant_is_the_callers_mistake(wishes: Wishes) -> None:
    with pytest.raises(InputError):
        asking.request(wishes)


def test_a_file_without_end_is_not_read() -> None:
    with pytest.raises(InputError, match="4 MiB"):
        asking.request(Wishes(image="a", initdata=Path("/dev/zero")))
