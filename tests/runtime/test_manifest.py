import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casemate.errors import InputError
from casemate.runtime import manifest
from casemate.wire import initdata

DOCUMENT = initdata.build({"aa.toml": "x = 1\n"})
POD = f"""
apiVersion: v1
kind: Pod
metadata:
  name: two
  namespace: shop
  labels: {{app: two}}
  annotations:
    io.katacontainers.config.hypervisor.cc_init_data: {initdata.encode_annotation(DOCUMENT)}
    io.katacontainers.config.hypervisor.default_memory: "768"
    example.org/note: kept
spec:
  runtimeClassName: kata-remote
  restartPolicy: Never
  containers:
  - name: web
    image: localhost:5000/demo/app:1
    command: [serve]
    args: ["--port", "80"]
    env: [{{name: MODE, value: quiet}}]
    securityContext: {{runAsUser: 1000, readOnlyRootFilesystem: true}}
  - name: side
    image: localhost:5000/demo/side:1
"""


def test_a_pod_is_read_whole() -> None:
    pod = manifest.parse(POD.encode())
    assert (pod.name, pod.namespace, pod.memory) == ("two", "shop", 768)
    assert pod.initdata is not None
    assert pod.initdata.digest == DOCUMENT.digest
    assert pod.annotations == {"example.org/note": "kept"}
    web, side = pod.containers
    assert web.arguments == ("serve", "--port", "80")
    assert web.environment == {"MODE": "quiet"}
    assert (web.user, web.read_only_root) == (1000, True)
    assert side.arguments == ()


@pytest.mark.parametrize(
    ("before", "after", "where"),
    [
        ("kind: Pod", "kind: Deployment", "v1 Pod"),
        ("restartPolicy: Never", "hostNetwork: true", "spec.hostNetwork"),
        ("    command: [serve]\n", "", "args without command"),
        ("name: two", "name: ../two", "pod name"),
        ("name: side", "name: web", "name twice"),
        ("kata-remote", "runc", "runtimeClassName"),
        ("runAsUser: 1000", "privileged: true", "privileged"),
        ("value: quiet", "valueFrom: {secretKeyRef: {}}", "valueFrom"),
        ("default_memory", "kernel_params", "kernel_params"),
        ("    image: localhost:5000/demo/side:1", "    image: ''", "image"),
    ],
)
def test_what_we_do_not_carry_out_is_refused_by_name(before: str, after: str, where: str) -> None:
    assert before in POD
    with pytest.raises(InputError, match=where):
        manifest.parse(POD.replace(before, after).encode())


@settings(max_examples=100)
@given(st.text(max_size=200))
def test_any_text_raises_only_our_error(text: str) -> None:
    with pytest.raises(InputError):
        manifest.parse(text.encode(errors="replace"))


def test_yaml_that_makes_objects_is_refused() -> None:
    with pytest.raises(InputError):
        manifest.parse(b"!!python/object/apply:os.system ['true']")
