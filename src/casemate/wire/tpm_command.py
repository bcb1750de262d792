"""TPM 2.0 commands and their answers (TCG TPM 2.0 Library, Part 3), sans-IO, empty passwords.

A command is made by a function, sent by somebody else, and its answer parsed by ``parse_response``.
"""

from typing import Final, NamedTuple

import msgspec

from casemate.errors import HostError
from casemate.wire.tpm import (
    ALG_NULL,
    ALG_SHA256,
    ALL_PCRS,
    PcrSelection,
    Reader,
    RsaPublic,
    encode_selections,
    read_selections,
    sized,
)

LARGEST_MESSAGE: Final = 4096
"""Bytes; what the kernel's driver and swtpm use."""

RH_OWNER: Final = 0x40000001
RH_ENDORSEMENT: Final = 0x4000000B
RH_PLATFORM: Final = 0x4000000C
PCR_BANKS: Final = (0x0004, 0x000B, 0x000C, 0x000D)

NV_PLATFORM_WRITE: Final = 1 << 0
NV_OWNER_WRITE: Final = 1 << 1
NV_PLATFORM_READ: Final = 1 << 16
NV_OWNER_READ: Final = 1 << 17
NV_AUTH_READ: Final = 1 << 18
NV_NO_DICTIONARY_ATTACK: Final = 1 << 25
NV_PLATFORM_CREATE: Final = 1 << 30
NV_CHUNK: Final = 512
"""Bytes moved by one NV command; every TPM allows at least this many."""

RC_INITIALIZE: Final = 0x100
"""TPM_RC_INITIALIZE: the TPM was started up already."""
RC_RETRY: Final = 0x922
"""TPM_RC_RETRY: the same command will do a moment later."""
RC_NO_SUCH_INDEX: Final = 0x18B
"""TPM_RC_HANDLE of the first handle: nothing has that name."""

_NO_SESSIONS: Final = 0x8001
_SESSIONS: Final = 0x8002
_PASSWORD: Final = bytes.fromhex("400000090000000000")  # TPM_RS_PW, empty
_HASH_CHECK_NULL: Final = bytes.fromhex("8024400000070000")  # no ticket


class Command(msgspec.Struct, frozen=True):
    """A command ready to send."""

    name: str
    raw: bytes
    returns_handle: bool = False
    authorised: bool = False


class Response(msgspec.Struct, frozen=True):
    """An answer without error: its handle (0 when there is none) and its parameters."""

    handle: int
    parameters: bytes


def response_code(raw: bytes) -> int:
    """Give the response code of an answer, 0 for success."""
    reader = Reader(raw, "TPM answer")
    reader.take(6)
    return reader.number(4)


def parse_response(command: Command, raw: bytes) -> Response:
    """Read the answer to ``command``.

    Raises:
        HostError: the TPM refused; ``got`` holds its response code.
        PeerError: what came is not an answer.
    """
    reader = Reader(raw, command.name)
    reader.number(2)
    if (size := reader.number(4)) != len(raw):
        raise reader.error(f"{len(raw)} bytes", f"{size}")
    if code := reader.number(4):
        raise HostError(
            command.name,
            got=f"TPM response code {code:#x}",
            want="success",
            spec="TPM 2.0 Library Part 2, 6.6",
        )
    handle = reader.number(4) if command.returns_handle else 0
    parameters = reader.take(reader.number(4)) if command.authorised else reader.rest()
    return Response(handle, parameters)


def _command(
    name: str,
    code: int,
    handles: tuple[int, ...] = (),
    parameters: bytes = b"",
    *,
    passwords: int = 0,
    returns_handle: bool = False,
) -> Command:
    body = b"".join(handle.to_bytes(4, "big") for handle in handles)
    if passwords:
        body += (len(_PASSWORD) * passwords).to_bytes(4, "big") + _PASSWORD * passwords
    body += parameters
    tag = _SESSIONS if passwords else _NO_SESSIONS
    head = tag.to_bytes(2, "big") + (len(body) + 10).to_bytes(4, "big") + code.to_bytes(4, "big")
    return Command(name, head + body, returns_handle, bool(passwords))


def startup() -> Command:
    """Start the TPM up from a clean state."""
    return _command("TPM2_Startup", 0x144, parameters=b"\0\0")


def shutdown() -> Command:
    """Announce that power goes; state is stored."""
    return _command("TPM2_Shutdown", 0x145, parameters=b"\0\0")


def create_primary(hierarchy: int, template: RsaPublic) -> Command:
    """Make a key from the hierarchy's seed; answers with its transient handle."""
    parameters = b"".join(
        (
            sized(sized(b"") + sized(b"")),  # no password, no data
            sized(template.encode()),
            sized(b""),
            encode_selections(()),
        )
    )
    return _command(
        "TPM2_CreatePrimary", 0x131, (hierarchy,), parameters, passwords=1, returns_handle=True
    )


def evict_control(transient: int, persistent: int) -> Command:
    """Keep a key at a persistent handle."""
    return _command(
        "TPM2_EvictControl",
        0x120,
        (RH_OWNER, transient),
        persistent.to_bytes(4, "big"),
        passwords=1,
    )


