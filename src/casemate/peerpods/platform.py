"""The local platform's authority, which says what TPMs this platform made.

It stands for a maker of hardware. Its key never enters a VM.
"""

import os
from pathlib import Path
from typing import Final

from casemate.crypto.authority import CertificateAuthority
from casemate.errors import HostError

CERTIFICATE: Final = "ca.pem"
KEY: Final = "ca.key"


def authority(folder: Path) -> CertificateAuthority:
    """Load the authority of ``folder``, or make it there; key (mode 0600) before certificate.

    Raises:
        HostError: the folder cannot be read or written.
        InputError: what lies there is no authority.
    """
    try:
        if (folder / CERTIFICATE).exists():
            return CertificateAuthority.load(
                (folder / CERTIFICATE).read_bytes(), (folder / KEY).read_bytes()
            )
        return _create(folder)
    except OSError as error:
        raise HostError(str(folder), got=error, want="the platform's authority") from error


def _create(folder: Path) -> CertificateAuthority:
    made = CertificateAuthority.create("Casemate local platform")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / KEY).unlink(missing_ok=True)
    descriptor = os.open(folder / KEY, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as key:
        key.write(made.key_pem.reveal())
    (folder / CERTIFICATE).write_bytes(made.certificate_pem)
    return made
