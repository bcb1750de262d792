"""The vTPM of one VM: made and certified by this platform before the VM starts.

Only the certificate and the TPM's own state are handed to the VM; the platform's signing key stays
with the adaptor.
"""

from pathlib import Path

from casemate.crypto.authority import CertificateAuthority
from casemate.linux.swtpm import emulated_tpm
from casemate.tee.vtpm.platform import manufacture


def make(state: Path, authority: CertificateAuthority, *, name: str) -> None:
    """Manufacture a TPM in the empty folder ``state`` (absolute); blocks for about a second.

    Raises:
        HostError: swtpm is not installed, or refuses.
    """
    with emulated_tpm(state) as tpm:
        manufacture(tpm, authority, name=f"vTPM of {name}")
