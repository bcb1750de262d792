import subprocess
import sys


def ran(script: str) -> subprocess.CompletedProcess[str]:
    """Run a script, which must succeed, in an interpreter of its own: what is left out stays so."""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done


SCRIPT = """
import casemate.guest.init
from casemate.guest.lean import absent
import casemate.guest.pod
import casemate.crypto.keys
from casemate.wire.pb import agent_pb2
import sys
request = agent_pb2.CreateContainerRequest(container_id="c")
request.OCI.Annotations["a"] = "b"
request.OCI.Process.Args.append("sh")
again = agent_pb2.CreateContainerRequest.FromString(request.SerializeToString())
assert again == request and again.HasField("OCI") and not again.HasField("stdin_port")
assert all(isinstance(sys.modules[name], absent.Absent) for name in absent.UNUSED)
"""


def test_the_guest_works_without_what_is_left_out() -> None:
    ran(SCRIPT)


LATER = """
import sys
sys.modules["typing_extensions"] = None  # is in no guest
import casemate.guest.init
import casemate.guest.pod
import casemate.guest.vault
import casemate.guest.hub.serve, casemate.guest.rest.serve
from casemate.guest.lean import later
others = {"subprocess", "urllib.parse"}  # the agent starts programs, the vault speaks HTTP
loaded = [name for name in later.LATER if not isinstance(sys.modules[name], later.Later)]
assert set(loaded) <= others, loaded
assert isinstance(sys.modules["logging"], later.Later)
import inspect, ipaddress, json, shutil, subprocess, traceback
assert subprocess.run(["true"], stdout=subprocess.DEVNULL).returncode == 0
assert shutil.which("true")
from urllib.parse import urlsplit
assert urlsplit("https://[::1]:8080/").hostname == "::1"
try:
    urlsplit("https://[127.0.0.1]/")
except ValueError:
    pass
else:
    raise AssertionError("an IPv4 address in brackets passed")
assert ipaddress.ip_address("127.0.0.1").is_loopback
assert json.loads('{"a": [1]}') == {"a": [1]}
assert inspect.isawaitable(None) is False
try:
    raise RuntimeError("told")
except RuntimeError:
    assert "RuntimeError: told" in traceback.format_exc()
"""


ATTESTATION = """
import sys
import casemate.guest.init
import casemate.guest.vault as vault
late = ["google._upb", "casemate.net.ttrpc", "casemate.guest.rest", "ctypes", "casemate.oci"]
from casemate.guest.lean.later import Later
def loaded():
    there = [name for name in sys.modules if name.startswith(tuple(late))]
    return [name for name in there if not isinstance(sys.modules[name], Later)]
assert not loaded(), loaded()
from importlib import import_module
for module in vault._PULLING:
    import_module(module)
late.remove("casemate.oci")
assert not loaded(), loaded()
there = {*sys.modules}
import casemate.guest.hub.serve, casemate.guest.hub.agent_calls
assert there == {*sys.modules}
"""


def test_attestation_is_asked_for_before_what_pulls_need_and_pulls_need_no_protobuf() -> None:
    ran(ATTESTATION)


def test_what_is_loaded_later_is_whole_when_it_is_used() -> None:
    ran(LATER)


CONSTANTS = """
from casemate.guest import lean
lean.leave_out()
import signal, socket, ssl
assert type(ssl.CERT_REQUIRED) is int
assert ssl.VerifyMode(2) == ssl.CERT_REQUIRED == ssl.VerifyMode.CERT_REQUIRED
assert socket.AF_UNIX == socket.AddressFamily.AF_UNIX == 1
assert signal.SIGTERM == signal.Signals.SIGTERM == signal.Signals(15) == 15
context = ssl.create_default_context()
assert context.verify_mode == ssl.CERT_REQUIRED and context.check_hostname
context.minimum_version = ssl.TLSVersion.TLSv1_3
assert context.minimum_version == ssl.TLSVersion.TLSv1_3
context.maximum_version = ssl.TLSVersion.TLSv1_3
assert context.maximum_version == ssl.TLSVersion.TLSv1_3 == ssl.TLSVersion(0x304) == 0x304
assert type(ssl.TLSVersion.TLSv1_2) is int
assert ssl.AlertDescription.ALERT_DESCRIPTION_UNKNOWN_CA == 48
import http
assert http.HTTPStatus(404).phrase == "Not Found"
context.options |= ssl.OP_NO_TICKET
assert context.options & ssl.OP_NO_TICKET
assert ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).verify_mode == ssl.CERT_NONE
with socket.socketpair()[0] as end:
    assert end.family == socket.AF_UNIX and end.type == socket.SOCK_STREAM
signal.signal(signal.SIGTERM, signal.SIG_IGN)
assert signal.getsignal(signal.SIGTERM) == signal.SIG_IGN
signal.signal(signal.SIGTERM, print)
assert signal.signal(signal.SIGTERM, signal.SIG_DFL) is print
import asyncio
assert asyncio.run(asyncio.sleep(0, "ran")) == "ran"
import h11
side = h11.Connection(h11.CLIENT)
request = h11.Request(method="GET", target="/", headers=[("host", "a")])
assert side.send(request).startswith(b"GET / ")
assert side.send(h11.EndOfMessage()) == b""
side.receive_data(b"HTTP/1.1 200 OK\\r\\ncontent-length: 2\\r\\n\\r\\nok")
assert side.next_event().status_code == 200 and side.next_event().data == b"ok"
assert type(side.next_event()) is h11.EndOfMessage
"""


