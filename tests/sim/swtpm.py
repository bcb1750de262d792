"""The shared simulator of a TPM: Debian's swtpm, manufactured and reset like a pod's own."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from casemate.crypto.authority import CertificateAuthority
from casemate.linux.swtpm import emulated_tpm
from casemate.linux.tpm import EmulatedTpm
from casemate.tee.vtpm.platform import Manufactured, manufacture
from casemate.tee.vtpm.tpm import Tpm


def require_swtpm() -> None:
    """Skip the calling test, with the reason, where swtpm is missing."""
    if shutil.which("swtpm") is None:
        pytest.skip("no swtpm: apt-get install swtpm")


def manufactured(state: Path, authority: CertificateAuthority) -> Manufactured:
    """Make a certified vTPM in ``state``."""
    state.mkdir(parents=True, exist_ok=True)
    with emulated_tpm(state) as tpm:
        return manufacture(tpm, authority)


@contextmanager
def booted(state: Path) -> Iterator[EmulatedTpm]:
    """Power the vTPM in ``state`` up, started but with nothing measured."""
    with emulated_tpm(state) as transport:
        Tpm(transport).start()
        yield transport
