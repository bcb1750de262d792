import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casemate.errors import InputError
from casemate.wire import hypervisor
from casemate.wire.hypervisor import VmWishes

_TEXT = st.text(st.characters(codec="utf-8"), max_size=40)


@settings(max_examples=100)
@given(
    st.builds(
        VmWishes,
        pod=_TEXT,
        namespace=_TEXT,
        machine_type=_TEXT,
        image=_TEXT,
        vcpus=st.integers(0, 999),
        memory=st.integers(0, 999999),
        initdata=_TEXT.map(str.encode),
    )
)
def test_what_is_encoded_is_read_back(wishes: VmWishes) -> None:
    assert hypervisor.parse(hypervisor.encode(wishes)) == wishes


def test_absent_annotations_are_empty_wishes() -> None:
    assert hypervisor.parse({}) == VmWishes(pod="", namespace="")


@pytest.mark.parametrize("text", ["two", "-1", "1.5", "9" * 12, "²"])
def test_a_number_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        hypervisor.parse({"io.katacontainers.config.hypervisor.default_vcpus": text})