def test_constants_that_stay_numbers_and_plain_events_work() -> None:
    ran(CONSTANTS)


NAMED = """
import collections
real = collections.namedtuple
from casemate.guest import lean
lean.leave_out()
plain = collections.namedtuple
assert plain is not real
def answers(make):
    import builtins
    kept = builtins.eval
    if make is plain:
        builtins.eval = None  # nothing is compiled
    try:
        P = make("P", "x, y z", defaults=(3,), module="m")
    finally:
        builtins.eval = kept
    p = P(1, y=2)
    yield P.__name__, P.__module__, P._fields, P._field_defaults, P.__match_args__, P.__slots__
    yield p, p.x, p.y, p.z, p[1:], repr(p), p._asdict(), p == (1, 2, 3), hash(p), len(p)
    yield p._replace(y=5), P._make([7, 8, 9]), P(*"abc"), P(z=1, y=2, x=3), [*p]
    import copy, pickle
    yield copy.copy(p), type(copy.deepcopy(p)).__name__, p.__getnewargs__()
    match p:
        case P(1, second, z=third):
            yield second, third
    wrong = (lambda: P(), lambda: P(1, 2, 3, 4), lambda: P(1, 2, x=1), lambda: P(1, 2, w=1),
             lambda: P._make([1]), lambda: p._replace(w=1), lambda: setattr(p, "x", 2),
             lambda: setattr(p, "new", 2))
    for one in wrong:
        try:
            one()
        except Exception as error:
            yield type(error)
        else:
            yield "passed"
mine, theirs = list(answers(plain)), list(answers(real))
assert mine == theirs, (mine, theirs)
assert repr(mine) == repr(theirs)
import typing
class Row(typing.NamedTuple):
    a: int
    b: str = "none"
    def told(self): return f"{self.a} {self.b}"
assert Row(1).told() == "1 none" and Row(1, "x")._replace(a=2) == (2, "x")
assert Row.__module__ == "__main__" and Row.__annotations__ == {"a": int, "b": str}
import functools
assert functools.lru_cache(lambda: 1).cache_info().hits == 0
"""


def test_named_tuples_are_what_they_are_elsewhere_without_being_compiled() -> None:
    ran(NAMED)


HASHES = """
import hashlib as real
def hashes(of):
    return of.new("sha384", b"a").digest(), of.sha256(b"a").digest(), of.sha512(b"a").hexdigest()
want = hashes(real)
blake = real.blake2b(b"a").digest()
import sys
del sys.modules["hashlib"]
from casemate.guest import lean
from casemate.guest.lean.later import Later
lean.leave_out()
import hashlib, hmac
from hashlib import sha256
assert isinstance(hashlib, Later)
assert hashes(hashlib) == want and sha256 is hashlib.sha256
assert hmac.new(b"k", b"m", "sha256").digest() == hmac.digest(b"k", b"m", "sha256")
assert isinstance(sys.modules["hashlib"], Later)
try:
    hashlib.new("no such")
except ValueError:
    pass
else:
    raise AssertionError("an algorithm that is not there")
assert hashlib.blake2b(b"a").digest() == blake
assert not isinstance(sys.modules["hashlib"], Later)
"""


def test_usual_hashes_are_there_before_their_module_is_loaded() -> None:
    ran(HASHES)


CRYPTOGRAPHY = """
from casemate.guest import lean
lean.leave_out()
from casemate.crypto import jwe
from casemate.crypto.keys import Kind, PrivateKey, PublicKey
for kind in (Kind.P256, Kind.P384, Kind.ED25519, Kind.RSA):
    key = PrivateKey.generate(kind)
    again = PublicKey.from_pem(key.public.pem())
    assert again == key.public
    again.verify(key.sign(b"message"), b"message", key.algorithm)
key = PrivateKey.generate(Kind.P256)
key.public.verify_der(key.sign_der(b"message"), b"message")
sealed = jwe.encrypt(b"secret", jwe.recipient(key.public))
assert jwe.decrypt(sealed, key).reveal() == b"secret"
from cryptography import x509
"""


