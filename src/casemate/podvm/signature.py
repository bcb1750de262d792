"""Reference values signed by whoever built the image, so that they can travel untrusted ways too.

The signature is base64 of ECDSA in DER (or PKCS#1 v1.5, or Ed25519) over the file's exact
bytes with SHA-256: ``openssl dgst -verify`` and ``cosign verify-blob`` read the same form.
"""

import base64
import binascii
from pathlib import Path
from typing import Final

from casemate import files
from casemate.crypto.keys import PrivateKey, PublicKey
from casemate.errors import HostError, InputError, Refusal, VerificationError
from casemate.podvm import image

SUFFIX: Final = ".sig"
_LARGEST: Final = 4096


def sign(folder: Path, key: PrivateKey) -> Path:
    """Sign an image's reference values; give the signature's file, beside them.

    Raises:
        InputError: ``folder`` is no image.
        VerificationError: the image is not what its manifest says.
        HostError: the signature cannot be written.
    """
    image.load(folder)
    values = folder / image.REFERENCE_VALUES
    signature = values.with_name(values.name + SUFFIX)
    try:
        files.replace(signature, base64.b64encode(key.sign_der(values.read_bytes())) + b"\n")
    except OSError as error:
        raise HostError(str(signature), got=error.strerror, want="a folder to write to") from error
    return signature


def require(values: bytes, signature: bytes, signer: PublicKey) -> None:
    """Refuse reference values that ``signer`` did not sign.

    Raises:
        InputError: the signature is no base64 text.
        VerificationError: it is by another key, or over other values.
    """
    if len(signature) > _LARGEST:
        raise InputError("signature", got=f"{len(signature)} bytes", want="at most 4096")
    try:
        decoded = base64.b64decode(signature.strip(), validate=True)
    except (binascii.Error, ValueError) as error:
        raise InputError("signature", got="other text", want="base64") from error
    try:
        signer.verify_der(decoded, values)
    except VerificationError as error:
        raise VerificationError(
            Refusal(
                step="reference values",
                claim="signature of the image's builder",
                got="a signature by another key, or over other values",
                expected="a signature by the given key over exactly these values",
                rule="reference values count when their builder signed them",
                remedy="Take values and signature from the builder again, or the right public key.",
            )
        ) from error
