"""Attester of an enclave, below Gramine or Occlum (tee §4.7)."""

from collections.abc import Callable
from typing import Final

import msgspec

from casemate.crypto.digest import Digest
from casemate.errors import HostError
from casemate.linux import sgx
from casemate.tee.machine import Machine
from casemate.tee.report_data import padded, require_init_data
from casemate.tee.runtime import no_registers

TEE: Final = "sgx"
REPORT_DATA_SIZE: Final = 64
_CONFIG_ID_AT: Final = 0x30 + 192
"""Offset of CONFIGID in a quote: 48 bytes of header, then the report body."""
_CONFIG_ID_SIZE: Final = 64


class SgxAttester:
    """This enclave. ``quote`` makes a quote bound to 64 bytes."""

    def __init__(self, quote: Callable[[bytes], bytes]) -> None:
        self._quote = quote

    @property
    def tee(self) -> str:
        return TEE

    @property
    def has_registers(self) -> bool:
        return False

    def evidence(self, report_data: bytes) -> bytes:
        """Quote with ``report_data``, padded to 64 bytes.

        Raises:
            HostError: no quote comes.
            InputError: over 64 bytes.
        """
        quote = self._quote(padded(report_data, REPORT_DATA_SIZE))
        return msgspec.json.encode({"quote": quote})

    def bind_init_data(self, digest: Digest) -> None:
        """Check that the enclave was started with the digest as CONFIGID.

        Raises:
            HostError: it was not.
        """
        quote = self._quote(bytes(REPORT_DATA_SIZE))
        found = quote[_CONFIG_ID_AT : _CONFIG_ID_AT + _CONFIG_ID_SIZE]
        if len(found) != _CONFIG_ID_SIZE:
            raise HostError("SGX quote", got=f"{len(quote)} bytes", want="a whole quote")
        require_init_data("CONFIGID", found, digest)

    def extend(self, register: int, digest: bytes, event: bytes = b"") -> None:  # noqa: ARG002
        """Refuse: an enclave has no registers that grow.

        Raises:
            HostError: always.
        """
        raise no_registers(TEE, register)


def open_attester(machine: Machine) -> SgxAttester:
    """Make the attester: Occlum's where it says so, else Gramine's."""
    if "OCCLUM" in machine.environ:
        return SgxAttester(lambda data: sgx.occlum_quote(data, machine.path(sgx.OCCLUM)))
    return SgxAttester(lambda data: sgx.gramine_quote(data, machine.path(sgx.GRAMINE)))
