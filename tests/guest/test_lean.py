import subprocess
import sys

SCRIPT = """
import casemate.guest.init
from casemate.guest import lean
import casemate.guest.pod
import casemate.crypto.keys
from casemate.wire.pb import agent_pb2
import sys
request = agent_pb2.CreateContainerRequest(container_id="c")
request.OCI.Annotations["a"] = "b"
request.OCI.Process.Args.append("sh")
again = agent_pb2.CreateContainerRequest.FromString(request.SerializeToString())
assert again == request and again.HasField("OCI") and not again.HasField("stdin_port")
assert all(isinstance(sys.modules[name], lean.Absent) for name in lean.UNUSED)
"""


def test_the_guest_works_without_what_is_left_out() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr


FORBIDDEN = ("rich", "click", "starlette", "joserfc", "prometheus_client", "httpx", "regorus")


def test_the_guest_imports_only_what_a_guest_needs() -> None:
    code = "import sys, casemate.guest.init, casemate.guest.pod; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(FORBIDDEN) & set(done.stdout.split())


ATTESTERS = """
from casemate.guest import lean
lean.leave_out()
import casemate.guest.pod
from importlib import import_module
from casemate.tee.attesters import DEVICES, PRIMARY
for row in (*PRIMARY, *DEVICES):
    assert getattr(import_module(row.module), row.opener)
from casemate.crypto import cbor, cose
from casemate.tee.cca.report import Token
"""


def test_every_attester_works_without_what_is_left_out() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ATTESTERS], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr


def test_the_guest_loads_no_attester_before_its_tee_is_found() -> None:
    code = "import sys, casemate.guest.init, casemate.guest.pod; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    assert not [name for name in loaded if name.endswith((".attester", ".opening"))]
    assert not [name for name in loaded if name.startswith("casemate.linux.nv")]
