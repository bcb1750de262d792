from pathlib import Path

import pytest

from casemate.errors import HostError, InputError
from casemate.runtime.record import KeptTrace, Pods


@pytest.mark.parametrize("text", [b"", b"{", b'{"name":"\xff"}', b'{"x":' + b"[" * 5000])
def test_damaged_record_names_its_file(tmp_path: Path, text: bytes) -> None:
    pods = Pods(tmp_path)
    record = pods.folder("ab") / "pod.json"
    trace = tmp_path / "traces" / "cd.json"
    for file in (record, trace):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text)
    with pytest.raises(HostError, match=str(record)):
        pods.read("ab")
    with pytest.raises(HostError, match=str(trace)):
        pods.kept_trace("cd")


def test_damaged_trace_of_another_pod_hides_none(tmp_path: Path) -> None:
    pods = Pods(tmp_path)
    pods.keep_trace(KeptTrace(pod="ab", name="app", spans=()))
    (tmp_path / "traces" / "cd.json").write_bytes(b"{")
    assert pods.kept_trace("app").pod == "ab"


def test_what_was_never_kept_is_the_askers_mistake(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        Pods(tmp_path).read("ab")
    with pytest.raises(InputError):
        Pods(tmp_path).kept_trace("cd")
