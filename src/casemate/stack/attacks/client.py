"""A client of the Trustee that does not play by the rules: each step of RCAR, bent at will."""

from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from casemate.errors import PeerError
from casemate.guest.attestation import rcar
from casemate.guest.attestation.settings import TeeKeyAlgorithm
from casemate.net.http import Headers, HttpClient, Response
from casemate.trace import Station
from casemate.wire import kbs

_JSON: Final = ("content-type", "application/json")


@dataclass(frozen=True, slots=True)
class Opened:
    """A handshake after its challenge: the session's cookie and the nonce to be answered."""

    cookie: Headers
    challenge: bytes


def fresh_key() -> rcar.TeeKey:
    """Make the attacker's own key: whoever gets secrets sealed to it has won."""
    return rcar.TeeKey.generate(TeeKeyAlgorithm.EC_P256)


class HostileClient:
    """Speaks KBS 0.4.0 to a Trustee over TLS, and sends whatever it is given."""

    def __init__(self, url: str, *, anchors_pem: str) -> None:
        self._url = url + kbs.PREFIX
        self._http = HttpClient(anchors_pem=anchors_pem, timeout=30.0)

    async def open(self, tee: str) -> Opened:
        """Ask for a challenge, as anyone may.

        Raises:
            VerificationError: that TEE is not even listened to.
        """
        answer = await self._post("auth", rcar.request(tee), (), claim=f"{tee} evidence")
        cookies = [v.partition(";")[0] for k, v in answer.headers if k == "set-cookie"]
        if not cookies:
            raise PeerError(self._url, got="no session cookie", want=kbs.SESSION_COOKIE)
        return Opened((("cookie", cookies[0]),), answer.body)

    async def attest(self, opened: Opened, body: bytes) -> str:
        """Send an attestation; give the token if it is believed.

        Raises:
            VerificationError: it is not.
        """
        answer = await self._post("attest", body, opened.cookie, claim="forged evidence")
        return kbs.parse_token_answer(answer.body).token

    async def resource(self, path: str, token: str) -> bytes:
        """Ask for a resource with a token; give the sealed answer.

        Raises:
            VerificationError: it is not handed out.
        """
        headers = (("authorization", f"Bearer {token}"),)
        answer = await self._http.request("GET", f"{self._url}/resource/{path}", headers)
        if answer.status != 200:
            raise rcar.failure(
                answer.status, answer.body, station=Station.RELEASE, claim=f"resource {path}"
            )
        return answer.body

    async def _post(self, path: str, body: bytes, cookie: Headers, *, claim: str) -> Response:
        answer = await self._http.request("POST", f"{self._url}/{path}", (_JSON, *cookie), body)
        if answer.status != 200:
            raise rcar.failure(answer.status, answer.body, station=Station.ATTEST, claim=claim)
        return answer

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._http.close()
