"""One repository of a registry, as a source and as a place to push to (distribution spec)."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import urljoin, urlsplit

import msgspec

from casemate.errors import MALFORMED_JSON, PeerError
from casemate.net.http import Body, Headers, HttpClient, ResponseStream
from casemate.oci.authorization import authorize
from casemate.oci.credentials import Credentials
from casemate.oci.manifest import ACCEPTED, LARGEST, Descriptor
from casemate.oci.reference import DEFAULT_HOST, Reference
from casemate.oci.source import Document, NotFoundError, require_stated

_DOCKER_HOST: Final = "registry-1.docker.io"
_STATED: Final = "docker-content-digest"
_OCTETS: Final = "application/octet-stream"


class _Complaint(msgspec.Struct, frozen=True):
    code: str = ""
    message: str = ""


class _Complaints(msgspec.Struct, frozen=True):
    errors: tuple[_Complaint, ...] = ()


class Registry:
    """The repository of ``reference``; its tag and digest play no part.

    Every method raises PeerError when the registry cannot be reached or refuses, and
    VerificationError when its certificate does not prove it.

    Args:
        http: carries the trusted certificates and the timeout.
        credentials: where to find a login for the repository.
        plain_http: speak HTTP without TLS.
    """

    def __init__(
        self,
        http: HttpClient,
        reference: Reference,
        *,
        credentials: Credentials | None = None,
        plain_http: bool = False,
    ) -> None:
        self._http = http
        self._name = reference.repository
        self._login = (credentials or Credentials()).find(reference)
        host = _DOCKER_HOST if reference.host == DEFAULT_HOST else reference.host
        scheme = "http" if plain_http else "https"
        self._base = f"{scheme}://{host}/v2/{reference.path}"
        self._authorization: str | None = None

    async def document(self, wanted: str) -> Document:
        """Fetch a manifest or index by tag or digest; NotFoundError when there is none."""
        headers = [("Accept", ", ".join(ACCEPTED))]
        async with self._ask("GET", f"/manifests/{wanted}", headers) as answer:
            await self._require(answer, {200}, f"manifest {wanted}")
            raw = await answer.read(LARGEST)
            require_stated(raw, answer.header(_STATED), f"manifest {wanted} of {self._name}")
            return Document(raw, answer.header("content-type") or "")

    async def blob(self, descriptor: Descriptor) -> AsyncGenerator[bytes, None]:
        """Stream a blob, unverified; redirects are followed."""
        async with self._ask("GET", f"/blobs/{descriptor.digest}") as answer:
            await self._require(answer, {200}, f"blob {descriptor.digest}")
            async for chunk in answer.chunks():
                yield chunk

    async def has_blob(self, descriptor: Descriptor) -> bool:
        """Ask whether a blob is there already."""
        async with self._ask("HEAD", f"/blobs/{descriptor.digest}") as answer:
            return answer.status == 200

    async def put_blob(
        self, descriptor: Descriptor, content: Callable[[], AsyncIterator[bytes]]
    ) -> None:
        """Upload a blob in one piece; ``content`` starts its stream."""
        async with self._ask("POST", "/blobs/uploads/") as answer:
            await self._require(answer, {202}, "upload")
            location = answer.header("location")
        if not location:
            raise PeerError(self._base, got="no Location", want="where to upload to")
        url = upload_url(f"{self._base}/blobs/uploads/", location)
        url += ("&" if "?" in url else "?") + f"digest={descriptor.digest}"
        head = (("Content-Type", _OCTETS), ("Content-Length", str(descriptor.size)))
        async with self._send("PUT", url, head, content()) as answer:
            await self._require(answer, {201, 204}, f"blob {descriptor.digest}")

    async def put_document(self, wanted: str, document: Document) -> None:
        """Upload a manifest under a tag or its digest; its blobs must be there."""
        head = [("Content-Type", document.media_type)]
        async with self._ask("PUT", f"/manifests/{wanted}", head, document.raw) as answer:
            await self._require(answer, {201, 202}, f"manifest {wanted}")

    @asynccontextmanager
    async def _ask(
        self,
        method: str,
        path: str,
        headers: list[tuple[str, str]] | None = None,
        body: bytes = b"",
    ) -> AsyncIterator[ResponseStream]:
        """Send a request, and once more with a token when the registry asks for one."""
        url = self._base + path
        async with self._send(method, url, tuple(headers or ()), body) as answer:
            challenge = answer.header("www-authenticate")
            if answer.status != 401 or not challenge:
                yield answer
                return
            await answer.read()
        self._authorization = await authorize(self._http, url, challenge, self._login)
        async with self._send(method, url, tuple(headers or ()), body) as answer:
            yield answer

    @asynccontextmanager
    async def _send(
        self, method: str, url: str, headers: Headers, body: Body
    ) -> AsyncIterator[ResponseStream]:
        if self._authorization and _origin(url) == _origin(self._base):
            headers = (*headers, ("Authorization", self._authorization))
        follow = method in {"GET", "HEAD"}
        async with self._http.stream(method, url, headers, body, redirects=follow) as answer:
            yield answer

    async def _require(self, answer: ResponseStream, statuses: set[int], what: str) -> None:
        if answer.status in statuses:
            return
        raw = await answer.read(64 << 10)
        where = f"{what} of {self._name}"
        if answer.status == 404:
            raise NotFoundError(where, got=_complaint(raw) or "none", want="one that is there")
        remedy = "Check the registry credentials." if answer.status in {401, 403} else ""
        got = f"status {answer.status} {_complaint(raw)}".strip()
        raise PeerError(where, got=got, want="the registry to agree", remedy=remedy)


def upload_url(asked: str, location: str) -> str:
    """Where an upload goes that ``asked`` answered with ``location``.

    Raises:
        PeerError: from https to plain http.
    """
    url = urljoin(asked, location)
    if asked.startswith("https:") and not url.startswith("https:"):
        raise PeerError(asked, got=f"an upload to {url}", want="https to stay https")
    return url


def _origin(url: str) -> tuple[str, str | None, int | None]:
    """Whom a login is for: the registry alone, wherever it sends us to upload."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def _complaint(raw: bytes) -> str:
    try:
        errors = msgspec.json.decode(raw, type=_Complaints).errors
    except MALFORMED_JSON:
        return ""
    return "; ".join(f"{error.code}: {error.message}" for error in errors[:3])
