"""One layer, in one pass: size, digest, HMAC, decryption, decompression, diff_id, tar.

Nothing here may be trusted before ``finish`` returned: HMAC and digests are known only at the end
of the stream, so the caller unpacks into a place that nothing can reach until then.
"""

import hashlib
import hmac
from typing import Final, Protocol

from casemate.crypto.cipher import CtrStream, HmacStream
from casemate.crypto.digest import Digest
from casemate.errors import HostError, PeerError, Refusal, VerificationError
from casemate.oci.encryption.options import PrivateOptions, PublicOptions
from casemate.oci.inflate import inflater
from casemate.oci.manifest import Descriptor
from casemate.oci.mediatype import parse_layer
from casemate.oci.tar import Event, TarReader

_STEP: Final = "pull"


class Sink(Protocol):
    """Where a layer's entries go."""

    def take(self, event: Event) -> None:
        """Take the next event; PeerError when it is hostile."""
        ...


class Opening:
    """Decrypts a layer and proves it: HMAC over the ciphertext, digest over the plain blob."""

    def __init__(self, public: PublicOptions, private: PrivateOptions) -> None:
        self._public = public
        self._private = private
        self._stream = CtrStream(private.key, private.nonce)
        self._mac = HmacStream(private.key)
        self._plain = hashlib.new(private.digest.algorithm) if private.digest else None

    def feed(self, data: bytes) -> bytes:
        """Decrypt the next bytes, which prove nothing yet."""
        self._mac.update(data)
        plain = self._stream.update(data)
        if self._plain:
            self._plain.update(plain)
        return plain

    def verify(self, layer: str) -> None:
        """Prove all that was fed.

        Raises:
            VerificationError: HMAC or digest do not match.
        """
        if not self._mac.matches(self._public.hmac):
            raise _refused(
                f"HMAC of layer {layer}",
                got=self._mac.value().hex(),
                expected=self._public.hmac.hex(),
                rule="ocicrypt AES_256_CTR_HMAC_SHA256",
                remedy="The encrypted layer was changed after encryption: push the image again.",
            )
        if self._plain and self._private.digest:
            _require("plain blob of", layer, self._private.digest, self._plain.digest())


class LayerReader:
    """Takes a layer's blob as it arrives and sends its entries to ``sink``.

    Args:
        descriptor: what the verified manifest says of the blob.
        diff_id: digest of the uncompressed tar, from the verified config; None knows none.
        opening: how to decrypt; None for a plain layer.
        sink: where entries go; None only verifies.
    """

    def __init__(
        self,
        descriptor: Descriptor,
        diff_id: Digest | None,
        opening: Opening | None,
        sink: Sink | None,
    ) -> None:
        self._descriptor = descriptor
        self._digest = descriptor.content
        self._diff_id = diff_id
        self._opening = opening
        self._sink = sink
        self._size = 0
        self._blob = hashlib.new(self._digest.algorithm)
        self._tar_hash = hashlib.new(diff_id.algorithm) if diff_id else None
        self._inflater = inflater(parse_layer(descriptor.media_type).packing)
        self._tar = TarReader()
        self._broken: PeerError | HostError | None = None

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the blob.

        A layer that cannot be read or written is not reported at once: ``finish`` first says
        whether it is the layer that was signed, since a changed one breaks somewhere in the
        middle, or asks for space and devices that no honest one needs.

        Raises:
            VerificationError: more bytes than the descriptor says.
        """
        self._size += len(data)
        if self._size > self._descriptor.size:
            raise self._wrong_size("more")
        self._blob.update(data)
        if self._opening:
            data = self._opening.feed(data)
        if self._broken is None:
            try:
                self._unpack(data)
            except (PeerError, HostError) as error:
                self._broken = error

    def finish(self) -> None:
        """Prove the whole layer.

        Raises:
            VerificationError: size, digest, HMAC or diff_id do not match.
            PeerError: the layer is what was signed, and still not a sound tar archive.
            HostError: it is, and the sink had no space or no right.
        """
        name = self._descriptor.digest
        if self._size != self._descriptor.size:
            raise self._wrong_size(str(self._size))
        _require("blob of", name, self._digest, self._blob.digest())
        if self._opening:
            self._opening.verify(name)
        if self._broken:
            raise self._broken
        self._inflater.finish()
        if self._diff_id and self._tar_hash:
            _require("diff_id of", name, self._diff_id, self._tar_hash.digest())
        self._tar.finish()

    def _unpack(self, data: bytes) -> None:
        for plain in self._inflater.feed(data):
            if self._tar_hash:
                self._tar_hash.update(plain)
            for event in self._tar.feed(plain):
                if self._sink:
                    self._sink.take(event)

    def _wrong_size(self, got: str) -> VerificationError:
        return _refused(
            f"size of layer {self._descriptor.digest}",
            got=f"{got} bytes",
            expected=f"{self._descriptor.size} bytes",
            rule="OCI descriptor size",
            remedy="The registry gave another blob than the manifest names: push the image again.",
        )


def _require(what: str, layer: str, expected: Digest, got: bytes) -> None:
    if not hmac.compare_digest(expected.value, got):
        raise _refused(
            f"{what} layer {layer}",
            got=str(Digest(expected.algorithm, got)),
            expected=str(expected),
            rule="OCI content digest",
            remedy="The bytes are not those the image's author described: push the image again.",
        )


def _refused(claim: str, *, got: str, expected: str, rule: str, remedy: str) -> VerificationError:
    return VerificationError(
        Refusal(step=_STEP, claim=claim, got=got, expected=expected, rule=rule, remedy=remedy)
    )