def flush_context(handle: int) -> Command:
    """Forget a transient key."""
    return _command("TPM2_FlushContext", 0x165, parameters=handle.to_bytes(4, "big"))


def read_public(handle: int) -> Command:
    """Ask for the public area of a key."""
    return _command("TPM2_ReadPublic", 0x173, (handle,))


def parse_read_public(response: Response) -> RsaPublic:
    """Raises: PeerError when it is not an RSA signing key."""
    return RsaPublic.parse(Reader(response.parameters, "TPM2_ReadPublic").sized())


def quote(key: int, nonce: bytes, selection: PcrSelection = ALL_PCRS) -> Command:
    """Sign the selected PCRs and ``nonce`` (at most 64 bytes) with the key's own scheme."""
    parameters = sized(nonce) + ALG_NULL.to_bytes(2, "big") + encode_selections((selection,))
    return _command("TPM2_Quote", 0x158, (key,), parameters, passwords=1)


def parse_quote(response: Response) -> tuple[bytes, bytes]:
    """Give the TPMS_ATTEST and the TPMT_SIGNATURE, both raw."""
    reader = Reader(response.parameters, "TPM2_Quote")
    return reader.sized(), reader.rest()


def pcr_read(selection: PcrSelection) -> Command:
    """Read PCRs; a TPM answers with the first eight of them."""
    return _command("TPM2_PCR_Read", 0x17E, parameters=encode_selections((selection,)))


def parse_pcr_read(response: Response) -> dict[int, bytes]:
    """Give the values by index.

    Raises:
        PeerError: not one value for each register it says it read.
    """
    reader = Reader(response.parameters, "TPM2_PCR_Read")
    reader.number(4)  # update counter
    indices = [index for s in read_selections(reader) for index in s.indices]
    count = reader.number(4)
    if count != len(indices):
        raise reader.error(f"{count} values", f"{len(indices)}")
    values = {index: reader.sized() for index in indices}
    reader.end()
    return values


def pcr_extend(index: int, digest: bytes) -> Command:
    """Extend a PCR of the SHA-256 bank with 32 bytes."""
    parameters = (1).to_bytes(4, "big") + ALG_SHA256.to_bytes(2, "big") + digest
    return _command("TPM2_PCR_Extend", 0x182, (index,), parameters, passwords=1)


def pcr_allocate(active: tuple[int, ...]) -> Command:
    """Switch PCR banks on and off, from the next reset of the TPM on."""
    banks = tuple(
        PcrSelection(bank, b"\xff\xff\xff" if bank in active else b"\0\0\0") for bank in PCR_BANKS
    )
    return _command(
        "TPM2_PCR_Allocate", 0x12B, (RH_PLATFORM,), encode_selections(banks), passwords=1
    )


def nv_define(index: int, size: int, attributes: int, *, by: int = RH_PLATFORM) -> Command:
    """Make room for ``size`` bytes, by a hierarchy's authority and with an empty password."""
    public = b"".join(
        (
            index.to_bytes(4, "big"),
            ALG_SHA256.to_bytes(2, "big"),
            attributes.to_bytes(4, "big"),
            sized(b""),
            size.to_bytes(2, "big"),
        )
    )
    return _command("TPM2_NV_DefineSpace", 0x12A, (by,), sized(b"") + sized(public), passwords=1)


def nv_undefine(index: int, *, by: int = RH_PLATFORM) -> Command:
    """Give the room of an index back, by the authority of the hierarchy that made it."""
    return _command("TPM2_NV_UndefineSpace", 0x122, (by, index), passwords=1)


def nv_write(index: int, offset: int, data: bytes, *, by: int = RH_PLATFORM) -> Command:
    """Write at most ``NV_CHUNK`` bytes by a hierarchy's authority."""
    parameters = sized(data) + offset.to_bytes(2, "big")
    return _command("TPM2_NV_Write", 0x137, (by, index), parameters, passwords=1)


def nv_read(index: int, offset: int, size: int, *, by: int | None = None) -> Command:
    """Read at most ``NV_CHUNK`` bytes, by the index's own, empty password or by a hierarchy's."""
    parameters = size.to_bytes(2, "big") + offset.to_bytes(2, "big")
    authority = index if by is None else by
    return _command("TPM2_NV_Read", 0x14E, (authority, index), parameters, passwords=1)


def parse_nv_read(response: Response) -> bytes:
    """Give the bytes read."""
    return Reader(response.parameters, "TPM2_NV_Read").sized()


def nv_read_public(index: int) -> Command:
    """Ask for the public area of an NV index."""
    return _command("TPM2_NV_ReadPublic", 0x169, (index,))


class NvPublic(NamedTuple):
    """TPMS_NV_PUBLIC of an index, as far as its users look at it."""

    attributes: int
    size: int
    """Bytes."""


def parse_nv_public(response: Response) -> NvPublic:
    """Read the public area of an NV index.

    Raises:
        PeerError: what came is none.
    """
    public = Reader(Reader(response.parameters, "TPM2_NV_ReadPublic").sized(), "NV public area")
    public.take(4 + 2)
    attributes = public.number(4)
    public.sized()
    return NvPublic(attributes, public.number(2))
