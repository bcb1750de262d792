"""A TPM as an object: commands in the order they are needed, over any transport."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from casemate.linux.tpm import TpmLateError, Transport
from casemate.wire import tpm_command as commands
from casemate.wire.tpm import ALL_PCRS, PcrSelection, RsaPublic
from casemate.wire.tpm_command import Command, Response

_RETRIES: Final = 20  # a TPM asks for a retry while it stores its state
_LATE: Final = 2


class Tpm:
    """Raises HostError from every method when the TPM refuses or is gone."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def run(self, command: Command) -> Response:
        answer = self._transport.transmit(command.raw)
        for _ in range(_RETRIES):
            if commands.response_code(answer) != commands.RC_RETRY:
                break
            answer = self._transport.transmit(command.raw)
        return commands.parse_response(command, answer)

    def ask(self, command: Command) -> Response:
        """Run a command that changes nothing: again, if the kernel gave up waiting for it."""
        for _ in range(_LATE):
            with suppress(TpmLateError):
                return self.run(command)
        return self.run(command)

    def start(self) -> None:
        """Start the TPM up, unless firmware did already."""
        command = commands.startup()
        answer = self._transport.transmit(command.raw)
        if commands.response_code(answer) != commands.RC_INITIALIZE:
            commands.parse_response(command, answer)

    def quote(self, key: int, nonce: bytes) -> tuple[bytes, bytes]:
        """Quote all 24 PCRs of the SHA-256 bank: TPMS_ATTEST and TPMT_SIGNATURE, raw."""
        return commands.parse_quote(self.ask(commands.quote(key, nonce)))

    def public(self, key: int) -> RsaPublic:
        return commands.parse_read_public(self.ask(commands.read_public(key)))

    def pcrs(self, wanted: Sequence[int] = ALL_PCRS.indices) -> tuple[bytes, ...]:
        """Read PCRs of the SHA-256 bank: 32 bytes each, none for one that the TPM does not give."""
        values: dict[int, bytes] = {}
        while missing := tuple(i for i in wanted if i not in values):
            command = commands.pcr_read(PcrSelection.of(missing))
            found = commands.parse_pcr_read(self.ask(command))
            if not found.keys() & set(missing):
                break  # it gives what it was not asked for, or nothing
            values |= found
        return tuple(values.get(i, b"") for i in wanted)

    def extend(self, index: int, digest: bytes) -> None:
        self.run(commands.pcr_extend(index, digest))

    def nv_size(self, index: int) -> int | None:
        """Give the size of an NV index in bytes; None when there is none."""
        command = commands.nv_read_public(index)
        answer = self._transport.transmit(command.raw)
        if commands.response_code(answer) == commands.RC_NO_SUCH_INDEX:
            return None
        return commands.parse_nv_public(commands.parse_response(command, answer)).size

    def read_nv(self, index: int, *, by: int | None = None) -> bytes:
        """Read a whole NV index; empty when there is none.

        ``by`` is the hierarchy whose authority reads; without it the index's own, empty password.
        """
        size = self.nv_size(index) or 0
        chunks = range(0, size, commands.NV_CHUNK)
        return b"".join(
            commands.parse_nv_read(
                self.ask(commands.nv_read(index, at, min(commands.NV_CHUNK, size - at), by=by))
            )
            for at in chunks
        )

    def write_nv(
        self, index: int, data: bytes, attributes: int, *, by: int = commands.RH_PLATFORM
    ) -> None:
        """Make an NV index by a hierarchy's authority and fill it."""
        self.run(commands.nv_define(index, len(data), attributes, by=by))
        self.fill_nv(index, data, by=by)

    def fill_nv(self, index: int, data: bytes, *, by: int = commands.RH_PLATFORM) -> None:
        """Write into an NV index that there is, from its begin."""
        for at in range(0, len(data), commands.NV_CHUNK):
            chunk = data[at : at + commands.NV_CHUNK]
            self.run(commands.nv_write(index, at, chunk, by=by))

    def drop_nv(self, index: int, *, by: int = commands.RH_PLATFORM) -> None:
        """Give an NV index back, by the hierarchy that made it."""
        self.run(commands.nv_undefine(index, by=by))
