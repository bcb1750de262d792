"""A software Ultravisor: answers requests as the firmware of an IBM Z machine does, for tests."""

import msgspec

from casemate.crypto.keys import PrivateKey
from casemate.tee.evidence import fitted
from casemate.tee.se.image_header import ImageTags
from casemate.tee.se.measurement import measure
from casemate.tee.se.report import USER_DATA_SIZE, SeRequest, SeResponse
from casemate.tee.se.request_block import RequestBlock, hash_of


class Ultravisor(msgspec.Struct, frozen=True, kw_only=True):
    """A machine with one VM on it."""

    host_key: PrivateKey
    """P-521; its public half is in the machine's host key document."""
    image: ImageTags
    """Of the image that the VM runs."""
    image_key_hash: bytes
    """SHA-256 (32 bytes) of the host key that the image was built for."""
    cuid: bytes
    """Configuration unique id, 16 bytes."""

    def answer(self, request: SeRequest, user_data: bytes) -> SeResponse:
        """Open a request and measure the VM, with ``user_data`` (64 bytes, padded) in it.

        Raises:
            PeerError: the block does not hold together.
            InputError: the request was made for other machines.
            VerificationError: the block was changed.
        """
        block = RequestBlock.parse(request.request_blob)
        key, nonce = block.open_as(self.host_key)
        additional = self.image_key_hash + hash_of(self.host_key.public)
        user = fitted(user_data, USER_DATA_SIZE)
        with key:
            measurement = measure(
                key, self.image, self.cuid, user=user, nonce=nonce, additional=additional
            )
        return SeResponse(
            measurement=measurement,
            additional_data=additional,
            user_data=user,
            cuid=self.cuid,
            encr_measurement_key=request.encr_measurement_key,
            encr_request_nonce=request.encr_request_nonce,
            image_hdr_tags=request.image_hdr_tags,
        )
