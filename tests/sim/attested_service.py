"""A service whose TLS key is attested by a software TPM, over real TLS; it keeps what it gets."""

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from casemate.crypto.authority import CertificateAuthority
from casemate.crypto.keys import PrivateKey
from casemate.tee.vtpm.fake import SoftwareTpm
from casemate.wire import attested_key
from casemate.wire.attested_key import AttestedKey

PLATFORM = CertificateAuthority.create("platform")
TPM = SoftwareTpm(PLATFORM)


@dataclass
class Service:
    """What it shows, which a test may falsify, and what it has received."""

    key: PrivateKey
    attested: PrivateKey
    """The key that its evidence speaks of: its own, unless it lies."""
    route: bool = True
    stale: str = ""
    """A nonce of an earlier day, answered whatever was asked."""
    token: str = ""
    certificate: bytes = b""
    port: int = 0
    received: list[bytes] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def document(self, nonce: str) -> bytes:
        if self.token:
            return attested_key.encode(AttestedKey(nonce=nonce, token=self.token))
        shown = self.stale or nonce
        digest = attested_key.report_data(shown, self.attested.public).value
        evidence = msgspec.Raw(TPM.evidence(digest))
        return attested_key.encode(AttestedKey(nonce=shown, tee="tpm", evidence=evidence))


def self_signed(service: Service, *, carried: bool = False, age: timedelta = timedelta(0)) -> bytes:
    """Make its certificate (PEM), with the attestation inside when ``carried``."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "service")])
    native = service.key.native
    assert isinstance(native, ec.EllipticCurvePrivateKey)
    begin = datetime.now(UTC) - age
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(native.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=90))
    )
    if carried:
        oid = x509.ObjectIdentifier(attested_key.EXTENSION)
        own = service.document("made-with-the-certificate")
        builder = builder.add_extension(x509.UnrecognizedExtension(oid, own), critical=False)
    made = builder.sign(native, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.PEM)


@contextmanager
def serving(service: Service, folder: Path) -> Iterator[Service]:
    """Serve until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            if parts.path == attested_key.PATH and service.route:
                self._answer(200, service.document(parse_qs(parts.query)["nonce"][0]))
            elif parts.path == attested_key.PATH:
                self._answer(404, b"")
            else:
                self._answer(200, b'"hello"')

        def do_POST(self) -> None:
            service.received.append(self.rfile.read(int(self.headers["content-length"])))
            self._answer(200, json.dumps({"got": len(service.received[-1])}).encode())

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            del args

    pem = service.certificate or self_signed(service)
    (folder / "service.pem").write_bytes(pem + service.key.pem().reveal())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "service.pem")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.socket = context.wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    service.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
