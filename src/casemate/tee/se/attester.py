"""Attester of a Secure Execution VM: the Ultravisor answers the verifier's own request (tee §12).

What is called report data elsewhere is here the whole request, JSON, with the digest put into it.
"""

from typing import Annotated, Final

import msgspec

from casemate.crypto.digest import Digest
from casemate.errors import MALFORMED_JSON, PeerError
from casemate.linux import uv
from casemate.linux.uv import Uv
from casemate.tee.machine import Machine
from casemate.tee.report_data import no_init_data, padded
from casemate.tee.runtime import no_registers

TEE: Final = "se"
USER_DATA_SIZE: Final = 64
_SPEC: Final = "tee §12"
_Size = Annotated[int, msgspec.Meta(ge=1, le=uv.LARGEST_ANSWER)]


class _Request(msgspec.Struct, frozen=True):
    """The members that the guest needs; the others are echoed as they came."""

    request_blob: bytes
    measurement_size: _Size
    additional_size: Annotated[int, msgspec.Meta(ge=0, le=uv.LARGEST_ANSWER)]
    encr_measurement_key: str
    encr_request_nonce: str
    image_hdr_tags: str
    runtime_data_digest: bytes


class SeAttester:
    """This VM."""

    def __init__(self, device: Uv) -> None:
        self._device = device

    @property
    def tee(self) -> str:
        return TEE

    @property
    def has_registers(self) -> bool:
        return False

    def evidence(self, report_data: bytes) -> bytes:
        """Have the VM measured for a request (JSON, with ``runtime_data_digest`` in it).

        Raises:
            PeerError: not such a request.
            InputError: a digest over 64 bytes.
            HostError: the Ultravisor refuses.
        """
        request = _parse(report_data)
        user_data = padded(request.runtime_data_digest, USER_DATA_SIZE)
        answer = self._device.attest(
            request.request_blob,
            user_data,
            measurement_size=request.measurement_size,
            additional_size=request.additional_size,
        )
        return msgspec.json.encode(
            {
                "measurement": answer.measurement,
                "additional_data": answer.additional,
                "user_data": user_data,
                "cuid": answer.configuration_id,
                "encr_measurement_key": request.encr_measurement_key,
                "encr_request_nonce": request.encr_request_nonce,
                "image_hdr_tags": request.image_hdr_tags,
            }
        )

    def bind_init_data(self, digest: Digest) -> None:
        """Refuse.

        Raises:
            HostError: always; Secure Execution has no field for it.
        """
        raise no_init_data(TEE, digest)

    def extend(self, register: int, digest: bytes, event: bytes = b"") -> None:  # noqa: ARG002
        """Refuse.

        Raises:
            HostError: always; Secure Execution has no registers.
        """
        raise no_registers(TEE, register)


def _parse(raw: bytes) -> _Request:
    try:
        request = msgspec.json.decode(raw, type=_Request)
    except MALFORMED_JSON as error:
        raise PeerError("challenge", got=error, want="a request of Secure Execution") from error
    if not 0 < len(request.request_blob) <= uv.LARGEST_REQUEST:
        raise PeerError(
            "request_blob",
            got=f"{len(request.request_blob)} bytes",
            want=f"1 to {uv.LARGEST_REQUEST} bytes",
            spec=_SPEC,
        )
    return request


def open_attester(machine: Machine) -> SeAttester:
    """Make the attester of a machine."""
    return SeAttester(Uv(machine.path(uv.DEVICE)))
