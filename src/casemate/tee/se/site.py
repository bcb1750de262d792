"""What an operator gives for Secure Execution, picked out of folders by what it is.

roots folder       root certificate; image headers; se-challenge.key (32 bytes, the Trustee's);
                   se-customer-key.pem (P-521, optional: one is made for each challenge)
either folder      host key documents, IBM's signing certificate, intermediate, lists
"""

from typing import Final

import msgspec

from casemate.crypto.certificate import Certificate
from casemate.crypto.keys import Kind, PrivateKey
from casemate.crypto.revocation import RevocationList
from casemate.errors import InputError, PeerError
from casemate.secret import Secret
from casemate.tee.evidence import Inputs
from casemate.tee.se.host_key import HostKey, host_keys
from casemate.tee.se.image_header import MAGIC, ImageHeader, ImageTags
from casemate.tee.se.sealing import SECRET_SIZE

CHALLENGE_KEY: Final = "se-challenge.key"
CUSTOMER_KEY: Final = "se-customer-key.pem"
HEADER: Final = "se-image-header.bin"
"""Name under which a simulation writes its header; any name will do."""
_METADATA: Final = b"SeImgLnx"


class Site(msgspec.Struct, frozen=True):
    """Picked, and nothing of it verified."""

    certificates: tuple[Certificate, ...]
    lists: tuple[RevocationList, ...]
    pins: frozenset[bytes]
    images: tuple[ImageTags, ...]
    """Of the headers, by file name; each once."""
    challenge_key: Secret | None
    customer_key: PrivateKey | None

    @classmethod
    def of(cls, inputs: Inputs) -> "Site":
        """Pick it.

        Raises:
            InputError: a file of the operator's that cannot be meant.
        """
        material = inputs.collateral | inputs.anchors.material
        files = inputs.anchors.material.files
        named = {name.rpartition("/")[2]: body for name, body in files.items()}
        key, customer = named.get(CHALLENGE_KEY), named.get(CUSTOMER_KEY)
        images = [_image(name, body) for name, body in sorted(files.items()) if _is_image(body)]
        return cls(
            certificates=material.certificates,
            lists=material.lists,
            pins=inputs.anchors.pins,
            images=tuple(dict.fromkeys(images)),
            challenge_key=None if key is None else _challenge_key(key),
            customer_key=None if customer is None else _customer_key(customer),
        )

    def host_keys(self) -> tuple[HostKey, ...]:
        """Give the host key documents; PeerError when one cannot be read."""
        return host_keys(self.certificates)


def _image(name: str, body: bytes) -> ImageTags:
    try:
        return ImageHeader.find(body).tags
    except PeerError as error:
        raise InputError(name, got=error.got, want=error.want, spec=error.spec) from error


def _is_image(body: bytes) -> bool:
    return MAGIC in body or body.startswith(_METADATA, 0xC000)


def _challenge_key(body: bytes) -> Secret:
    if len(body) != SECRET_SIZE:
        raise InputError(
            CHALLENGE_KEY, got=f"{len(body)} bytes", want=f"{SECRET_SIZE} random bytes"
        )
    return Secret(body)


def _customer_key(pem: bytes) -> PrivateKey:
    key = PrivateKey.from_pem(pem)
    if key.kind is not Kind.P521:
        raise InputError(CUSTOMER_KEY, got=key.kind, want="a P-521 key")
    return key