def test_keys_signatures_and_sealed_secrets_work_without_what_is_left_out() -> None:
    ran(CRYPTOGRAPHY)


FORBIDDEN = ("rich", "click", "starlette", "joserfc", "prometheus_client", "httpx", "regorus")


def test_the_guest_imports_only_what_a_guest_needs() -> None:
    code = "import sys, casemate.guest.init, casemate.guest.pod; print(*sys.modules)"
    done = ran(code)
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
    ran(ATTESTERS)


def test_the_guest_loads_no_attester_before_its_tee_is_found() -> None:
    code = "import sys, casemate.guest.init, casemate.guest.pod; print(*sys.modules)"
    done = ran(code)
    loaded = done.stdout.split()
    assert not [name for name in loaded if name.endswith((".attester", ".opening"))]
    assert not [name for name in loaded if name.startswith("casemate.linux.nv")]


MESSAGES = """
from casemate.guest import lean
lean.leave_out()
from casemate.wire.pb import agent_pb2, types_pb2
there = set(vars(agent_pb2))
assert "ExecProcessRequest" not in there and "CreateContainerRequest" not in there
made = agent_pb2.CreateContainerRequest
assert made is agent_pb2.CreateContainerRequest and made.DESCRIPTOR.name == "CreateContainerRequest"
storage = made(storages=[agent_pb2.Storage(driver="d")]).storages[0]
assert type(storage) is agent_pb2.Storage and "ExecProcessRequest" not in vars(agent_pb2)
assert types_pb2.IPFamily.Name(types_pb2.v6) == "v6"
from casemate.guest.agent import policy_input
import sys
request = made(storages=[storage])
request.OCI.Annotations["a"] = "b"
seen = policy_input.render(request)
assert seen["OCI"]["Annotations"] == {"a": "b"} and seen["storages"][0]["driver"] == "d"
assert not hasattr(sys.modules["google.protobuf.internal.well_known_types"], "Any")
assert "google.protobuf.descriptor_pb2" not in sys.modules
try:
    agent_pb2.Nothing
except AttributeError as error:
    assert "Nothing" in str(error)
else:
    raise AssertionError("a message that is not there")
"""


def test_message_classes_are_made_when_they_are_asked_for() -> None:
    ran(MESSAGES)


LOG = """
from casemate.guest import lean
lean.leave_out()
import asyncio, logging, sys
from casemate.guest.lean.log import LaterLogging
log, other = logging.getLogger("a.b"), logging.getLogger("c")
asyncio.run(asyncio.sleep(0))
log.debug("nowhere %s", 1)
log.info("nowhere")
assert not log.isEnabledFor(logging.INFO) and log.isEnabledFor(30)
assert isinstance(sys.modules["logging"], LaterLogging)
log.warning("told %s", 1)
assert not isinstance(sys.modules["logging"], LaterLogging)
try:
    raise ValueError("hunter2")
except ValueError:
    other.exception("failed")
log.info("nowhere")
from logging import WARNING, getLogger
assert getLogger("d").getEffectiveLevel() == WARNING == logging.WARNING
"""


def test_log_lines_are_those_of_a_guest_from_the_first_one_on() -> None:
    done = ran(LOG)
    first, second, third = done.stderr.splitlines()
    assert (first, second) == ("a.b: told 1", "c: failed")
    assert third.startswith("ValueError ")
    assert "hunter2" not in done.stderr


def test_a_library_that_logs_by_itself_gets_the_guest_s_lines_too() -> None:
    script = "from casemate.guest import lean; lean.leave_out()\nimport logging; logging.error('e')"
    done = ran(script)
    assert done.stderr == "root: e\n"


HINTS = """
from casemate.guest import lean
lean.leave_out()
import typing
from datetime import UTC, datetime, timedelta
hint = typing.Optional["int"]
def f(x: "typing.List['int']") -> hint: ...
assert typing.get_type_hints(f) == {"x": typing.List[int], "return": typing.Optional[int]}
next_day = datetime.fromisoformat("2026-01-03T00:00:00+00:00")
assert datetime(2026, 1, 2, tzinfo=UTC) + timedelta(days=1) == next_day
import msgspec
class Row(msgspec.Struct):
    at: datetime
    next: "Row | None" = None
text = b'{"at": "2026-01-02T00:00:00Z", "next": {"at": "2026-01-03T00:00:00Z"}}'
assert msgspec.json.decode(text, type=Row).next.at.day == 3
"""


def test_hints_that_are_text_and_dates_mean_what_they_did() -> None:
    ran(HINTS)
