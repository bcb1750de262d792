"""Whom an operator trusts beside the vendors whose roots are pinned in each TEE's package."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from casemate.crypto.certificate import Certificate
from casemate.tee.material import Material

EMPTY: Final[Mapping[str, bytes]] = MappingProxyType({})


class Anchors(msgspec.Struct, frozen=True, kw_only=True):
    """Trust that was configured. None at all leaves the vendors' pins, and no virtual TPM."""

    ak_authorities: tuple[bytes, ...] = ()
    """PEM bundles of platform authorities that certify vTPM attestation keys."""
    material: Material = Material()
    """The operator's folder of roots: certificates, and files of other forms. Certificates in it
    serve as issuers; they are *trusted* only when pinned or named in ``pins``."""
    pins: frozenset[bytes] = frozenset()
    """SHA-256 (32 bytes) of roots trusted beside the vendors': of a certificate's DER, or of a
    root file that is no X.509."""

    @classmethod
    def of_folder(
        cls, files: Mapping[str, bytes], *, ak_authorities: Iterable[bytes] = ()
    ) -> "Anchors":
        """Trust every root in a folder that somebody named on purpose (``--roots``).

        A root is a self-issued certificate, or a file of another form; intermediates only help.
        """
        material = Material.of_files(files)
        roots = {one.fingerprint for one in material.certificates if one.issuer == one.subject} | {
            material.fingerprint(name) for name in material.files
        }
        return cls(ak_authorities=tuple(ak_authorities), material=material, pins=frozenset(roots))

    def trusts(self, root: Certificate) -> bool:
        """Say whether an operator named this root."""
        return root.fingerprint in self.pins
