"""Table of attesters, in order of detection. Loaded in the guest, so it imports little."""

import os
from collections.abc import Mapping
from typing import Protocol

from casemate.crypto.digest import Digest
from casemate.tee.sample.attester import SampleAttester
from casemate.tee.vtpm import attester as vtpm


class Attester(Protocol):
    """The TEE this guest runs in. Calls block for milliseconds (a device answers)."""

    @property
    def tee(self) -> str:
        """Name on the wire, such as ``tpm``."""
        ...

    def evidence(self, report_data: bytes) -> bytes:
        """Give evidence bound to ``report_data``, as JSON.

        Raises:
            HostError: the device is gone or refuses.
        """
        ...

    def bind_init_data(self, digest: Digest) -> None:
        """Bind the pod's initdata, once, before any network is used."""
        ...

    def extend(self, register: int, digest: bytes, event: bytes = b"") -> None:
        """Extend a runtime measurement register; ``event`` goes into the evidence's log."""
        ...


def detect(environ: Mapping[str, str] | None = None) -> Attester:
    """Give the attester of this machine: a TPM's where there is one, else ``sample``.

    ``environ`` stands for the process environment; ``AA_TPM_DEVICE`` and ``AA_TPM_AK_HANDLE``
    (upstream's names) choose the device and the attestation key.
    """
    settings = environ if environ is not None else os.environ
    device = vtpm.find_device(settings)
    if device is not None:
        return vtpm.open_device(device, settings)
    return SampleAttester()
